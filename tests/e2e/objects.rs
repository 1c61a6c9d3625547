//! Every object of a cluster, to see that nothing of it is other than it was.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::Digest as _;

/// Every object of a cluster, by what it says: without what changes while nobody changes it.
pub fn objects(kubectl: impl Fn(&[&str]) -> String) -> BTreeMap<String, String> {
    let kinds = kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
    let passing = ["events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses"];
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !passing.contains(kind)).collect();
    let list: Value = serde_json::from_str(&kubectl(&["get", &kinds.join(","), "-A", "-o", "json"])).expect("a list");
    list["items"].as_array().expect("items").iter().map(digest).collect()
}

fn digest(object: &Value) -> (String, String) {
    let mut object = object.clone();
    for field in ["resourceVersion", "managedFields"] {
        object["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
        // Who leads renews it every few seconds.
        annotations.remove("control-plane.alpha.kubernetes.io/leader");
    }
    object.as_object_mut().expect("an object").remove("status");
    let name = format!(
        "{} {}/{}",
        object["kind"].as_str().unwrap_or_default(),
        object["metadata"]["namespace"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap_or_default()
    );
    (name, format!("{:x}", sha2::Sha256::digest(object.to_string())))
}

/// The names of the objects that are not the same in both.
pub fn changed<'a>(before: &'a BTreeMap<String, String>, now: &'a BTreeMap<String, String>) -> Vec<&'a String> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.retain(|name| before.get(*name) != now.get(*name));
    names.dedup();
    names
}
