//! Problems with clusters and meshes that lab did not make.

use miette::Diagnostic;
use thiserror::Error;

/// Something that cannot be said of what is there already.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum ExistingProblem {
    /// A cluster that lab would make beside some that it did not.
    #[error("cluster `{cluster}` is one that lab would make, and others of this mesh are `existing`")]
    #[diagnostic(help(
        "say where it is with `existing: {{ kubeconfig: FILE, context: NAME }}`, or leave `existing` out of all clusters: lab does not mix both kinds"
    ))]
    Mixed {
        /// The cluster.
        cluster: String,
    },
    /// Something that lab does not do in clusters that it did not make.
    #[error("`{field}` is not for clusters that are `existing`: {why}")]
    #[diagnostic(help("{remedy}"))]
    OnExisting {
        /// The field.
        field: &'static str,
        /// Why not.
        why: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// What is found in a mesh, where lab installs it.
    #[error("`{field}` says what is found in a mesh that is `existing`, and lab installs this one")]
    #[diagnostic(help(
        "leave `{field}` out, or write `mesh: {{ existing: true }}` to have lab judge a mesh that is there"
    ))]
    Found {
        /// The field.
        field: &'static str,
    },
    /// No URL of an API server.
    #[error("`{value}` is no address of an API server")]
    #[diagnostic(help("write https://HOST:PORT, as pods of the other clusters reach it"))]
    NoServer {
        /// What is written.
        value: String,
    },
    /// An address at which nobody but a machine itself reaches an API server.
    #[error("`{value}` leads each pod to itself, so no other cluster reaches the API server there")]
    #[diagnostic(help("write https://HOST:PORT, as pods of the other clusters reach it"))]
    OwnServer {
        /// What is written.
        value: String,
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
