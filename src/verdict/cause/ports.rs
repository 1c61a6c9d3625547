//! Ports: of the Service in each cluster, of the pods behind it, and what Envoy takes them for.

use serde_json::Value;

use super::super::words;
use super::object::{has_labels, list, named, namespace, text};
use super::sides::{alias_of, declared_by_app, external_name};
use super::{CallFacts, Finding, Objects};
use crate::scenario::Protocol;

/// A Service without an address of its own: its callers connect to the pods that DNS names, which are those of one cluster.
pub(super) fn headless(call: &CallFacts<'_>) -> Option<Finding> {
    // A gateway knows the pods of all clusters behind it.
    if call.enters {
        return None;
    }
    if !call.crosses_clusters() {
        return None;
    }
    let is_headless = |service: &Value| service["spec"]["clusterIP"] == "None";
    let side = if is_headless(call.caller.service) {
        &call.caller
    } else if call.crosses_networks() && is_headless(call.callee.service) {
        &call.callee
    } else {
        return None;
    };
    let why = if call.crosses_networks() {
        "a gateway to another network cannot lead to a pod of one's choice"
    } else {
        "its name leads to the pods of the caller's own cluster"
    };
    Some(call.blame(
        format!(
            "{} is headless in {}, so calls from {} do not reach {}",
            call.name(),
            side.cluster,
            call.caller.cluster,
            call.callee.cluster
        ),
        format!("{} has spec.clusterIP None, and {why}", named(side.service, side.cluster)),
        side.service,
        side.cluster,
        "leave spec.clusterIP out (delete the Service first: it cannot be changed), in every cluster",
    ))
}

/// An alias of a Service that the caller's cluster does not have.
pub(super) fn alias(call: &CallFacts<'_>) -> Option<Finding> {
    let (service, cluster) = (call.caller.service, call.caller.cluster);
    let (namespace, target) = alias_of(service)?;
    if !call.caller.here.get("Service", namespace, target).is_null() {
        return None;
    }
    Some(call.blame(
        format!("{} is an alias of {target}.{namespace} in {cluster}, which has no such Service", call.name()),
        format!(
            "{} has spec.externalName {}, and DNS follows it in {cluster} alone",
            named(service, cluster),
            text(service, "/spec/externalName")
        ),
        service,
        cluster,
        "set spec.externalName to the full name of a Service of the same cluster",
    ))
}

/// A port that the Service of a cluster does not have. An alias has none of its own.
pub(super) fn absent(call: &CallFacts<'_>) -> Option<Finding> {
    let (name, port) = (call.name(), call.port);
    for side in [&call.caller, &call.callee] {
        if side.service.is_null() || external_name(side.service).is_some() || call.port_of(side.service).is_some() {
            continue;
        }
        let other = if side.cluster == call.caller.cluster { &call.callee } else { &call.caller };
        let there = call.port_of(other.service);
        // On one network endpoints are found by the port's name alone.
        let same_name =
            there.is_some_and(|there| list(side.service, "/spec/ports").any(|p| p["name"] == there["name"]));
        if same_name && !call.crosses_networks() && side.cluster == call.callee.cluster {
            continue;
        }
        let evidence =
            |side: &super::Side<'_>| format!("{} has {}", named(side.service, side.cluster), in_words(side.service));
        let differs = call.crosses_clusters() && there.is_some();
        let cause = if differs {
            format!("the ports of {name} differ: {} has no port {port}, which {} has", side.cluster, other.cluster)
        } else {
            format!("{name} has no port {port} in {}", side.cluster)
        };
        let mut said = evidence(side);
        if differs {
            said = format!("{}; {said}", evidence(other));
            if call.crosses_networks() {
                said.push_str(
                    "; a gateway finds a service by the number of its port, which the caller's cluster gives",
                );
            }
        }
        return Some(call.blame(
            cause,
            said,
            side.service,
            side.cluster,
            &format!("give spec.ports[].port the same number in every cluster, {port}"),
        ));
    }
    None
}

/// A port that has another name in the other cluster: endpoints of other clusters are found by it.
pub(super) fn renamed(call: &CallFacts<'_>) -> Option<Finding> {
    let (ours, theirs) = (call.port_of(call.caller.service)?, call.port_of(call.callee.service)?);
    if !call.crosses_clusters() || text(ours, "/name") == text(theirs, "/name") {
        return None;
    }
    let (name, port) = (call.name(), call.port);
    Some(call.blame(
        format!(
            "port {port} of {name} has other names in {} and {}, by which its endpoints are found",
            call.caller.cluster, call.callee.cluster
        ),
        format!(
            "{} has {}; {} has {}",
            named(call.caller.service, call.caller.cluster),
            in_words(call.caller.service),
            named(call.callee.service, call.callee.cluster),
            in_words(call.callee.service)
        ),
        call.callee.service,
        call.callee.cluster,
        &format!("give the port {port} the same spec.ports[].name in every cluster, `{}`", text(ours, "/name")),
    ))
}

/// A Service that selects no pod, ready or not. Where another cluster has its pods, that is as it may be.
#[must_use]
pub fn selects_nothing(lab: &str, cluster: &str, here: &Objects, service: &Value) -> Option<Finding> {
    let selector = service["spec"]["selector"].as_object().filter(|s| !s.is_empty())?;
    let place = namespace(service);
    let pods: Vec<&Value> = here.of("Pod").filter(|p| namespace(p) == place).collect();
    if pods.iter().any(|p| has_labels(p, &service["spec"]["selector"])) {
        return None;
    }
    let one = |key: &str, value: &Value| format!("{key}={}", value.as_str().unwrap_or_default());
    let wanted = words::names(selector.iter().map(|(key, value)| one(key, value)));
    let mut there: Vec<String> = Vec::new();
    for (pod, key) in pods.iter().flat_map(|p| selector.keys().map(move |key| (p, key))) {
        let label = &pod["metadata"]["labels"][key];
        if !label.is_null() && !there.contains(&one(key, label)) {
            there.push(one(key, label));
        }
    }
    let named = named(service, cluster);
    Some(Finding {
        cause: format!("{named} selects no pod"),
        evidence: format!(
            "its selector is {wanted}; of these keys the pods of namespace {place} have {}",
            words::names(&there)
        ),
        remedy: format!(
            "set spec.selector of {named} to labels that its pods have, or start such pods; see them: kubectl --context lab-{lab}-{cluster} -n {place} get pods --show-labels"
        ),
    })
}

