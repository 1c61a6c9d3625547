//! Apps without a sidecar, for checks that call past the mesh.

use serde_json::{Value, json};

use super::{Images, apps, image};
use crate::plan::{Lab, LabCluster, checked_clusters};
use crate::scenario::Check;

/// Namespace of the apps without a sidecar.
pub const LEGACY_NAMESPACE: &str = "legacy";
/// The node port by which helloworld of that namespace is reached; in every cluster the same.
pub const LEGACY_NODE_PORT: u16 = 30500;

/// What the lab's checks need in a cluster besides its apps: `sleep` to call from and, for the reachability matrix, a `helloworld` that gives
/// the cluster's name as its version.
pub(super) fn legacy(lab: &Lab, cluster: &LabCluster, images: &Images) -> Vec<Value> {
    let matrix = lab.checks.contains(&Check::Reachability);
    let calls = |check: &Check| match check {
        Check::Request(request) => request.caller.namespace == LEGACY_NAMESPACE,
        _ => false,
    };
    if !checked_clusters(lab).any(|c| c.name == cluster.name) || !(matrix || lab.checks.iter().any(calls)) {
        return Vec::new();
    }
    let mut objects = vec![
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": LEGACY_NAMESPACE, "labels": { "istio-injection": "disabled" } },
        }),
        in_legacy(apps::sleep(image(images, "sleep"))),
    ];
    if matrix {
        let mut service = apps::service("helloworld", 5000);
        service["spec"]["type"] = json!("NodePort");
        service["spec"]["ports"][0]["nodePort"] = json!(LEGACY_NODE_PORT);
        objects.push(in_legacy(service));
        let mut helloworld = apps::helloworld(&cluster.name, image(images, "helloworld"));
        helloworld["metadata"]["name"] = json!("helloworld");
        objects.push(in_legacy(helloworld));
    }
    objects
}

fn in_legacy(mut object: Value) -> Value {
    object["metadata"]["namespace"] = json!(LEGACY_NAMESPACE);
    object
}
