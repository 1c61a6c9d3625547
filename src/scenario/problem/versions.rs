//! Problems with versions of Kubernetes and Istio.

use miette::Diagnostic;
use thiserror::Error;

use crate::scenario::versions::{Minor, Product};

/// A version that there is not, or versions that do not fit each other.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum VersionProblem {
    /// No source has it.
    #[error("lab has no {product} `{version}`")]
    #[diagnostic(help("it has {there}; write the minor version"))]
    Unknown {
        /// Of what.
        product: Product,
        /// As written.
        version: String,
        /// What there is.
        there: String,
    },
    /// Each is there, but no source of images has all of them.
    #[error("no source of images has {versions} of cluster `{cluster}` together with what the clusters before it run")]
    #[diagnostic(help("a lab has all its images from one source: `lab images list` shows what each has"))]
    NoSource {
        /// The cluster.
        cluster: String,
        /// What it runs.
        versions: String,
    },
    /// There is no Istio that could have a version.
    #[error("`versions.istio` is {istio}, but no cluster of this lab runs Istio")]
    #[diagnostic(help("leave `versions.istio` out, or give the lab a mesh: `mesh: none` installs no Istio"))]
    NoIstio {
        /// What is asked for.
        istio: Minor,
    },
    /// Istio does not support the Kubernetes under it.
    #[error("cluster `{cluster}` runs Kubernetes {kubernetes}, but Istio {istio} supports {least} to {most}")]
    #[diagnostic(help("change `versions.kubernetes` or `versions.istio` of the cluster"))]
    Unsupported {
        /// The cluster.
        cluster: String,
        /// Its Istio.
        istio: Minor,
        /// Its Kubernetes.
        kubernetes: Minor,
        /// The oldest that is supported.
        least: Minor,
        /// The newest that is supported.
        most: Minor,
    },
    /// A cluster without a control plane of its own has another Istio than its control plane.
    #[error(
        "cluster `{cluster}` asks for Istio {istio}, but it uses the control plane of `{primary}`, which is {of_primary}"
    )]
    #[diagnostic(help("leave `versions.istio` of `{cluster}` out: a remote cluster runs what its control plane is"))]
    RemoteDiffers {
        /// The cluster.
        cluster: String,
        /// What it asks for.
        istio: Minor,
        /// The cluster of its control plane.
        primary: String,
        /// What that one runs.
        of_primary: Minor,
    },
    /// Control planes that are too far apart.
    #[error(
        "cluster `{cluster}` runs Istio {istio} and `{other}` {of_other}: control planes of one mesh may be one minor version apart"
    )]
    #[diagnostic(help("choose versions that follow each other"))]
    Skew {
        /// The cluster.
        cluster: String,
        /// Its Istio.
        istio: Minor,
        /// The other cluster.
        other: String,
        /// Its Istio.
        of_other: Minor,
    },
}
