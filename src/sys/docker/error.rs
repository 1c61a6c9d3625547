//! What goes wrong with an engine.

use std::fmt;
use std::io;

use bollard::errors::Error;
use miette::Diagnostic;
use thiserror::Error;

use super::answer::ANSWER;
use crate::sys::words;

/// The engine refused, or it cannot be reached.
#[derive(Debug, Error, Diagnostic)]
pub enum DockerError {
    /// No engine answers.
    #[error("no Docker engine answers at {tried}")]
    #[diagnostic(help("{}", if source.is_denied() { DENIED } else if tried.starts_with("tcp:") { NO_TLS } else if tried.starts_with("ssh:") { NO_SSH } else { NO_ENGINE }))]
    Unreachable {
        /// The engine, and what says that it is this one.
        tried: String,
        /// Why.
        #[source]
        source: Refusal,
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
        "see whether `docker version` answers; restart the engine if it does not, and run the command again, which continues where it stopped"
    ))]
    Silent {
        /// What was asked.
        what: String,
    },
    /// A request failed.
    #[error("the Docker engine cannot {what}")]
    #[diagnostic(help(
        "run the command again, which continues where it stopped; the engine's own log (`journalctl -u docker`) says more"
    ))]
    Request {
        /// What was asked.
        what: String,
        /// Its answer.
        #[source]
        source: Refusal,
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

/// Why a request failed, in the words of the engine or of what lies between: the library's own say only that something did.
#[derive(Debug)]
pub struct Refusal(Box<Error>);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(Box::new(error))
    }
}

impl Refusal {
    fn cause(&self) -> &(dyn std::error::Error + 'static) {
        match &*self.0 {
            // The library shows it as its own.
            Error::IOError { err } => err,
            error => error,
        }
    }

    /// Whether this user may not use the engine's socket.
    fn is_denied(&self) -> bool {
        let mut cause = Some(self.cause());
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::innermost(self.cause()))
    }
}

impl std::error::Error for Refusal {}

/// What to do where the engine is there and is not for this user.
const DENIED: &str =
    "run lab as a user who may use that socket: root, or, by Docker's own default, whoever is in the group `docker`";

/// What to do where no engine answers by TCP, where most want to know who asks.
const NO_TLS: &str = "see whether `docker version` answers; an engine with TLS wants DOCKER_TLS_VERIFY=1 and, in the directory DOCKER_CERT_PATH, the files ca.pem, cert.pem and key.pem, or a Docker context that has them";

/// What to do where no engine answers by SSH.
const NO_SSH: &str =
    "see whether `ssh` reaches that host without a question, and whether `docker version` answers there";

/// What to do where no engine answers.
pub const NO_ENGINE: &str = "start Docker, or choose an engine that runs with DOCKER_HOST or `docker context use`; on Debian or Ubuntu, `./dev setup` as root installs and starts one";

impl DockerError {
    pub(super) fn request(what: impl Into<String>) -> impl FnOnce(Error) -> Self {
        let what = what.into();
        move |source| match source {
            Error::RequestTimeoutError => Self::Silent { what },
            source => Self::Request { what, source: source.into() },
        }
    }

    /// Whether the engine itself did not answer.
    #[must_use]
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoContext(_) | Self::Silent { .. })
    }
}

#[cfg(test)]
mod tests {
    use bollard::Docker;
    use miette::Diagnostic as _;

    use super::*;

    #[tokio::test]
    async fn what_the_kernel_says_of_a_socket_is_told_and_not_how_the_library_got_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("docker.sock");
        // A socket that nobody listens to any more.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
        let docker = Docker::connect_with_unix(&path.to_string_lossy(), 5, bollard::API_DEFAULT_VERSION);
        let error = docker.expect("a client").version().await.expect_err("no engine");
        assert_eq!(Refusal::from(error).to_string(), "nothing listens there: the connection was refused");
    }

    #[test]
    fn a_user_who_may_not_use_the_socket_is_not_told_to_start_an_engine() {
        let hint = |tried: &str, kind: io::ErrorKind| {
            let error = Error::from(io::Error::from(kind));
            let error = DockerError::Unreachable { tried: tried.to_owned(), source: error.into() };
            error.help().expect("a hint").to_string()
        };
        let socket = "unix:///var/run/docker.sock";
        assert_eq!(hint(socket, io::ErrorKind::PermissionDenied), DENIED);
        assert_eq!(hint(socket, io::ErrorKind::ConnectionRefused), NO_ENGINE);
        assert_eq!(hint("tcp://10.0.0.5:2376", io::ErrorKind::UnexpectedEof), NO_TLS);
        assert_eq!(hint("ssh://me@10.0.0.5", io::ErrorKind::Other), NO_SSH);
    }
}
