//! Apps: what lab deploys beside the mesh itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something to deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum App {
    /// Istio's helloworld in namespace `sample`; each cluster that is named runs the version given.
    Helloworld {
        /// Version by cluster.
        versions: BTreeMap<String, String>,
    },
    /// A client with curl in namespace `sample`, in every cluster.
    Sleep,
    /// Objects of the user's own.
    Manifests(Manifests),
}

/// The version of helloworld in a zone of a cluster that runs `version`; that one itself where its nodes have no zones of their own.
#[must_use]
pub fn version_in(version: &str, zone: Option<&str>) -> String {
    zone.map_or_else(|| version.to_owned(), |zone| format!("{version}-{zone}"))
}

/// Kubernetes objects of the user's own: apps, configuration of Istio, anything that a cluster accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manifests {
    /// Unique among the manifests of a scenario.
    pub name: String,
    /// The clusters that get them, in the scenario's order.
    pub clusters: Vec<String>,
    /// A namespace that is created, unless the objects of the cluster bring it.
    pub namespace: Option<String>,
    /// The objects, each with apiVersion, kind and metadata.name; those that have a namespace name it, or are in `default`.
    pub objects: Vec<serde_json::Value>,
    /// Where each object is written.
    #[serde(skip)]
    pub places: Places,
}

/// Where things are written, each as `FILE:LINE`; none in a lab that was stored. The same things elsewhere are the same.
#[derive(Clone, Debug, Default)]
pub struct Places(pub Vec<String>);

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Places {}

impl App {
    /// What a user calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Helloworld { .. } => "helloworld",
            Self::Sleep => "sleep",
            Self::Manifests(manifests) => &manifests.name,
        }
    }

    /// Whether any of it is deployed into that cluster. helloworld has its Service in every one.
    #[must_use]
    pub fn is_in(&self, cluster: &str) -> bool {
        match self {
            Self::Helloworld { .. } | Self::Sleep => true,
            Self::Manifests(manifests) => manifests.is_in(cluster),
        }
    }

    /// Whether any of it runs pods. What the controllers of other people's kinds make is not known, and taken for it.
    #[must_use]
    pub fn runs_pods(&self) -> bool {
        match self {
            Self::Helloworld { .. } | Self::Sleep => true,
            Self::Manifests(manifests) => manifests.objects.iter().any(may_run_pods),
        }
    }
}

/// The group of the Gateway API (<https://gateway-api.sigs.k8s.io>).
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// Groups of kinds of which it is known whether they run pods: one that does has a template for them, or is a Pod.
const KNOWN: [&str; 18] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "extensions.istio.io",
    GATEWAY_API,
    "metallb.io",
    "networking.istio.io",
    "networking.k8s.io",
    "policy",
    "policy.karmada.io",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "security.istio.io",
    "storage.k8s.io",
    "telemetry.istio.io",
];

/// Whether it is known what an object makes: nothing, or pods.
pub(in crate::scenario) fn is_known(object: &serde_json::Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    KNOWN.contains(&group) && object["kind"] != "List"
}

/// The pod of an object: itself, or the template of those that it runs; null for one that runs none.
pub(in crate::scenario) fn pod_of(object: &serde_json::Value) -> &serde_json::Value {
    match object["kind"].as_str() {
        Some("Pod") => object,
        Some("CronJob") => &object["spec"]["jobTemplate"]["spec"]["template"],
        _ => &object["spec"]["template"],
    }
}

fn may_run_pods(object: &serde_json::Value) -> bool {
    !is_known(object) || pod_of(object)["spec"]["containers"].is_array()
}

impl Manifests {
    /// Whether that cluster gets them.
    #[must_use]
    pub fn is_in(&self, cluster: &str) -> bool {
        self.clusters.iter().any(|c| c == cluster)
    }
}
