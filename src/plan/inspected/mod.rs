//! What `lab inspect` finds in clusters, and the mesh that it makes of them. Pure: whoever asks the clusters fills in the facts.

mod mesh;
mod text;
mod told;

pub use mesh::{FoundCluster, FoundMesh, found_mesh};
pub use text::found_yaml;

use std::collections::BTreeMap;

use serde_json::Value;

/// What one cluster says of itself.
#[derive(Clone, Debug, Default)]
pub struct ClusterFacts {
    /// The kubeconfig that leads there.
    pub kubeconfig: String,
    /// The context in it.
    pub context: String,
    /// What tells it from every other cluster.
    pub uid: String,
    /// Its version of Kubernetes.
    pub kubernetes: String,
    /// The labels of each node; nothing where they may not be read.
    pub nodes: Vec<BTreeMap<String, String>>,
    /// The certificate of its API server, as PEM.
    pub authority: Option<String>,
    /// The label of its network at `istio-system`.
    pub network_label: Option<String>,
    /// The annotation of the control planes that may manage it.
    pub control_planes: Option<String>,
    /// Its control planes, the one without a revision first.
    pub istiods: Vec<IstiodFacts>,
    /// The mesh configuration of the first of them, or of a remote cluster; null for none.
    pub mesh: Value,
    /// What sidecars are injected with; null for none.
    pub injected: Value,
    /// The root certificate that pods are given, as PEM.
    pub root: Option<String>,
    /// The remote secrets in it.
    pub secrets: Vec<SecretFacts>,
    /// Why they cannot be read, if they cannot.
    pub secrets_unread: Option<String>,
    /// Services that may be gateways.
    pub gateways: Vec<GatewayFacts>,
    /// What could not be read, with the reason.
    pub unread: Vec<String>,
}

/// A control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IstiodFacts {
    /// Its revision; none for the one without.
    pub revision: Option<String>,
    /// Its version, as far as its image tells it.
    pub version: String,
    /// The ID that it has for the cluster whose configuration it reads.
    pub cluster_id: Option<String>,
    /// Whether it says that it serves clusters from outside of them.
    pub is_external: bool,
    /// How many of its pods are available.
    pub available: i32,
}

/// A remote secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// The ID of the cluster that it leads to; none for that by which an external istiod reads its configuration.
    pub id: Option<String>,
    /// The API server.
    pub server: String,
    /// The certificate that it trusts, as PEM.
    pub authority: Option<String>,
}

/// A Service that may be a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The network that it says it stands for.
    pub network: Option<String>,
    /// The value of the label `istio` that it selects by.
    pub kind: Option<String>,
    /// Its ports.
    pub ports: Vec<u16>,
    /// Where it is reached: addresses, or names where the load balancer has no address.
    pub addresses: Vec<String>,
    /// The node port of its port 15443, where it has no load balancer.
    pub node_port: Option<u16>,
}
