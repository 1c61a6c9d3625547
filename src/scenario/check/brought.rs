//! What a scenario's own objects bring, as far as checks are about it.

use serde_json::Value;

use super::super::raw::{RawApp, RawManifests};
use super::{Federation, Located};

/// Groups of kinds of which it is known whether they run pods. Any other kind may have a controller that brings anything.
const KNOWN: [&str; 17] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "extensions.istio.io",
    "gateway.networking.k8s.io",
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
        objects.iter().for_each(|o| self.add(&o.value, default));
        // What would be in a file that cannot be read is not known.
        self.may_be_more |= objects.is_empty() && manifests.says_what();
    }

    fn add(&mut self, object: &Value, default: &str) {
        let (group, _) = object["apiVersion"].as_str().unwrap_or_default().split_once('/').unwrap_or_default();
        self.may_be_more |= !KNOWN.contains(&group) || ["List", "ServiceEntry"].iter().any(|k| object["kind"] == *k);
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(default).to_owned();
        self.objects.push((namespace, object.clone()));
    }

    /// Whether there may be an object of that kind, namespace and name.
    pub fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let is_it =
            |(place, o): &(String, Value)| place == namespace && o["kind"] == kind && o["metadata"]["name"] == name;
        self.may_be_more || self.objects.iter().any(is_it)
    }

    /// Whether there may be a pod that can call: with the label `app`, and with a container of that name.
    pub fn can_call(&self, namespace: &str, app: &str) -> bool {
        let calls = |(place, object): &(String, Value)| {
            let pod = match object["kind"].as_str() {
                Some("Pod") => object,
                Some("CronJob") => &object["spec"]["jobTemplate"]["spec"]["template"],
                _ => &object["spec"]["template"],
            };
            let mut containers = pod["spec"]["containers"].as_array().into_iter().flatten();
            place == namespace && pod["metadata"]["labels"]["app"] == app && containers.any(|c| c["name"] == app)
        };
        self.may_be_more || self.objects.iter().any(calls)
    }
}
