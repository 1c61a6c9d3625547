//! Network policies that keep a call from leaving the caller's pod, or from coming to the called one.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::object::{list, named, namespace, selects, text, texts};
use super::sides::named_port;
use super::{CallFacts, Finding, ROOT_NAMESPACE, Side};

/// What is at the other end of a connection, as the policies of one cluster see it.
struct Peer<'a> {
    what: String,
    /// The pod with its namespace, if it is one of the same cluster.
    pod: Option<&'a Value>,
    address: Option<Ipv4Addr>,
    /// The port that is connected to, and the pod whose port it is, for names.
    port: u16,
    protocol: &'static str,
    target: &'a Value,
}

/// A policy of the called pod's cluster that does not let the call in.
pub(super) fn ingress(call: &CallFacts<'_>) -> Option<Finding> {
    let callee = &call.callee;
    let gateway = gateway_pod();
    let (what, pod, address) = if call.crosses_networks() {
        (format!("the east-west gateway of {}", callee.cluster), Some(&gateway), None)
    } else {
        let pod = (!call.crosses_clusters()).then_some(call.caller.pod);
        (format!("the caller in {}", call.caller.cluster), pod, address(call.caller.pod))
    };
    let peer = Peer { what, pod, address, port: call.target_port()?, protocol: "TCP", target: callee.pod };
    let (policy, evidence) = closing(callee, "Ingress", &peer)?;
    Some(call.blame(
        format!(
            "a NetworkPolicy in {} does not let calls from {} in to {}",
            callee.cluster,
            call.caller.cluster,
            call.name()
        ),
        evidence,
        policy,
        callee.cluster,
        &format!("allow {} in spec.ingress[].from to port {}", peer.what, peer.port),
    ))
}

/// A policy of the caller's cluster that does not let the call out, or the name be looked up.
pub(super) fn egress(call: &CallFacts<'_>) -> Option<Finding> {
    let caller = &call.caller;
    let dns = serde_json::json!({ "metadata": { "namespace": "kube-system", "labels": { "k8s-app": "kube-dns" } } });
    let names = Peer {
        what: "the cluster's DNS".to_owned(),
        pod: Some(&dns),
        address: None,
        port: 53,
        protocol: "UDP",
        target: &dns,
    };
    // A gateway looks no name up for a call.
    let mut peers: Vec<Peer<'_>> = (!call.enters).then_some(names).into_iter().collect();
    if let Some(gateway) = call.gateway {
        let what = format!("the east-west gateway of {}, {gateway}", call.callee.cluster);
        peers.push(Peer {
            what,
            pod: None,
            address: Some(*gateway.ip()),
            port: gateway.port(),
            protocol: "TCP",
            target: &Value::Null,
        });
    } else if let Some(port) = call.target_port() {
        peers.push(Peer {
            what: format!("the pods of {} in {}", call.name(), call.callee.cluster),
            pod: (!call.crosses_clusters()).then_some(call.callee.pod),
            address: address(call.callee.pod),
            port,
            protocol: "TCP",
            target: call.callee.pod,
        });
    }
    for peer in &peers {
        if let Some((policy, evidence)) = closing(caller, "Egress", peer) {
            return Some(call.blame(
                format!(
                    "a NetworkPolicy in {} does not let callers of {} reach {}",
                    caller.cluster,
                    call.name(),
                    peer.what
                ),
                evidence,
                policy,
                caller.cluster,
                &format!("allow {} in spec.egress[].to, port {} ({})", peer.what, peer.port, peer.protocol),
            ));
        }
    }
    None
}

