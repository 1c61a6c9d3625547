//! Errors as a user sees them, and their exit codes.

use std::fmt::{Display, Write as _};

use miette::Diagnostic;
use thiserror::Error;

use super::misnamed;
use crate::context::StepError;
use crate::plan::{FixedError, ResolveError, UnnamedError};
use crate::scenario::ScenarioErrors;
use crate::sys::docker::DockerError;
use crate::sys::kube::KubeError;
use crate::sys::state::StateError;
use crate::sys::words::Io;

/// Why a command did not end well.
#[derive(Debug, Error, Diagnostic)]
pub enum CliError {
    /// The scenario is wrong.
    #[error("the scenario is not valid")]
    Scenario(Box<ScenarioErrors>),
    /// The scenario leaves no room for what it leaves out.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Resolve(#[from] ResolveError),
    /// The scenario changes what of a lab stays as it was made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fixed(#[from] FixedError),
    /// The scenario leaves a cluster out that is there.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unnamed(#[from] UnnamedError),
    /// The command line asks for what cannot be.
    #[error("{problem}")]
    #[diagnostic(help("{remedy}"))]
    Usage {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// The machine lacks something, before anything was begun.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Before(#[from] StepError),
    /// Steps failed; each with its title.
    #[error("building the lab failed")]
    Build {
        /// The lab.
        lab: String,
        /// Titles and errors.
        failures: Vec<(String, StepError)>,
    },
    /// The verdict is red; it has been shown.
    #[error("a check failed")]
    Red,
    /// `lab up` would change something; what has been shown.
    #[error("`lab up` would change something")]
    WouldChange,
    /// The machine cannot carry a lab; why has been shown.
    #[error("this machine cannot carry a lab")]
    Unfit,
    /// A command in a pod did not end well; it has said why itself.
    #[error("the command ended with {code}")]
    Command {
        /// Its exit status.
        code: u8,
    },
    /// Interrupted.
    #[error("interrupted")]
    #[diagnostic(help("{remedy}"))]
    Interrupted {
        /// What to do about what was begun.
        remedy: String,
    },
    /// Standard output takes no more.
    #[error("cannot write to standard output")]
    #[diagnostic(help("check where it is redirected to: that disk may be full"))]
    Print {
        /// Why.
        #[source]
        source: Io,
    },
    /// A file cannot be written.
    #[error("cannot write {what}")]
    #[diagnostic(help("check that you may write to its directory, and that its disk has space left"))]
    Write {
        /// What.
        what: String,
        /// Why.
        #[source]
        source: Io,
    },
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        misnamed::told(error)
    }
}

impl From<DockerError> for CliError {
    fn from(error: DockerError) -> Self {
        Self::Before(error.into())
    }
}

impl CliError {
    /// A file or directory that cannot be written; `what` names it.
    pub(super) fn write(what: impl Display) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |error| Self::Write { what, source: error.into() }
    }

    /// The exit code; `cli::run` documents the table.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Red => 1,
            Self::Command { code } => *code,
            Self::Scenario(_)
            | Self::Resolve(_)
            | Self::Fixed(_)
            | Self::Unnamed(_)
            | Self::Usage { .. }
            | Self::Before(
                StepError::State(
                    StateError::Unknown { .. }
                    | StateError::NoSnapshot { .. }
                    | StateError::SnapshotTaken { .. }
                    | StateError::OtherArchive { .. },
                )
                | StepError::Kube(KubeError::Fixed { .. } | KubeError::Context { .. }),
            ) => 2,
            Self::Before(StepError::Images(error)) if error.is_wrong_file() => 2,
            Self::Before(error) if error.is_scenario() => 2,
            Self::Before(_) | Self::Print { .. } | Self::Write { .. } | Self::Unfit => 3,
            Self::Build { failures, .. } if failures.iter().any(|(_, e)| e.is_scenario()) => 2,
            Self::Build { failures, .. } if failures.iter().all(|(_, e)| e.is_machine()) => 3,
            Self::Build { .. } => 4,
            Self::WouldChange => 5,
            Self::Interrupted { .. } => 130,
        }
    }

    /// What is written to standard error.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            // The verdict itself, or the report, is on standard output, as the command's own words are on both.
            Self::Red | Self::WouldChange | Self::Unfit | Self::Command { .. } => String::new(),
            Self::Scenario(errors) => crate::scenario::render(errors),
            Self::Build { lab, failures } => {
                let mut text = String::new();
                for (title, error) in failures {
                    let _ = write!(text, "{}", block(&format!("error: {title}: "), error));
                }
                let _ = writeln!(
                    text,
                    "\nWhat was built so far is kept: `lab up` continues from there, `lab down {lab}` removes it."
                );
                text
            }
            error => block("error: ", error),
        }
    }
}

/// An error, its causes that its own text does not tell already, and its hint after a blank line.
fn block(prefix: &str, error: &dyn Diagnostic) -> String {
    let mut text = format!("{prefix}{error}\n");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            let _ = writeln!(text, "  because: {line}");
        }
        cause = error.source();
    }
    if let Some(help) = error.help() {
        let _ = writeln!(text, "\nhint: {help}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_the_scenario_fails_is_no_fault_of_the_machine() {
        let of = |error| {
            CliError::Build { lab: "demo".to_owned(), failures: vec![("a step".to_owned(), error)] }.exit_code()
        };
        let values = || StepError::Values { place: "lab.yaml:3:1: ".to_owned(), message: "no".to_owned() };
        assert_eq!((of(values()), CliError::Before(values()).exit_code()), (2, 2));
        assert_eq!(of(StepError::Missing("a file".to_owned())), 4);
    }
}
