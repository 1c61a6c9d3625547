//! Flags of `lab eject`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCompleter;

use super::super::candidates::files_and_labs;
use super::{Choice, Reading};

/// `lab eject`.
#[derive(Debug, ClapArgs)]
pub struct Eject {
    /// A scenario file, a directory with a scenario.yaml in it, or the name of a lab of this machine
    #[arg(add = ArgValueCompleter::new(files_and_labs))]
    pub scenario: PathBuf,
    /// The directory to write: a new one, or an empty one
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Name of the lab, instead of the one in the scenario
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where images come from
    #[arg(long, value_enum, default_value = "auto")]
    pub images: Choice,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}
