//! Verbs about meshes that somebody else installed.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCompleter;

use crate::cli::candidates::files;

/// `lab inspect`.
#[derive(Debug, ClapArgs)]
pub struct Inspect {
    /// A context of the kubeconfig, one for each cluster of the mesh; may be repeated
    #[arg(long, value_name = "NAME")]
    pub context: Vec<String>,
    /// The kubeconfig; by default what KUBECONFIG names, or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the lab in the scenario
    #[arg(long, value_name = "NAME", default_value = "found")]
    pub name: String,
    /// Write the scenario to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `lab attach`.
#[derive(Debug, ClapArgs)]
pub struct Attach {
    /// The scenario file that `lab inspect` wrote
    #[arg(add = ArgValueCompleter::new(files))]
    pub scenario: PathBuf,
    /// Name of the lab, instead of the one in the scenario
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}
