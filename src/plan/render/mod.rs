//! What is sent to kind, Istio and Kubernetes, as values. Pure: the same lab and images give the same text.

mod access_log;
mod apps;
mod balance;
mod federation;
mod istio;
mod kind;
mod legacy;
mod links;
mod locality;
mod manifests;
mod metallb;
mod mirror;
mod node_network;
mod policies;
mod probes;
mod secrets;

use std::collections::BTreeMap;

use super::Lab;

pub use apps::{apps, injection_probe};
pub use balance::request_balance;
pub use federation::{
    EVICT_LOST, KARMADA_AGENT, KARMADA_DIR, KARMADA_NAMESPACE, KARMADA_PORT, evict_lost, federated, karmada_cluster,
    karmada_init, karmada_kubeconfig, karmada_marker, karmada_member, rebalance,
};
pub use istio::{istio_namespace, istio_operator};
pub use kind::{Surroundings, kind_config};
pub(super) use legacy::legacy;
pub use legacy::{LEGACY_NAMESPACE, LEGACY_NODE_PORT};
pub(super) use links::ISTIOD_NODE_PORTS;
pub use links::{
    DISCOVERY_PORT, EXPOSE_ISTIOD, EXTERNAL_ISTIOD, HELLOWORLD_INGRESS, INGRESS_PORT, MESH_CONFIGURATION, WEBHOOK_PORT,
    east_west_resources, ingress_resources, istiod_service, mount_mesh_configuration,
};
pub use locality::locality_labels;
pub use manifests::{APP_IMAGES, is_system, manifests, optional_images};
pub use metallb::{address_pool, empty_pools};
pub use mirror::{MirrorHost, mirror};
pub use node_network::{
    NODE_NETWORK_SCRIPT, NODE_NETWORK_UNIT, NodePods, node_network, node_network_service, node_network_unit,
};
pub use policies::unplaced;
pub use probes::{PROBES_NAMESPACE, probes};
pub use secrets::{
    CONFIG_ACCOUNT, CONFIG_SECRET, Intermediate, READER_ACCOUNT, account_token, cacerts, config_kubeconfig,
    lent_account, remote_secret, remote_secret_name, token_name,
};

/// Namespace of Istio's control plane and gateways.
pub const ISTIO_NAMESPACE: &str = "istio-system";
/// The container of Envoy in a pod with a sidecar, and in a gateway.
pub const PROXY: &str = "istio-proxy";
/// Namespace of the sample apps, the one that Istio's guides use.
pub const APP_NAMESPACE: &str = "sample";
/// Whether a namespace is one of lab's own apps.
#[must_use]
pub fn is_of_apps(namespace: &str) -> bool {
    namespace == APP_NAMESPACE || namespace == PROBES_NAMESPACE
}

/// Name of the `ConfigMap` in which each namespace has the mesh's root certificate, for sidecars to mount.
pub const ROOT_CERT: &str = "istio-ca-root-cert";
/// Name of the east-west gateway's Service and Deployment.
pub const EAST_WEST_GATEWAY: &str = "istio-eastwestgateway";
/// Name of the ingress gateway's Service and Deployment, and the label `app` of its pods.
pub const INGRESS_GATEWAY: &str = "istio-ingressgateway";
/// Port on which an east-west gateway takes traffic from other networks.
pub const EAST_WEST_PORT: u16 = 15443;

/// A Service's `ipFamilyPolicy` in a lab of two families; nothing in another, whose clusters have one.
fn ip_family_policy(lab: &Lab) -> Option<&'static str> {
    lab.is_dual().then_some("RequireDualStack")
}

/// Image references by key of `images` in `stack/stack.yaml`.
pub type Images = BTreeMap<String, String>;

/// The reference of an image; the key itself when the stack does not know it, so that the error of the pull names it.
fn image<'a>(images: &'a Images, key: &'a str) -> &'a str {
    images.get(key).map_or(key, String::as_str)
}
