//! Problems with clusters that do not make a mesh, or not one that a machine carries.

use miette::Diagnostic;
use thiserror::Error;

/// Clusters that do not make a mesh.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum TopologyProblem {
    /// No clusters.
    #[error("a mesh needs at least one cluster")]
    #[diagnostic(help("list their names: `clusters: [c1, c2]`"))]
    NoClusters,
    /// More clusters than the address plan has room for.
    #[error("{count} clusters are too many: a lab has at most {limit}")]
    #[diagnostic(help("split the scenario into several labs"))]
    TooManyClusters {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// More workers than a lab is for.
    #[error("{workers} workers are too many: a cluster has at most {limit} besides its control plane")]
    #[diagnostic(help("write `nodes: {{ workers: {limit} }}` or fewer"))]
    TooManyWorkers {
        /// How many there are.
        workers: u64,
        /// How many there may be.
        limit: u8,
    },
    /// A cluster that is no primary where every cluster is one.
    #[error("cluster `{cluster}` uses the control plane of `{primary}`, but in a multi-primary mesh each has its own")]
    #[diagnostic(help("leave `primary` out, or write `primary: {cluster}`"))]
    RemoteInMultiPrimary {
        /// The cluster.
        cluster: String,
        /// Its primary.
        primary: String,
    },
    /// A primary that is none.
    #[error(
        "cluster `{cluster}` uses the control plane of `{primary}`, but that one uses the control plane of `{other}`"
    )]
    #[diagnostic(help("name a cluster that is its own primary, or leave `primary` of `{primary}` out"))]
    PrimaryIsRemote {
        /// The cluster.
        cluster: String,
        /// Its primary.
        primary: String,
        /// Whose control plane that one uses.
        other: String,
    },
    /// Part of the format, not yet of the program.
    #[error("{what}: lab cannot build that yet")]
    #[diagnostic(help("{remedy}"))]
    NotBuilt {
        /// What is missing.
        what: String,
        /// What works today.
        remedy: &'static str,
    },
}
