//! What a scenario's own objects bring, as far as checks are about it.

use serde_json::Value;

use super::super::model::{is_known, pod_of};
use super::super::raw::{RawApp, RawManifests};
use super::{Federation, Located};

/// Objects of the scenario's own.
#[derive(Debug, Default)]
pub(super) struct Brought {
    objects: Vec<(String, Value)>,
    /// Whether there may be more than can be seen: a file that cannot be read, a kind that only its controller knows.
    may_be_more: bool,
}

impl Brought {
    /// The objects of the apps and of the federation.
    pub fn of(apps: &[Located<RawApp>], federation: Option<&Federation>) -> Self {
        let mut brought = Self::default();
        for app in apps {
            let RawApp::Manifests(manifests) = &app.value else { continue };
            brought.add_all(manifests);
        }
        for object in federation.iter().flat_map(|f| &f.objects) {
            brought.add(object, "default");
        }
        brought
    }

    fn add_all(&mut self, manifests: &RawManifests) {
        let default = manifests.namespace.as_ref().map_or("default", |n| n.value.as_str());
        let objects = manifests.objects.as_ref().map_or(&[][..], |o| &o.value);
        for object in objects {
            self.add(&object.value, default);
        }
        // What would be in a file that cannot be read is not known.
        self.may_be_more |= objects.is_empty() && manifests.says_what();
    }

    fn add(&mut self, object: &Value, default: &str) {
        self.may_be_more |= !is_known(object) || object["kind"] == "ServiceEntry";
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(default).to_owned();
        self.objects.push((namespace, object.clone()));
    }

    /// Whether there may be an object of that kind, namespace and name.
    pub fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let is_it =
            |(place, o): &(String, Value)| place == namespace && o["kind"] == kind && o["metadata"]["name"] == name;
        self.may_be_more || self.objects.iter().any(is_it)
    }

    /// Whether a Service is there, and every one of that name is of another type than `LoadBalancer`.
    pub fn is_inside_only(&self, namespace: &str, name: &str) -> bool {
        let is_it = |(place, o): &&(String, Value)| {
            place == namespace && o["kind"] == "Service" && o["metadata"]["name"] == name
        };
        let mut found = self.objects.iter().filter(is_it).peekable();
        found.peek().is_some() && found.all(|(_, service)| service["spec"]["type"] != "LoadBalancer")
    }

    /// Whether there may be a pod that can call: with the label `app`, and with a container of that name.
    pub fn can_call(&self, namespace: &str, app: &str) -> bool {
        let calls = |(place, object): &(String, Value)| {
            let pod = pod_of(object);
            let mut containers = pod["spec"]["containers"].as_array().into_iter().flatten();
            place == namespace && pod["metadata"]["labels"]["app"] == app && containers.any(|c| c["name"] == app)
        };
        self.may_be_more || self.objects.iter().any(calls)
    }
}
