//! `lab prove` and `lab rotate`.

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCandidates;

use super::Output;
use crate::cli::candidates::labs;
use crate::commands::rotate::Subject;

/// `lab prove`.
#[derive(Debug, ClapArgs)]
pub struct Prove {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Only the breaks whose words contain this text, as `gateway` or `of c2`
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Show the breaks, and make none
    #[arg(long)]
    pub list: bool,
    /// Form of the proof
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab rotate`.
#[derive(Debug, ClapArgs)]
pub struct Rotate {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// What is replaced
    #[arg(value_enum)]
    pub what: Subject,
    /// Form of what is told
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}
