//! Why the stack is not to be had, and what to do about it.

use miette::Diagnostic;
use thiserror::Error;

use crate::sys::cache::CacheError;
use crate::sys::docker::DockerError;
use crate::sys::process::ProcessError;
use crate::sys::words::Io;

/// The images or the tools of a lab could not be prepared.
#[derive(Debug, Error, Diagnostic)]
pub enum ImagesError {
    /// The embedded stack is not valid: a mistake in lab.
    #[error("stack.yaml is not valid: {0}")]
    #[diagnostic(help("this is a mistake in lab: correct stack/stack.yaml and build lab again"))]
    Stack(String),
    /// The cache directory failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cache(#[from] CacheError),
    /// The engine refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Docker(#[from] DockerError),
    /// A program that builds is missing.
    #[error("{program} is missing, which {purpose}")]
    #[diagnostic(help("{remedy}"))]
    NoProgram {
        /// The program.
        program: String,
        /// What it is for.
        purpose: String,
        /// How to come by it, or how to do without.
        remedy: String,
    },
    /// Something could not be built.
    #[error("cannot build {what}")]
    #[diagnostic(help("{remedy}"))]
    Build {
        /// What.
        what: String,
        /// What to do.
        remedy: &'static str,
        /// Why.
        #[source]
        source: ProcessError,
    },
    /// Something that was downloaded or built is not what the stack says.
    #[error("{what} is not what stack.yaml says: {reason}")]
    #[diagnostic(help("{remedy}"))]
    Unexpected {
        /// What.
        what: String,
        /// How it differs.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file that upstream publishes could not be had.
    #[error("{url}: {reason}")]
    #[diagnostic(help("see whether this machine reaches it; a proxy is named by HTTPS_PROXY"))]
    NoFile {
        /// Where it should be.
        url: String,
        /// Why.
        reason: String,
    },
    /// A file is not the one that was published.
    #[error("{url} is not used: its SHA-256 is {found}, not {wanted}")]
    #[diagnostic(help("distrust where it came from; a proxy on the way may have changed it"))]
    NotVerified {
        /// Where it was.
        url: String,
        /// What it should be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// No way leads to a program.
    #[error("{name} is not to be had: {tried}")]
    #[diagnostic(help(
        "put {name} on PATH ({accepted}), let this machine reach one of these, install Go (https://go.dev/dl), or bring everything from another \
         machine with `lab images export` and `lab images import`"
    ))]
    NoTool {
        /// The program.
        name: String,
        /// Which versions will do.
        accepted: String,
        /// What each way said.
        tried: String,
    },
    /// An image could not be pulled or pushed.
    #[error("cannot {action} {reference}: {reason}")]
    #[diagnostic(help("{remedy}"))]
    Transfer {
        /// Pull or push.
        action: &'static str,
        /// Which image.
        reference: String,
        /// What the registry said.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// A registry that the user names does not answer.
    #[error("registry {registry} does not answer: {reason}")]
    #[diagnostic(help("{remedy}"))]
    RegistryDown {
        /// `HOST:PORT`.
        registry: String,
        /// What happened instead.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Neither source serves.
    #[error("images are not available: {registries}; and packages cannot be built here: {builders}")]
    #[diagnostic(help(
        "fix one of the two (`lab doctor` says more); name a mirror that has the images (images.mirror); or bring everything from another machine \
         with `lab images export` and `lab images import`"
    ))]
    NoSource {
        /// What each registry lacks.
        registries: String,
        /// What this machine lacks.
        builders: String,
    },
    /// The chosen source of images lacks a version that a cluster runs.
    #[error("the {source_name} source of images has no {version}")]
    #[diagnostic(help("there is {there}: leave --images out, or ask for another version"))]
    NoVersion {
        /// The source.
        source_name: String,
        /// What it lacks.
        version: String,
        /// What there is.
        there: String,
    },
    /// A file is no archive of `lab images export`.
    #[error("{file} cannot be imported: {reason}")]
    #[diagnostic(help("give the archive that `lab images export FILE` wrote"))]
    NoArchive {
        /// The file.
        file: String,
        /// What it is instead, or why it cannot be read.
        reason: String,
    },
    /// A file that should hold the checksum of an archive does not.
    #[error("{file} cannot be used as a checksum: {reason}")]
    #[diagnostic(help("write the line that the export printed into it, or give the SHA-256 with --sha256"))]
    NoChecksum {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive of `lab images export` does not fit.
    #[error("{file} cannot be imported: {reason}")]
    #[diagnostic(help(
        "make the archive with `lab images export` of this very version of lab on a machine of the same architecture"
    ))]
    Archive {
        /// The archive.
        file: String,
        /// Why.
        reason: String,
    },
    /// An archive is not the one that was exported.
    #[error("{file} is not the archive that was exported: its SHA-256 is {found}, not {wanted}")]
    #[diagnostic(help(
        "do not load this one: copy the archive and its checksum again from where `lab images export` wrote them"
    ))]
    Checksum {
        /// The archive.
        file: String,
        /// The checksum that it should have.
        wanted: String,
        /// The one that it has.
        found: String,
    },
    /// A file that the user named, or that was downloaded, could not be read or written.
    #[error("cannot read or write {what}")]
    #[diagnostic(help("check that it is the right file, that you may use it, and that its disk has space left"))]
    Copy {
        /// What.
        what: String,
        /// Why.
        #[source]
        source: Io,
    },
}

