//! Problems with apps.

use miette::Diagnostic;
use thiserror::Error;

/// An app that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum AppProblem {
    /// The same app twice.
    #[error("app `{app}` is listed twice")]
    #[diagnostic(help("keep one entry; it covers all clusters"))]
    Duplicate {
        /// The app.
        app: &'static str,
    },
    /// Manifests that name a cluster twice.
    #[error("`clusters` names cluster `{name}` twice")]
    #[diagnostic(help("name each cluster once"))]
    DuplicateCluster {
        /// The cluster.
        name: String,
    },
    /// An app over no cluster at all.
    #[error("`{field}` names no cluster")]
    #[diagnostic(help("{remedy}"))]
    NamesNothing {
        /// The field.
        field: &'static str,
        /// What to write.
        remedy: &'static str,
    },
}
