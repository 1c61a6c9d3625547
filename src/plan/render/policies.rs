//! Which policies of Karmada are about an object.

use serde_json::Value;

use crate::plan::{Lab, object_name};

/// The kinds that run pods.
const WORKLOADS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "Pod"];

/// What the scenario gives to Karmada and no policy of it is about, of what would run pods: Karmada creates nothing of it in any member.
#[must_use]
pub fn unplaced(lab: &Lab) -> Vec<String> {
    let objects = lab.federation.as_ref().map_or(&[][..], |f| &f.objects);
    let workloads = objects.iter().filter(|o| WORKLOADS.iter().any(|kind| o["kind"] == *kind));
    let alone = workloads.filter(|o| !objects.iter().any(|policy| is_about(policy, o)));
    let name = |o: &Value| {
        let (metadata, kind) = (&o["metadata"], o["kind"].as_str().unwrap_or_default());
        object_name(kind, metadata["namespace"].as_str(), metadata["name"].as_str().unwrap_or_default())
    };
    alone.map(name).collect()
}

/// Whether a policy selects an object. One in a namespace selects there only; without a name or labels it selects all of the kind.
fn is_about(policy: &Value, object: &Value) -> bool {
    let namespace = |o: &Value| o["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
    let here = match policy["kind"].as_str() {
        Some("PropagationPolicy") => namespace(policy) == namespace(object),
        Some("ClusterPropagationPolicy") => true,
        _ => false,
    };
    let selectors = policy.pointer("/spec/resourceSelectors").and_then(Value::as_array);
    here && selectors.into_iter().flatten().any(|selector| {
        let same = |field: &str, value: &str| {
            selector[field].as_str().is_none_or(|wanted| wanted.is_empty() || wanted == value)
        };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        selector["apiVersion"] == object["apiVersion"]
            && selector["kind"] == object["kind"]
            && same("namespace", &namespace(object))
            && same("name", name)
            // A name says it all.
            && (selector["name"].is_string() || has_labels(object, &selector["labelSelector"]))
    })
}

/// Whether an object has the labels that a selector wants. What a selector wants by expressions is for Karmada to judge.
fn has_labels(object: &Value, selector: &Value) -> bool {
    let mut wanted = selector["matchLabels"].as_object().into_iter().flatten();
    wanted.all(|(name, value)| &object["metadata"]["labels"][name] == value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_is_about_what_its_selectors_name() {
        let object = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "hello", "namespace": "demo", "labels": { "app": "hello" } } });
        let of = |kind: &str, namespace: &str, selector: Value| {
            let policy = json!({ "kind": kind, "metadata": { "name": "p", "namespace": namespace },
                "spec": { "resourceSelectors": [selector] } });
            is_about(&policy, &object)
        };
        let deployment = |more: Value| {
            let mut selector = json!({ "apiVersion": "apps/v1", "kind": "Deployment" });
            selector.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            selector
        };
        let policy = |more: Value| of("PropagationPolicy", "demo", deployment(more));
        assert!(policy(json!({})) && policy(json!({ "name": "hello" })));
        assert!(policy(json!({ "labelSelector": { "matchLabels": { "app": "hello" } } })));
        assert!(!policy(json!({ "name": "other" })));
        assert!(!policy(json!({ "labelSelector": { "matchLabels": { "app": "other" } } })));
        assert!(!of("PropagationPolicy", "other", deployment(json!({}))), "it selects in its own namespace only");
        assert!(of("ClusterPropagationPolicy", "", deployment(json!({ "namespace": "demo" }))));
        assert!(!of("ClusterPropagationPolicy", "", deployment(json!({ "namespace": "other" }))));
        assert!(!of("PropagationPolicy", "demo", json!({ "apiVersion": "v1", "kind": "Service" })));
        assert!(!of("OverridePolicy", "demo", deployment(json!({}))));
    }
}