/// What every program says when a disk is full.
const DISK_FULL: &str = "no space left on device";

impl ImagesError {
    /// Whether the machine lacks something that the user can provide, rather than that something is broken.
    #[must_use]
    pub fn lacks_something(&self) -> bool {
        match self {
            Self::NoProgram { .. }
            | Self::NoSource { .. }
            | Self::NoTool { .. }
            | Self::NoFile { .. }
            | Self::RegistryDown { .. }
            | Self::Cache(_)
            | Self::Copy { .. } => true,
            Self::Docker(error) => error.is_no_answer(),
            Self::Build { source: ProcessError::Failed { tail, .. }, .. } => tail.to_lowercase().contains(DISK_FULL),
            _ => false,
        }
    }

    /// Whether the user named the wrong file.
    #[must_use]
    pub fn is_wrong_file(&self) -> bool {
        matches!(self, Self::NoArchive { .. } | Self::NoChecksum { .. } | Self::Archive { .. } | Self::Checksum { .. })
    }

    /// The error of a program that could not build `what`; one that is missing has its own remedy.
    pub(super) fn building(
        what: impl Into<String>,
        missing: Missing,
        remedy: &'static str,
    ) -> impl FnOnce(ProcessError) -> Self {
        let what = what.into();
        move |source| match &source {
            ProcessError::Start { program, source: io } if io.kind() == std::io::ErrorKind::NotFound => {
                Self::NoProgram {
                    program: program.clone(),
                    purpose: missing.purpose.to_owned(),
                    remedy: missing.remedy.to_owned(),
                }
            }
            _ => Self::Build { what, remedy, source },
        }
    }
}

/// What is said of a program that is missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// What it is for.
    pub purpose: &'static str,
    /// How to come by it.
    pub remedy: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_program_is_told_apart() {
        let missing = Missing { purpose: "builds things", remedy: "install it" };
        let error = crate::sys::process::Process::new("lab-no-such-program").output().await.expect_err("fails");
        let error = ImagesError::building("x", missing, "try again")(error);
        assert!(error.lacks_something());
        assert_eq!(error.to_string(), "lab-no-such-program is missing, which builds things");
        let error = crate::sys::process::Process::new("false").output().await.expect_err("fails");
        assert!(!ImagesError::building("x", missing, "try again")(error).lacks_something());
    }
}
