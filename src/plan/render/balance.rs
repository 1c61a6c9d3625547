//! What makes a rotation one of requests where gateways would make it one of connections.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::APP_NAMESPACE;
use crate::plan::{Helloworld, Lab, LabCluster, helloworlds};
use crate::scenario::App;

/// Where helloworld is.
const HOST: &str = "helloworld.sample.svc.cluster.local";

/// Has callers of helloworld open a connection for each request, where several versions stand behind the same gateways: a gateway between
/// networks passes TLS through, so what it balances are connections, and the few that a caller keeps open may all have met one version.
/// `maxRequestsPerConnection` 1 is what Istio's reference gives to disable keep alive. A rule of the user's own for this host stands instead.
#[must_use]
pub fn request_balance(lab: &Lab, cluster: &LabCluster) -> Option<Value> {
    if !lab.is_config_cluster(cluster) || !has_shared_gateways(lab) || is_ruled(lab) {
        return None;
    }
    Some(json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": { "name": "helloworld-requests", "namespace": APP_NAMESPACE },
        "spec": {
            "host": HOST,
            "trafficPolicy": { "connectionPool": { "http": { "maxRequestsPerConnection": 1 } } },
        },
    }))
}

/// Whether callers of another network meet more than one version behind a network's gateways.
fn has_shared_gateways(lab: &Lab) -> bool {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Helloworld { cluster, version, .. } in helloworlds(lab) {
        let network = lab.cluster(cluster).map_or("", |c| &c.network);
        versions.entry(network).or_default().insert(version);
    }
    let mut shared = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    shared.any(|(network, _)| lab.data_clusters().any(|caller| caller.network != network))
}

/// Whether the scenario brings a rule for helloworld: two for one host would contend.
fn is_ruled(lab: &Lab) -> bool {
    let manifests = lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
    manifests.flat_map(|m| &m.objects).filter(|o| o["kind"] == "DestinationRule").any(|rule| {
        let is_here = rule["metadata"]["namespace"] == APP_NAMESPACE;
        match rule["spec"]["host"].as_str() {
            Some("helloworld") => is_here,
            Some("helloworld.sample" | "helloworld.sample.svc" | HOST) => true,
            _ => false,
        }
    })
}
