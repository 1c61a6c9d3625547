//! What a lab would become, and that it goes.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

use super::{Output, Reading};
use crate::cli::candidates::{files_and_labs, labs};

/// `lab diff`.
#[derive(Debug, ClapArgs)]
pub struct Diff {
    /// A scenario file, a directory with a scenario.yaml in it, or the name of a lab of this machine
    #[arg(add = ArgValueCompleter::new(files_and_labs))]
    pub scenario: PathBuf,
    /// Name of the lab, instead of the one in the scenario
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Show also what `lab up --remove` would take away
    #[arg(long)]
    pub remove: bool,
    /// Form of what is shown
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `lab down`.
#[derive(Debug, ClapArgs)]
pub struct Down {
    /// Names of labs
    #[arg(required_unless_present = "all", add = ArgValueCandidates::new(labs))]
    pub names: Vec<String>,
    /// Every lab that `lab list` shows
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
}
