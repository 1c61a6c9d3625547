//! Flags of what hands a lab to other people's tools, or takes theirs.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCandidates;

use super::super::candidates::labs;

/// `lab kubeconfig`.
#[derive(Debug, ClapArgs)]
pub struct Kubeconfig {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Write the topology file of Istio's own tests into this directory, with a kubeconfig for each cluster; `lab run` runs the tests
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub istio_topology: Option<PathBuf>,
}

/// `lab scenario`.
#[derive(Debug, ClapArgs)]
pub struct Scenario {
    /// A topology file of Istio's own tests, such as prow/config/topology/multicluster.json
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub from_istio_topology: PathBuf,
    /// Name of the lab; by default that of the file
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}
