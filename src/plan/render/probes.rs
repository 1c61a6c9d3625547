//! Probes: helloworld and a caller for a mesh that somebody else installed, in a namespace of their own that goes again with all that is in it.

use serde_json::{Value, json};

use super::apps::{helloworld, service, sleep};
use super::{Images, image};
use crate::plan::{Lab, LabCluster, helloworlds};

/// Namespace of the probes.
pub const PROBES_NAMESPACE: &str = "lab-probes";

/// The probes of one cluster, the namespace first. All carry the label.
#[must_use]
pub fn probes(lab: &Lab, cluster: &LabCluster, images: &Images, (label, value): (&str, &str)) -> Vec<Value> {
    let injects = cluster
        .revision
        .as_ref()
        .map_or_else(|| json!({ "istio-injection": "enabled" }), |revision| json!({ "istio.io/rev": revision }));
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": PROBES_NAMESPACE, "labels": injects },
    });
    let mut objects = vec![service(lab, "helloworld", 5000), sleep(image(images, "sleep"))];
    let here = helloworlds(lab).filter(|h| h.cluster == cluster.name);
    objects.extend(here.map(|h| helloworld(&h.version, image(images, "helloworld"))));
    if lab.is_config_cluster(cluster) {
        // A gateway balances connections, and the few that a caller keeps open may all have met one version.
        objects.push(json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "DestinationRule",
            "metadata": { "name": "helloworld-requests" },
            "spec": {
                "host": format!("helloworld.{PROBES_NAMESPACE}.svc.cluster.local"),
                "trafficPolicy": { "connectionPool": { "http": { "maxRequestsPerConnection": 1 } } },
            },
        }));
    }
    for object in &mut objects {
        object["metadata"]["namespace"] = json!(PROBES_NAMESPACE);
    }
    let mut all = vec![namespace];
    all.append(&mut objects);
    for object in &mut all {
        object["metadata"]["labels"][label] = json!(value);
    }
    all
}
