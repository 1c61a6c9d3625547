//! The user's own objects as a cluster gets them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Images;
use crate::plan::{Lab, LabCluster};
use crate::scenario::{App, Manifests};

/// Images of the stack that an object may name by its key: what is inside them differs from source to source, and so does their reference.
pub const APP_IMAGES: [&str; 3] = ["helloworld", "sleep", PROTOCOLS];
/// The one of them that no node image holds.
const PROTOCOLS: &str = "protocols";

/// The user's objects of one cluster.
#[must_use]
pub fn manifests(lab: &Lab, cluster: &LabCluster, images: &Images) -> Vec<Value> {
    let entries: Vec<&Manifests> = lab
        .apps
        .iter()
        .filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None })
        .filter(|m| m.is_in(&cluster.name))
        .collect();
    let mut objects: Vec<Value> = entries.iter().flat_map(|m| m.objects.iter().cloned()).collect();
    let brought: BTreeSet<&str> = entries
        .iter()
        .flat_map(|m| &m.objects)
        .filter(|o| kind(o) == "Namespace")
        .filter_map(|o| o.pointer("/metadata/name")?.as_str())
        .collect();
    let wanted: BTreeSet<&str> = entries.iter().filter_map(|m| m.namespace.as_deref()).collect();
    let missing = wanted.difference(&brought).filter(|n| !is_system(n)).map(|n| injected_namespace(n));
    let missing: Vec<Value> = missing.collect();
    let scaled: Vec<(String, String, String)> = objects.iter().filter_map(scaled_by_itself).collect();
    for object in &mut objects {
        name_images(object, images);
        state_replicas(object, &scaled);
    }
    missing.into_iter().chain(objects).collect()
}

/// A namespace whose pods get sidecars.
pub(super) fn injected_namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": name, "labels": { "istio-injection": "enabled" } },
    })
}

/// Namespaces that are there without lab's apps: none is made or removed for an app.
#[must_use]
pub fn is_system(namespace: &str) -> bool {
    matches!(namespace, "default" | super::ISTIO_NAMESPACE | "metallb-system" | "local-path-storage")
        || namespace.starts_with("kube-")
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

/// Where an object says what its pods are.
fn pod_spec(object: &Value) -> Option<&'static str> {
    match kind(object) {
        "Pod" => Some("/spec"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => Some("/spec/template/spec"),
        "CronJob" => Some("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

/// Where pods have their containers.
const CONTAINERS: [&str; 2] = ["initContainers", "containers"];

/// Keys of the images that an object's pods need and that no node image holds.
pub fn optional_images(object: &Value) -> impl Iterator<Item = &str> {
    let spec = pod_spec(object).and_then(|path| object.pointer(path));
    let lists = spec.into_iter().flat_map(|spec| CONTAINERS.iter().filter_map(|list| spec.get(*list)?.as_array()));
    lists.flatten().filter_map(|container| container["image"].as_str()).filter(|image| *image == PROTOCOLS)
}

/// Puts references in the place of keys. Such an image is in the node already, and no registry has it.
pub(super) fn name_images(object: &mut Value, images: &Images) {
    let Some(spec) = pod_spec(object).and_then(|path| object.pointer_mut(path)) else { return };
    for list in CONTAINERS {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let key = container.get("image").and_then(Value::as_str).unwrap_or_default();
            if APP_IMAGES.contains(&key)
                && let Some(reference) = images.get(key)
                && let Some(container) = container.as_object_mut()
            {
                container.insert("image".to_owned(), reference.as_str().into());
                container.insert("imagePullPolicy".to_owned(), "IfNotPresent".into());
            }
        }
    }
}

/// What a `HorizontalPodAutoscaler` scales: kind, namespace and name.
fn scaled_by_itself(object: &Value) -> Option<(String, String, String)> {
    if kind(object) != "HorizontalPodAutoscaler" {
        return None;
    }
    let target = object.pointer("/spec/scaleTargetRef")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some((text(&target["kind"])?, namespace(object), text(&target["name"])?))
}

fn namespace(object: &Value) -> String {
    object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default").to_owned()
}

/// Says how many replicas there are where that is left to Kubernetes: what is not said is not put right again by an apply.
pub(super) fn state_replicas(object: &mut Value, scaled: &[(String, String, String)]) {
    let of = (
        kind(object).to_owned(),
        namespace(object),
        object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
    );
    if !matches!(of.0.as_str(), "Deployment" | "StatefulSet") || scaled.contains(&of) {
        return;
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.entry("replicas").or_insert_with(|| 1.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Images {
        [("sleep".to_owned(), "lab.internal/apps/sleep:1.0".to_owned())].into()
    }

    fn deployment(image: &str) -> Value {
        json!({ "kind": "Deployment", "metadata": { "name": "web", "namespace": "demo" },
            "spec": { "template": { "spec": { "containers": [{ "image": image, "imagePullPolicy": "Always" }] } } } })
    }

    #[test]
    fn keys_become_references_and_references_stay() {
        let mut object = deployment("sleep");
        name_images(&mut object, &images());
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(*container, json!({ "image": "lab.internal/apps/sleep:1.0", "imagePullPolicy": "IfNotPresent" }));
        for other in ["docker.io/library/sleep", "etcd", "sleep:1.0"] {
            let mut object = deployment(other);
            name_images(&mut object, &images());
            assert_eq!(object, deployment(other));
        }
        let mut cron = json!({ "kind": "CronJob", "spec": { "jobTemplate": { "spec": { "template": { "spec": {
            "initContainers": [{ "image": "sleep" }] } } } } } });
        name_images(&mut cron, &images());
        assert!(cron.to_string().contains("lab.internal/apps/sleep:1.0"), "{cron}");
        let mut other = json!({ "kind": "ConfigMap", "spec": { "containers": [{ "image": "sleep" }] } });
        name_images(&mut other, &images());
        assert_eq!(other["spec"]["containers"][0]["image"], "sleep");
    }

    #[test]
    fn replicas_are_said_unless_something_else_scales() {
        let mut object = deployment("x");
        state_replicas(&mut object, &[]);
        assert_eq!(object["spec"]["replicas"], 1);
        object["spec"]["replicas"] = 0.into();
        state_replicas(&mut object, &[]);
        assert_eq!(object["spec"]["replicas"], 0);
        let scaler = json!({ "kind": "HorizontalPodAutoscaler", "metadata": { "name": "h", "namespace": "demo" },
            "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "web" } } });
        let mut object = deployment("x");
        state_replicas(&mut object, &[scaled_by_itself(&scaler).expect("a target")]);
        assert_eq!(object, deployment("x"));
    }
}
