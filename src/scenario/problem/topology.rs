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
    /// A topology of Istio's tests with more than one external control plane, or with one beside others.
    #[error(
        "cluster `{cluster}` does not use the external control plane in `{host}` with the configuration in `{config}`"
    )]
    #[diagnostic(help(
        "lab builds one external control plane for all: write `primaryClusterName: {host}` and `configClusterName: {config}` here too, or leave the cluster out"
    ))]
    OtherControlPlane {
        /// The cluster.
        cluster: String,
        /// Where the external control plane runs.
        host: String,
        /// Where its configuration is.
        config: String,
    },
    /// An external control plane whose configuration is nowhere.
    #[error("there is no cluster `{config}` to read the configuration from")]
    #[diagnostic(help("name one of the file as `configClusterName`"))]
    NoConfigCluster {
        /// Its name.
        config: String,
    },
    /// Nodes in no zone.
    #[error("`zones` names no zone")]
    #[diagnostic(help("write one for each node, such as `zones: [a, b]`, or leave it out"))]
    NoZones,
    /// More nodes than a lab is for.
    #[error("{count} zones are too many: a cluster has at most {limit} nodes, of which each has its zone here")]
    #[diagnostic(help("name {limit} zones or fewer"))]
    TooManyZones {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: u8,
    },
    /// Two numbers of nodes.
    #[error("`workers` cannot stand beside `zones`, which has an entry for each node")]
    #[diagnostic(help("leave `workers` out; for two nodes in one zone name it twice"))]
    WorkersBesideZones,
    /// Zones of no region.
    #[error("the nodes of cluster `{cluster}` have zones, but no region that these are in")]
    #[diagnostic(help("add `locality: {{ region: region1 }}` to the cluster"))]
    ZonesWithoutRegion {
        /// The cluster.
        cluster: String,
    },
    /// A zone of all nodes beside one of each.
    #[error("`{field}` of `locality` is that of all nodes, and `zones` gives each its own")]
    #[diagnostic(help("leave `zone` and `subzone` out, or `zones`"))]
    LocalityBesideZones {
        /// `zone` or `subzone`.
        field: &'static str,
    },
    /// A Helm value by which lab would not find what it has installed.
    #[error("`{field}: {found}` would rename what lab finds by name")]
    #[diagnostic(help("{remedy}"))]
    Renamed {
        /// The value, from the top of the file.
        field: String,
        /// What it is.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A Helm value that lab derives from the rest of the file.
    #[error("`{field}` is lab's own: it follows from the rest of the scenario")]
    #[diagnostic(help("leave it out, and {instead}"))]
    Derived {
        /// The value, from the top of the file.
        field: String,
        /// What the scenario says instead.
        instead: &'static str,
    },
    /// Ambient mode.
    #[error("`mesh.values.profile: ambient` needs ztunnel and Istio's CNI plugin, which lab does not install")]
    #[diagnostic(help("leave it out: lab's meshes have sidecars"))]
    Ambient,
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
    /// Primary-remote without a remote.
    #[error("in this primary-remote mesh every cluster has a control plane of its own")]
    #[diagnostic(help(
        "name the primary of a remote cluster, such as `primary: c1`, or leave `primary` out everywhere: the first cluster is then everybody's"
    ))]
    NoRemote,
    /// A cluster of Istio's own tests that is none of Kubernetes.
    #[error("lab makes no clusters of kind `{kind}`")]
    #[diagnostic(help("leave this entry out, or write `\"kind\": \"Kubernetes\"`"))]
    NotKubernetes {
        /// The kind.
        kind: String,
    },
    /// An external control plane in no cluster, or in several.
    #[error("an external control plane runs in one cluster, but {count} clusters of this mesh have their own")]
    #[diagnostic(help(
        "write the name of the cluster that hosts it as `primary` of all others, or leave `primary` out everywhere: the first cluster is then the host"
    ))]
    NotOneHost {
        /// How many there are.
        count: usize,
    },
    /// An external control plane without a mesh.
    #[error("there is only the cluster that hosts the external control plane, and no cluster that uses it")]
    #[diagnostic(help("add clusters: the first of them also holds the mesh's configuration"))]
    NoDataCluster,
    /// An app in a cluster that is no part of the mesh.
    #[error("cluster `{cluster}` hosts the external control plane and runs no apps")]
    #[diagnostic(help("give the app to clusters of the mesh"))]
    AppsOnHost {
        /// The cluster.
        cluster: String,
    },
    /// An app in the cluster that runs Karmada.
    #[error("cluster `{cluster}` manages the federation and runs no apps")]
    #[diagnostic(help("give the app to other clusters, or to Karmada by `objects` of `federation`"))]
    AppsOnManager {
        /// The cluster.
        cluster: String,
    },
    /// An ingress gateway in a cluster that is no part of the mesh.
    #[error("cluster `{cluster}` cannot have an ingress gateway: it is no part of the mesh")]
    #[diagnostic(help("name clusters of the mesh"))]
    IngressOutside {
        /// The cluster.
        cluster: String,
    },
    /// A cluster without a load balancer that needs one.
    #[error("cluster `{cluster}` cannot do without a load balancer: {what}")]
    #[diagnostic(help("{remedy}"))]
    NeedsLoadBalancer {
        /// The cluster.
        cluster: String,
        /// What needs it.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// An address for a gateway that does not exist.
    #[error("cluster `{cluster}` has no `{field}` to give an address to: {reason}")]
    #[diagnostic(help("{remedy}"))]
    NoSuchGateway {
        /// The field.
        field: &'static str,
        /// The cluster.
        cluster: String,
        /// Why not.
        reason: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}
