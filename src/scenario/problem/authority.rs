//! Problems with a certificate authority of the user's own.

use miette::Diagnostic;
use thiserror::Error;

/// An authority that no mesh could trust.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum AuthorityProblem {
    /// A file that is not what it must be.
    #[error("{place}: {reason}")]
    #[diagnostic(help("{remedy}"))]
    Unfit {
        /// `FILE:LINE`, or the file.
        place: String,
        /// What is wrong with what is there.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// Nothing to issue an intermediate with.
    #[error("cluster `{cluster}` has no intermediate, and there is no `rootKey` to issue it with")]
    #[diagnostic(help(
        "add `rootKey` to `files`, or write `intermediates: {{ {cluster}: {{ caCert: ..., caKey: ... }} }}`"
    ))]
    NoKey {
        /// The cluster.
        cluster: String,
    },
    /// An intermediate that nobody would use.
    #[error(
        "cluster `{cluster}` signs nothing: its workloads get their certificates from the control plane of `{primary}`"
    )]
    #[diagnostic(help("remove it, or give it to `{primary}`"))]
    NoControlPlane {
        /// The cluster.
        cluster: String,
        /// The cluster whose control plane it uses.
        primary: String,
    },
}
