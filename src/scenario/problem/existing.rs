//! Problems with clusters and meshes that lab did not make.

use miette::Diagnostic;
use thiserror::Error;

/// Something that cannot be said of what is there already.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum ExistingProblem {
    /// A mesh of lab's own in a cluster that it did not make.
    #[error("cluster `{cluster}` is `existing`, and lab installs no mesh into clusters that it did not make")]
    #[diagnostic(help(
        "write `mesh: {{ existing: true }}` to have lab judge a mesh that is there (`lab inspect` writes such a file), or leave `existing` out"
    ))]
    OwnMesh {
        /// The cluster.
        cluster: String,
    },
    /// A cluster of which nothing says where it is.
    #[error("the mesh is `existing`, and nothing says where cluster `{cluster}` is")]
    #[diagnostic(help("add `existing: {{ kubeconfig: FILE, context: NAME }}`; `lab inspect` writes it"))]
    Where {
        /// The cluster.
        cluster: String,
    },
    /// A field about what lab makes.
    #[error("`{field}` says what lab makes, and lab makes nothing in a mesh that is `existing`")]
    #[diagnostic(help("leave `{field}` out"))]
    NotOurs {
        /// The field.
        field: &'static str,
    },
    /// Two clusters of one context.
    #[error("clusters `{cluster}` and `{other}` have the same kubeconfig and context")]
    #[diagnostic(help("name another context; `kubectl config get-contexts` lists them"))]
    Twice {
        /// The later one.
        cluster: String,
        /// The earlier one.
        other: String,
    },
    /// Text that is empty.
    #[error("`{field}` is empty")]
    #[diagnostic(help("write it, or have `lab inspect` write the file"))]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// A Service that is not `NAMESPACE/NAME`.
    #[error("`{value}` is no Service in a namespace")]
    #[diagnostic(help("write NAMESPACE/NAME, such as istio-system/istio-eastwestgateway"))]
    NoService {
        /// What is written.
        value: String,
    },
}
