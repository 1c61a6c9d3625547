//! What a cluster has, and which of it is behind a Service.

use serde_json::Value;

use super::object::{has_labels, list, namespace, text};
use crate::plan::render::PROXY;

/// Objects of one cluster, as JSON with `kind`, and the configuration of the mesh that its control plane has.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Services, pods, namespaces, network policies and Istio's rules, in no order.
    pub all: Vec<Value>,
    /// `MeshConfig`; null where it is not known.
    pub mesh: Value,
}

impl Objects {
    /// The objects of a kind.
    pub fn of<'a>(&'a self, kind: &'static str) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.all.iter().filter(move |o| o["kind"] == kind)
    }

    /// The object of that kind, namespace and name; null if there is none.
    #[must_use]
    pub fn get(&self, kind: &'static str, namespace: &str, name: &str) -> &Value {
        let is_it = |o: &&Value| text(o, "/metadata/name") == name && self::namespace(o) == namespace;
        self.of(kind).find(is_it).unwrap_or(&Value::Null)
    }
}

/// The ready pods behind a Service; of one that selects nothing, none.
#[must_use]
pub fn behind<'a>(here: &'a Objects, service: &Value) -> Vec<&'a Value> {
    let selector = &service["spec"]["selector"];
    if selector.as_object().is_none_or(serde_json::Map::is_empty) {
        return Vec::new();
    }
    let pods = here.of("Pod").filter(|p| namespace(p) == namespace(service) && has_labels(p, selector));
    pods.filter(|p| is_ready(p)).collect()
}

/// Namespace and name of the Service that a Service is an alias of (`ExternalName`); none where it is no alias, or one of a host that is no Service.
#[must_use]
pub fn alias_of(service: &Value) -> Option<(&str, &str)> {
    let target = external_name(service)?.trim_end_matches('.');
    let (name, namespace) =
        target.strip_suffix(".svc.cluster.local").or(target.strip_suffix(".svc"))?.split_once('.')?;
    Some((namespace, name))
}

/// The host that a Service is an alias of, if it is one.
pub(super) fn external_name(service: &Value) -> Option<&str> {
    Some(text(service, "/spec/externalName")).filter(|_| text(service, "/spec/type") == "ExternalName")
}

/// Whether there is a pod behind a Service, ready or not, or a workload that would make one.
#[must_use]
pub fn is_meant(here: &Objects, service: &Value) -> bool {
    let selector = &service["spec"]["selector"];
    let kinds = ["Pod", "Deployment", "StatefulSet", "DaemonSet"];
    let mut all = kinds.into_iter().flat_map(|kind| here.of(kind)).filter(|o| namespace(o) == namespace(service));
    selector.as_object().is_some_and(|s| !s.is_empty())
        && all.any(|o| has_labels(if o["kind"] == "Pod" { o } else { &o["spec"]["template"] }, selector))
}

/// Whether a pod runs, is ready and is not being deleted.
fn is_ready(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none_or(Value::is_null)
        && list(pod, "/status/conditions").any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// The port of a pod that a port of its Service leads to; none where the Service lacks the port, or the pod has no port of that name.
#[must_use]
pub fn target_port(service: &Value, pod: &Value, port: u16) -> Option<u16> {
    endpoint_port(service, service, pod, port)
}

/// The port at which a pod is an endpoint of a service. `known` is the Service as the caller's control plane knows it: by the name of the port
/// there the endpoints of other clusters are found, whatever its number in their own Service is.
#[must_use]
pub fn endpoint_port(known: &Value, service: &Value, pod: &Value, port: u16) -> Option<u16> {
    let called = list(known, "/spec/ports").find(|p| p["port"] == port)?;
    let entry = list(service, "/spec/ports").find(|p| p["name"] == called["name"])?;
    match &entry["targetPort"] {
        Value::String(name) => named_port(pod, name),
        Value::Number(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0),
        _ => entry["port"].as_u64().and_then(|n| u16::try_from(n).ok()),
    }
}

/// A port that a container of the pod gives this name. Init containers count: a sidecar may be one.
pub(super) fn named_port(pod: &Value, name: &str) -> Option<u16> {
    let port = declared(pod).find(|p| p["name"] == name)?;
    port["containerPort"].as_u64().and_then(|n| u16::try_from(n).ok())
}

/// The ports that the containers of a pod declare.
fn declared(pod: &Value) -> impl Iterator<Item = &Value> {
    let containers = list(pod, "/spec/containers").chain(list(pod, "/spec/initContainers"));
    containers.flat_map(|c| list(c, "/ports"))
}

/// The numbers of the ports that a pod's own containers declare, without those of its Envoy.
pub(super) fn declared_by_app(pod: &Value) -> Vec<u64> {
    let own = list(pod, "/spec/containers").filter(|c| c["name"] != PROXY);
    own.flat_map(|c| list(c, "/ports")).filter_map(|p| p["containerPort"].as_u64()).collect()
}

/// Whether an Envoy is beside a pod's app.
pub(super) fn has_sidecar(pod: &Value) -> bool {
    let mut containers = list(pod, "/spec/containers").chain(list(pod, "/spec/initContainers"));
    containers.any(|c| c["name"] == PROXY)
}
