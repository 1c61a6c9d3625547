//! `lab verify`, `lab prove`, `lab soak`, `lab rotate` and `lab upgrade`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCandidates;

use super::Output;
use super::number::seconds;
use crate::cli::candidates::labs;
use crate::commands::rotate::Subject;
use crate::scenario::Minor;

/// `lab verify`.
#[derive(Debug, ClapArgs)]
pub struct Verify {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Seconds that endpoints may take to settle
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = seconds)]
    pub settle: u64,
    /// Write the verdict as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// In a mesh that lab did not install: call from every cluster to every other, by pods in a namespace lab-probes that is removed again
    #[arg(long)]
    pub probes: bool,
    /// Form of the verdict on standard output
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

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

/// `lab soak`.
#[derive(Debug, ClapArgs)]
pub struct Soak {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// After how long no further fault begins, as 90s or 30m
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = span)]
    pub seconds: u64,
    /// What the faults are drawn by; another one each time without it
    #[arg(long)]
    pub seed: Option<u64>,
    /// Show the first faults of the seed, and make none
    #[arg(long)]
    pub list: bool,
    /// Form of what is told
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// Seconds, of a number with its unit.
fn span(text: &str) -> Result<u64, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let read = |(unit, seconds): (&str, u64)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds);
    let span = units.into_iter().find_map(read);
    span.filter(|s| (1..=LONGEST_SOAK).contains(s)).ok_or_else(|| "give a time of at most 24h, such as 30m".to_owned())
}

/// A day.
const LONGEST_SOAK: u64 = 24 * 3600;

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

/// `lab upgrade`.
#[derive(Debug, ClapArgs)]
pub struct Upgrade {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// The minor version, as 1.31; without it is told which there are, and which cluster runs which
    #[arg(long, value_name = "VERSION")]
    pub istio: Option<Minor>,
    /// Form of what is told
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}