/// A target port by a name that no container has.
pub(super) fn unresolved(call: &CallFacts<'_>) -> Option<Finding> {
    let entry = call.port_of(call.callee.service)?;
    let target = entry["targetPort"].as_str()?;
    if call.callee.pod.is_null() || call.target_port().is_some() {
        return None;
    }
    Some(call.blame(
        format!(
            "no pod behind {} in {} has a port named `{target}`, so it has no endpoint there",
            call.name(),
            call.callee.cluster
        ),
        format!(
            "targetPort of port {} of {} is `{target}`{}",
            call.port,
            named(call.callee.service, call.callee.cluster),
            elsewhere(call)
        ),
        call.callee.service,
        call.callee.cluster,
        "set spec.ports[].targetPort to a name or number that its pods have in spec.containers[].ports",
    ))
}

/// A target port by a number that the pods do not declare. They need not; but where calls fail it is the likely reason.
pub(super) fn undeclared(call: &CallFacts<'_>) -> Option<Finding> {
    let target = call.target_port()?;
    let declared = declared_by_app(call.callee.pod);
    if declared.is_empty() || declared.contains(&u64::from(target)) {
        return None;
    }
    let numbers: Vec<String> = declared.iter().map(ToString::to_string).collect();
    Some(call.blame(
        format!(
            "{} sends to port {target} of its pods in {}, which they do not have",
            call.name(),
            call.callee.cluster
        ),
        format!(
            "{} has targetPort {target}, and its pods declare {}{}",
            named(call.callee.service, call.callee.cluster),
            numbers.join(", "),
            elsewhere(call)
        ),
        call.callee.service,
        call.callee.cluster,
        "set spec.ports[].targetPort to the port on which the app listens",
    ))
}

/// What the other cluster's Service has as its target port, if that is another one.
fn elsewhere(call: &CallFacts<'_>) -> String {
    let target = |service| call.port_of(service).map(|p| p["targetPort"].to_string().replace('"', "`"));
    match target(call.caller.service) {
        Some(ours) if call.crosses_clusters() && Some(&ours) != target(call.callee.service).as_ref() => {
            format!("; in {} it is {ours}", call.caller.cluster)
        }
        _ => String::new(),
    }
}

/// A port that is declared as another protocol than the one that is spoken, or as none where that is more than Envoy can find out.
pub(super) fn protocol(call: &CallFacts<'_>) -> Option<Finding> {
    let (service, cluster) = call.known();
    let entry = call.port_of(service)?;
    let (field, declared) = match (entry["appProtocol"].as_str(), text(entry, "/name")) {
        (Some(protocol), _) => ("appProtocol", protocol),
        (None, name) => ("name", name),
    };
    let protocol = declared.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let (spoken, right) = match call.protocol {
        Protocol::Http => ("HTTP", "http"),
        Protocol::Grpc => ("gRPC", "grpc"),
        Protocol::WebSocket => ("a WebSocket", "http"),
        Protocol::Tcp => ("plain TCP", "tcp"),
    };
    let says = match (call.protocol, protocol.as_str()) {
        (_, "https" | "tls") => "takes what is sent for TLS and routes by its server name only",
        (Protocol::Tcp, "tcp" | "mongo" | "mysql" | "redis") | (Protocol::Grpc, "http2" | "grpc") => return None,
        (Protocol::Tcp, "http" | "http2" | "grpc") => {
            "waits for a request, and passes nothing on of a server that speaks first"
        }
        (Protocol::Grpc, "http") => "speaks HTTP/1.1 to the app, and gRPC is HTTP/2",
        (_, "http2" | "grpc") => "speaks HTTP/2 to the app, which must understand it",
        (_, "tcp" | "mongo" | "mysql" | "redis") => {
            "balances connections rather than requests, applies no route of HTTP and tries nothing again"
        }
        _ if entry["protocol"] == "UDP" => "does not handle UDP",
        (Protocol::Tcp, _) => {
            "waits for the first bytes of the caller to know what is spoken, and those of the server never come"
        }
        _ => return None,
    };
    let port = call.port;
    let is = match (protocol.as_str(), declared) {
        ("" | "auto", _) => "declares no protocol".to_owned(),
        ("http" | "http2" | "https" | "tls" | "grpc" | "tcp" | "mongo" | "mysql" | "redis", _) => {
            format!("is declared as {protocol}")
        }
        _ => format!("declares no protocol by `{declared}`"),
    };
    Some(call.blame(
        format!("port {port} of {} {is}, and is called over {spoken}", call.name()),
        format!("{field} of port {port} of {} is `{declared}`: Envoy {says}", named(service, cluster)),
        service,
        cluster,
        &format!("set spec.ports[].{field} to `{right}`, in every cluster"),
    ))
}

/// The ports of a Service: name, number and target.
fn in_words(service: &Value) -> String {
    let port = |p: &Value| format!("{} {}", p["name"].as_str().unwrap_or("(without a name)"), p["port"]);
    list(service, "/spec/ports").map(port).collect::<Vec<_>>().join(", ")
}
