//! Flags of the verbs by which lab tells about itself.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;

use super::Output;

/// `lab version` and `lab self-check`.
#[derive(Debug, ClapArgs)]
pub struct Version {
    /// Form of what is printed
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab schema`.
#[derive(Debug, ClapArgs)]
pub struct Schema {
    /// The schema of what this verb prints with `--output json`, rather than of scenarios
    #[arg(long, value_name = "VERB", value_parser = PossibleValuesParser::new(crate::cli::schema::verbs()))]
    pub output: Option<String>,
}

/// `lab completions`.
#[derive(Debug, ClapArgs)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `lab man`.
#[derive(Debug, ClapArgs)]
pub struct Man {
    /// The directory, which is created if needed, as for `man -l DIR/lab-up.1`
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// `lab docs`.
#[derive(Debug, ClapArgs)]
pub struct Docs {
    /// The directory, which is created if needed
    #[arg(value_hint = clap::ValueHint::DirPath)]
    pub dir: PathBuf,
}
