//! Flags of verbs that only look at labs.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCandidates;

use super::super::candidates::labs;
use super::Output;

/// `lab report`.
#[derive(Debug, ClapArgs)]
pub struct Report {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Write it to this file instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `lab list`.
#[derive(Debug, ClapArgs)]
pub struct List {
    /// Form of the list
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab status`.
#[derive(Debug, ClapArgs)]
pub struct Status {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Keep looking until interrupted: on a terminal the screen is redrawn, elsewhere each change is a line
    #[arg(long, short)]
    pub watch: bool,
    /// Form of the status; with --watch, each JSON document is a line
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab dump`.
#[derive(Debug, ClapArgs)]
pub struct Dump {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// The archive to write; by default lab-dump-NAME-TIME.tar.gz in the working directory
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
