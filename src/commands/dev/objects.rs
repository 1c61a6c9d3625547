//! What the manifests say, with the image that was built.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::event::{Failure, Phase};
use super::{Dev, failure};
use crate::images::reference::Reference;
use crate::plan::{Lab, render};
use crate::scenario::App;

/// The annotation by which pods start again when what they are configured by has changed.
const CONFIGURATION: &str = "dev.lab/configuration";
/// What pods are configured by.
const CONFIGURATIONS: [&str; 2] = ["ConfigMap", "Secret"];

/// An object as a cluster gets it.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Itself.
    pub value: Value,
    /// Whether its pods run the image that was built.
    pub runs_image: bool,
    /// `FILE:LINE` of what it is made of; nothing for what lab adds.
    pub place: Option<String>,
}

impl Dev<'_> {
    /// The objects of each cluster.
    pub(super) fn objects(&self, lab: &Lab) -> Result<BTreeMap<String, Vec<Object>>, Failure> {
        let reference = self.image.as_ref().map(|image| image.reference.as_str()).unwrap_or_default();
        let places = places(lab);
        let mut all = BTreeMap::new();
        let mut runs = false;
        for cluster in &self.project.clusters {
            let planned = self.ctx.cluster(cluster).map_err(|e| failure(Phase::Manifests, e))?;
            let mut values = render::manifests(lab, planned, &self.keys);
            let digests = digests(&values);
            let objects = values.iter_mut().map(|value| {
                let runs_image = put_image(value, &self.project.image, reference);
                put_digest(value, &digests);
                Object { value: value.take(), runs_image, place: None }
            });
            let mut objects: Vec<Object> = objects.collect();
            for object in &mut objects {
                object.place = places.get(&(cluster.clone(), name_of(&object.value))).cloned();
                runs |= object.runs_image;
            }
            all.insert(cluster.clone(), objects);
        }
        if runs {
            return Ok(all);
        }
        let image = &self.project.image;
        Err(Failure {
            phase: Phase::Manifests,
            problem: format!("no container in {} has the image `{image}`", self.project.manifests.join(", ")),
            remedy: format!(
                "write `image: {image}` where what is built is to run, or say by --image what the manifests call it"
            ),
        })
    }
}

/// `Kind namespace/name`, which is unique among the objects of a cluster as far as kinds of one name go.
pub(super) fn name_of(object: &Value) -> String {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name");
    match text("/metadata/namespace") {
        "" => format!("{} {name}", text("/kind")),
        namespace => format!("{} {namespace}/{name}", text("/kind")),
    }
}

/// Where each object is written, by cluster and name.
fn places(lab: &Lab) -> BTreeMap<(String, String), String> {
    let entries = lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
    let each =
        entries.flat_map(|entry| entry.objects.iter().zip(&entry.places.0).map(move |(o, place)| (entry, o, place)));
    let all = each.flat_map(|(entry, object, place)| {
        entry.clusters.iter().map(move |cluster| ((cluster.clone(), name_of(object)), place.clone()))
    });
    all.collect()
}

/// Where an object has its pods.
fn template(object: &mut Value) -> Option<&mut Value> {
    let path = match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        "Pod" => "",
        _ => return None,
    };
    object.pointer_mut(path)
}

/// Puts the built image in the place of its name, whatever its tag. Whether there was any.
fn put_image(object: &mut Value, name: &str, reference: &str) -> bool {
    let wanted = Reference::parse(name).repository();
    let Some(spec) = template(object).and_then(|template| template.get_mut("spec")) else { return false };
    let mut any = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
            if Reference::parse(image).repository() == wanted
                && let Some(container) = container.as_object_mut()
            {
                container.insert("image".to_owned(), reference.into());
                container.insert("imagePullPolicy".to_owned(), "IfNotPresent".into());
                any = true;
            }
        }
    }
    any
}

