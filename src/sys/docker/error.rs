//! What goes wrong with an engine.

use bollard::errors::Error;
use miette::Diagnostic;
use thiserror::Error;

use super::answer::ANSWER;

/// The engine refused, or it cannot be reached.
#[derive(Debug, Error, Diagnostic)]
pub enum DockerError {
    /// No engine answers.
    #[error("no Docker engine answers at {tried}")]
    #[diagnostic(help("{NO_ENGINE}"))]
    Unreachable {
        /// The engine, and what says that it is this one.
        tried: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// What says which engine to use cannot be followed.
    #[error("{0}")]
    #[diagnostic(help(
        "`docker context ls` lists the contexts, `docker context use NAME` chooses one, and DOCKER_HOST is stronger than all of them"
    ))]
    NoContext(String),
    /// The engine is there and says nothing.
    #[error("the Docker engine did not answer within {} s when asked to {what}", ANSWER.as_secs())]
    #[diagnostic(help(
        "see whether `docker version` answers; restart the engine if it does not, and run the command again, which goes on where it stopped"
    ))]
    Silent {
        /// What was asked.
        what: String,
    },
    /// A request failed.
    #[error("the Docker engine cannot {what}")]
    #[diagnostic(help(
        "run the command again, which goes on where it stopped; the engine's own log (`journalctl -u docker`) says more"
    ))]
    Request {
        /// What was asked.
        what: String,
        /// Its answer.
        #[source]
        source: Box<Error>,
    },
    /// The network exists with other properties.
    #[error("Docker network {name} exists, but {reason}")]
    #[diagnostic(help("remove it with `docker network rm {name}`, or give the lab another name with --name"))]
    ForeignNetwork {
        /// Its name.
        name: String,
        /// How it differs.
        reason: String,
    },
}

/// What to do where no engine answers.
pub const NO_ENGINE: &str = "start Docker, or choose an engine that runs with DOCKER_HOST or `docker context use`; on Debian or Ubuntu, `./dev setup` as root installs and starts one";

impl DockerError {
    pub(super) fn request(what: impl Into<String>) -> impl FnOnce(Error) -> Self {
        let what = what.into();
        move |source| match source {
            Error::RequestTimeoutError => Self::Silent { what },
            source => Self::Request { what, source: Box::new(source) },
        }
    }

    /// Whether the engine itself did not answer.
    #[must_use]
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoContext(_) | Self::Silent { .. })
    }
}
