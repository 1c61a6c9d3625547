//! What can go wrong, so that a test that fails with it shows why.

use std::fmt;

/// Why something could not be done, or is not as it must be.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program `lab` cannot be started.
    #[error("cannot start {program}: {source}; install lab, or name it in LAB_BINARY")]
    Program {
        /// Its name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A command of `lab` failed.
    #[error("`{command}` ended with {}:\n{said}", .code.map_or("a signal".to_owned(), |code| code.to_string()))]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code: 2 for what is wrong with the scenario or the command line, 3 for the machine, 4 for building the lab.
        code: Option<i32>,
        /// What it said.
        said: String,
    },
    /// The lab has no such cluster.
    #[error("lab {lab} has no cluster {cluster}; its clusters are {}", .clusters.join(", "))]
    NoCluster {
        /// The lab.
        lab: String,
        /// What was asked for.
        cluster: String,
        /// What there is.
        clusters: Vec<String>,
    },
    /// A check is red.
    #[error("{0}")]
    Red(String),
    /// Something was to become so, and did not in time.
    #[error("{what} is not as it must be; last: {last}")]
    Never {
        /// What.
        what: String,
        /// How it was when the time was over.
        last: String,
    },
    /// What came back of a call is no answer of HTTP.
    #[error("this is no answer of HTTP: {0}")]
    NoAnswer(String),
    /// Objects or a kubeconfig that are no such thing.
    #[error("{0}")]
    Unreadable(String),
    /// An API server refused something.
    #[error("cluster {cluster}: {source}")]
    Kube {
        /// The cluster.
        cluster: String,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// A test that ends with an error shows it so: in words, with its lines.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