/// Digests of all that may configure pods, by kind, namespace and name.
fn digests(objects: &[Value]) -> BTreeMap<String, String> {
    let configures = |object: &&Value| object["kind"].as_str().is_some_and(|kind| CONFIGURATIONS.contains(&kind));
    let digest = |object: &Value| format!("{:x}", Sha256::digest(object.to_string()));
    objects.iter().filter(configures).map(|object| (name_of(object), digest(object))).collect()
}

/// Writes on an object's pods what they are configured by, so that another configuration makes other pods.
fn put_digest(object: &mut Value, digests: &BTreeMap<String, String>) {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default").to_owned();
    if object["kind"] == "Pod" {
        return;
    }
    let Some(template) = template(object) else { return };
    let mut names = BTreeSet::new();
    named(&template["spec"], &mut names);
    let keys = CONFIGURATIONS.iter().flat_map(|kind| names.iter().map(move |name| (kind, name)));
    let found: Vec<&str> = keys
        .filter_map(|(kind, name)| digests.get(&format!("{kind} {namespace}/{name}")))
        .map(String::as_str)
        .collect();
    if found.is_empty() {
        return;
    }
    let digest = format!("{:x}", Sha256::digest(found.concat()));
    if let Some(template) = template.as_object_mut() {
        let metadata = template.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
        metadata["annotations"][CONFIGURATION] = digest.into();
    }
}

/// The names of `ConfigMap`s and Secrets that a pod refers to.
fn named(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = match key.as_str() {
                    "configMap" | "configMapRef" | "configMapKeyRef" | "secretRef" | "secretKeyRef" => {
                        value.get("name")
                    }
                    "secret" => value.get("secretName").or_else(|| value.get("name")),
                    _ => None,
                };
                names.extend(name.and_then(Value::as_str).map(str::to_owned));
                named(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, names)),
        _ => {}
    }
}

/// The labels of an object's pods and the names of its containers.
pub(super) fn pods_of(object: &Value) -> Option<(String, BTreeSet<String>)> {
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object)?;
    let selector: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array)?;
    let names = containers.iter().filter_map(|container| container["name"].as_str()).map(str::to_owned);
    Some((selector.join(","), names.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_built_image_takes_the_place_of_its_name() {
        let mut object = json!({ "kind": "Deployment", "spec": { "template": { "spec": { "containers": [
            { "name": "a", "image": "hello" }, { "name": "b", "image": "hello:dev" }, { "name": "c", "image": "other/hello" }] } } } });
        assert!(put_image(&mut object, "hello", "lab.internal/l/hello:1"));
        let images: Vec<&str> = object["spec"]["template"]["spec"]["containers"]
            .as_array()
            .expect("containers")
            .iter()
            .filter_map(|c| c["image"].as_str())
            .collect();
        assert_eq!(images, ["lab.internal/l/hello:1", "lab.internal/l/hello:1", "other/hello"]);
        assert!(!put_image(&mut object, "none", "x"));
        assert!(!put_image(
            &mut json!({ "kind": "ConfigMap", "spec": { "containers": [{ "image": "hello" }] } }),
            "hello",
            "x"
        ));
    }

    #[test]
    fn pods_change_with_what_they_are_configured_by() {
        let of = |text: &str, named: &str| {
            let map = json!({ "kind": "ConfigMap", "metadata": { "name": "words", "namespace": "n" }, "data": { "a": text } });
            let mut object = json!({ "kind": "Deployment", "metadata": { "namespace": "n" }, "spec": { "template": { "spec": {
                "containers": [{ "envFrom": [{ "configMapRef": { "name": named } }] }] } } } });
            put_digest(&mut object, &digests(&[map]));
            object["spec"]["template"]["metadata"]["annotations"][CONFIGURATION].as_str().map(str::to_owned)
        };
        assert!(of("a", "words").is_some() && of("a", "words") != of("b", "words"));
        assert_eq!(of("a", "others"), None);
    }
}
