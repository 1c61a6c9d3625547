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
pub(in crate::plan) fn legacy(lab: &Lab, cluster: &LabCluster, images: &Images) -> Vec<Value> {
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
        let mut service = apps::service(lab, "helloworld", 5000);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    /// Kind, namespace and name of what these checks bring into the second cluster.
    fn deployed(checks: &str) -> Vec<String> {
        let text = format!("name: demo\nclusters: [c1, c2]\nchecks: [{checks}]\n");
        let lab = resolve(&parse(&text, "lab.yaml").expect("valid")).expect("a lab");
        let objects = legacy(&lab, &lab.clusters[1], &Images::new());
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let named = |o: &Value| {
            format!("{} {}/{}", word(&o["kind"]), word(&o["metadata"]["namespace"]), word(&o["metadata"]["name"]))
        };
        objects.iter().map(named).collect()
    }

    #[test]
    fn only_what_the_checks_need_is_deployed() {
        assert!(deployed("rotation").is_empty());
        assert!(deployed("request: { service: helloworld.sample:5000/hello }").is_empty());
        let caller = "request: { service: helloworld.sample:5000/hello, caller: { namespace: legacy } }";
        assert_eq!(deployed(caller), ["Namespace -/legacy", "Deployment legacy/sleep"]);
        assert_eq!(
            deployed("reachability"),
            [
                "Namespace -/legacy",
                "Deployment legacy/sleep",
                "Service legacy/helloworld",
                "Deployment legacy/helloworld"
            ]
        );
    }

    #[test]
    fn helloworld_says_the_name_of_its_cluster_on_a_fixed_node_port() {
        let text = "name: demo\nclusters: [c1, c2]\nchecks: [reachability]\n";
        let lab = resolve(&parse(text, "lab.yaml").expect("valid")).expect("a lab");
        let objects = legacy(&lab, &lab.clusters[1], &Images::new());
        assert_eq!(objects[2]["spec"]["ports"][0]["nodePort"], LEGACY_NODE_PORT);
        let container = &objects[3]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["env"][0]["value"], "c2");
        assert_eq!(objects[2]["spec"]["selector"]["app"], objects[3]["spec"]["template"]["metadata"]["labels"]["app"]);
    }
}
