//! The apps: helloworld, which tells its version, sleep, which calls it, and what the user brings.

use serde_json::{Value, json};

use super::locality::ZONE;
use super::manifests::{injected_namespace, manifests};
use super::{APP_NAMESPACE, Images, image, ip_family_policy};
use crate::plan::{Lab, LabCluster, helloworlds};
use crate::scenario::App;

/// Everything to deploy into one cluster.
#[must_use]
pub fn apps(lab: &Lab, cluster: &LabCluster, images: &Images) -> Vec<Value> {
    let mut objects = manifests(lab, cluster, images);
    // The user's own, if there is one: two applied in turn would undo each other.
    let has_namespace = objects.iter().any(|o| o["kind"] == "Namespace" && o["metadata"]["name"] == APP_NAMESPACE);
    // Without a mesh there may be no apps at all.
    if !has_namespace && (lab.has_mesh() || lab.apps.iter().any(|a| !matches!(a, App::Manifests(_)))) {
        objects.insert(0, injected_namespace(APP_NAMESPACE));
    }
    for app in &lab.apps {
        match app {
            App::Helloworld { .. } => {
                // The Service exists in every cluster, also where no version runs: callers resolve its name in their own cluster.
                objects.push(service(lab, "helloworld", 5000));
                objects.extend(helloworlds(lab).filter(|h| h.cluster == cluster.name).map(|h| {
                    let mut deployment = helloworld(&h.version, image(images, "helloworld"));
                    if let Some(zone) = h.zone {
                        deployment["spec"]["template"]["spec"]["nodeSelector"] = json!({ ZONE: zone });
                    }
                    deployment
                }));
            }
            App::Sleep => {
                let mut sleep = sleep(image(images, "sleep"));
                in_each_zone(&mut sleep, cluster);
                objects.push(sleep);
            }
            App::Manifests(_) => {}
        }
    }
    objects.extend(super::request_balance(lab, cluster));
    objects.extend(super::legacy::legacy(lab, cluster, images));
    objects
}

/// Gives a Deployment a pod in each zone of a cluster whose nodes are in several.
fn in_each_zone(deployment: &mut Value, cluster: &LabCluster) {
    let zones = cluster.zones_once();
    if zones.is_empty() {
        return;
    }
    let spec = &mut deployment["spec"];
    spec["replicas"] = json!(zones.len());
    spec["template"]["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": spec["selector"],
        // Else the pods before a change count too, and those after it need not be in every zone.
        "matchLabelKeys": ["pod-template-hash"],
    }]);
}

pub(super) fn service(lab: &Lab, name: &str, port: u16) -> Value {
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": APP_NAMESPACE, "labels": { "app": name, "service": name } },
        // The port's name tells Istio the protocol.
        "spec": { "selector": { "app": name }, "ports": [{ "name": "http", "port": port, "targetPort": port }] },
    });
    if let Some(policy) = ip_family_policy(lab) {
        service["spec"]["ipFamilyPolicy"] = json!(policy);
    }
    service
}

pub(super) fn helloworld(version: &str, image: &str) -> Value {
    let labels = json!({ "app": "helloworld", "version": version });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": format!("helloworld-{version}"), "namespace": APP_NAMESPACE, "labels": labels },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{
                    "name": "helloworld",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "env": [{ "name": "SERVICE_VERSION", "value": version }],
                    "ports": [{ "containerPort": 5000 }],
                    "resources": { "requests": { "cpu": "10m" } },
                }] },
            },
        },
    })
}

pub(super) fn sleep(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "sleep", "namespace": APP_NAMESPACE, "labels": { "app": "sleep" } },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "sleep" } },
            "template": {
                "metadata": { "labels": { "app": "sleep" } },
                "spec": { "terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "sleep",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "infinity"],
                    "resources": { "requests": { "cpu": "10m" } },
                }] },
            },
        },
    })
}

/// A pod that is created as a dry run only: when it comes back with a sidecar, injection works. It asks for a revision, or for what every pod gets.
#[must_use]
pub fn injection_probe(revision: Option<&str>) -> Value {
    let mut labels = json!({ "sidecar.istio.io/inject": "true" });
    if let Some(revision) = revision {
        labels["istio.io/rev"] = json!(revision);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "lab-injection-probe",
            "namespace": super::ISTIO_NAMESPACE,
            "labels": labels,
        },
        "spec": { "containers": [{ "name": "probe", "image": "probe" }] },
    })
}