/// Of the policies that select a side's pod for a direction the first, if none lets the connection through; and what was found.
fn closing<'a>(side: &Side<'a>, direction: &str, peer: &Peer<'_>) -> Option<(&'a Value, String)> {
    let pod = side.pod;
    let policies: Vec<&Value> = side
        .here
        .of("NetworkPolicy")
        .filter(|p| namespace(p) == namespace(pod) && !pod.is_null())
        .filter(|p| selects(&p["spec"]["podSelector"], &pod["metadata"]["labels"]) && is_about(p, direction))
        .collect();
    let rules = format!("/spec/{}", direction.to_lowercase());
    let open = policies.iter().any(|p| list(p, &rules).any(|rule| allows(side, p, rule, direction, peer)));
    let first = policies.first().copied().filter(|_| !open)?;
    let names: Vec<String> = policies.iter().map(|p| named(p, side.cluster)).collect();
    let (them, select, allow) =
        if names.len() == 1 { ("it", "selects", "does not allow") } else { ("none of them", "select", "allows") };
    let evidence = format!(
        "{} {select} {} for {direction}, and {them} {allow} {} on port {}",
        names.join(" and "),
        named(pod, side.cluster),
        peer.what,
        peer.port
    );
    Some((first, evidence))
}

/// Whether a policy is about a direction: what it says, else always about what comes in, and about what goes out where it has rules for that.
fn is_about(policy: &Value, direction: &str) -> bool {
    let types = texts(policy, "/spec/policyTypes");
    if types.is_empty() {
        direction == "Ingress" || policy["spec"]["egress"].is_array()
    } else {
        types.contains(&direction)
    }
}

fn allows(side: &Side<'_>, policy: &Value, rule: &Value, direction: &str, peer: &Peer<'_>) -> bool {
    let peers = &rule[if direction == "Ingress" { "from" } else { "to" }];
    let ports = &rule["ports"];
    is_open(peers, |p| is_peer(side, policy, p, peer)) && is_open(ports, |p| is_port(p, peer))
}

/// Whether a list has what is looked for; one that is absent or empty has everything.
fn is_open(list: &Value, is_it: impl Fn(&Value) -> bool) -> bool {
    list.as_array().is_none_or(|list| list.is_empty() || list.iter().any(is_it))
}

fn is_peer(side: &Side<'_>, policy: &Value, wanted: &Value, peer: &Peer<'_>) -> bool {
    if let Some(block) = wanted["ipBlock"].as_object() {
        let net = |text: &Value| text.as_str().and_then(|t| t.parse::<Ipv4Net>().ok());
        let Some(cidr) = block.get("cidr").and_then(net) else { return false };
        let except = block.get("except").and_then(Value::as_array).into_iter().flatten().filter_map(net);
        // Where the address is not known, a block is not held against the policy.
        return peer.address.is_none_or(|a| cidr.contains(&a) && !except.into_iter().any(|e| e.contains(&a)));
    }
    let Some(pod) = peer.pod else { return false };
    let in_namespace = match &wanted["namespaceSelector"] {
        Value::Null => namespace(pod) == namespace(policy),
        selector => selects(selector, &labels_of(side, namespace(pod))),
    };
    in_namespace && selects(&wanted["podSelector"], &pod["metadata"]["labels"])
}

/// The labels of a namespace; its name is one wherever it is known.
fn labels_of(side: &Side<'_>, name: &str) -> Value {
    let mut labels = side.here.get("Namespace", "", name)["metadata"]["labels"].clone();
    if !labels.is_object() {
        labels = serde_json::json!({});
    }
    labels["kubernetes.io/metadata.name"] = name.into();
    labels
}

fn is_port(wanted: &Value, peer: &Peer<'_>) -> bool {
    if wanted["protocol"].as_str().unwrap_or("TCP") != peer.protocol {
        return false;
    }
    let port = u64::from(peer.port);
    match &wanted["port"] {
        Value::Null => true,
        Value::String(name) => named_port(peer.target, name).is_some_and(|p| p == peer.port),
        first => {
            let first = first.as_u64().unwrap_or(0);
            (first..=wanted["endPort"].as_u64().unwrap_or(first)).contains(&port)
        }
    }
}

/// The pods of an east-west gateway, as lab installs them.
fn gateway_pod() -> Value {
    serde_json::json!({ "metadata": { "namespace": ROOT_NAMESPACE,
        "labels": { "app": "istio-eastwestgateway", "istio": "eastwestgateway" } } })
}

fn address(pod: &Value) -> Option<Ipv4Addr> {
    text(pod, "/status/podIP").parse().ok()
}
