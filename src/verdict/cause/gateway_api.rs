//! Routes of the Gateway API, of which istiod itself says in their status why they do not hold.

use serde_json::Value;

use super::object::{list, named, namespace, text};
use super::{CallFacts, Finding};

/// The group of the Gateway API. Its Gateway is another kind than Istio's own.
const GROUP: &str = "gateway.networking.k8s.io/";

/// Whether an object is of the Gateway API.
pub(super) fn is_of(object: &Value) -> bool {
    text(object, "/apiVersion").starts_with(GROUP)
}

/// Whether a route leads any calls to the called service.
pub(super) fn leads(call: &CallFacts<'_>, route: &Value) -> bool {
    let backends = list(route, "/spec/rules").flat_map(|rule| list(rule, "/backendRefs")).filter(|b| b["weight"] != 0);
    backends.into_iter().any(|b| text(b, "/name") == call.service && place(b, route) == call.namespace)
}

/// The routes of Gateways: those of other parents are for calls within the mesh.
pub(super) fn routes<'a>(call: &CallFacts<'a>) -> impl Iterator<Item = &'a Value> {
    let all = call.caller.rules.of("HTTPRoute").chain(call.caller.rules.of("GRPCRoute"));
    all.filter(|route| list(route, "/spec/parentRefs").any(is_gateway))
}

/// Routes at the gateway where the call enters that do not hold: those that lead to the service come first, but one that was to lead there may not.
pub(super) fn refused(call: &CallFacts<'_>) -> Option<Finding> {
    if !call.enters {
        return None;
    }
    let (leading, others): (Vec<&Value>, Vec<&Value>) = routes(call).partition(|route| leads(call, route));
    let mut found = leading.into_iter().chain(others).filter_map(|r| gateway(call, r).or_else(|| unheld(call, r)));
    let mut first = found.next()?;
    // A gateway is called by any host and path, so which of them the call would take is not known.
    for Finding { cause, evidence, .. } in found.filter(|f| f.cause != first.cause).collect::<Vec<_>>() {
        first.evidence = format!("{}; {cause}: {evidence}", first.evidence);
    }
    Some(first)
}

/// Whether a reference to a parent is to a Gateway, which is what it is to when it does not say.
fn is_gateway(parent: &Value) -> bool {
    matches!(text(parent, "/kind"), "" | "Gateway")
}

/// The namespace of what a route refers to: its own where the reference names none.
fn place<'v>(reference: &'v Value, route: &'v Value) -> &'v str {
    let own = namespace(route);
    reference["namespace"].as_str().unwrap_or(own)
}

/// A condition that is not true of those that must be: its reason and message.
fn untrue(status: &Value, must: &[&str]) -> Option<String> {
    let condition =
        list(status, "/conditions").find(|c| must.iter().any(|m| c["type"] == *m) && c["status"] != "True")?;
    let said = |field: &str| text(condition, field).to_owned();
    Some(format!("{} is {}, {}: {}", said("/type"), said("/status"), said("/reason"), said("/message")))
}

/// What is wrong with a gateway of a route.
fn gateway(call: &CallFacts<'_>, route: &Value) -> Option<Finding> {
    let config = call.caller.config;
    for parent in list(route, "/spec/parentRefs").filter(|parent| is_gateway(parent)) {
        let (place, name) = (place(parent, route), text(parent, "/name"));
        let is_it = |g: &&Value| is_of(g) && namespace(g) == place && text(g, "/metadata/name") == name;
        let Some(gateway) = call.caller.rules.of("Gateway").find(is_it) else {
            return Some(call.blame(
                format!("{} is a route of a Gateway that {config} does not have", named(route, config)),
                format!("spec.parentRefs names Gateway {place}/{name}"),
                route,
                config,
                "name one that is there in spec.parentRefs, or apply that one",
            ));
        };
        let hosts = list(gateway, "/spec/addresses").filter_map(|a| a["value"].as_str());
        let elsewhere = |host: &&str| {
            let service = host.strip_suffix(".svc.cluster.local").unwrap_or(host);
            service.split_once('.').is_some_and(|(_, namespace)| !namespace.contains('.') && namespace != place)
        };
        if let Some(host) = hosts.into_iter().find(elsewhere) {
            return Some(call.blame(
                format!("{} is in another namespace than the Service that it names, so nothing serves it", named(gateway, config)),
                format!("spec.addresses has {host}, and istiod gives a Gateway to none but the Services of its own namespace"),
                gateway,
                config,
                "move it to the namespace of that Service, and let routes of others in by allowedRoutes",
            ));
        }
        if let Some(said) = untrue(&gateway["status"], &["Accepted", "Programmed"]) {
            let cause = format!("istiod does not serve {}, to which a route belongs", named(gateway, config));
            return Some(call.blame(cause, said, gateway, config, "change what it says"));
        }
    }
    None
}

/// What istiod says of a route that it does not take as it is.
fn unheld(call: &CallFacts<'_>, route: &Value) -> Option<Finding> {
    let config = call.caller.config;
    let parents = list(route, "/status/parents").filter(|parent| is_gateway(&parent["parentRef"]));
    let said = parents.into_iter().find_map(|parent| untrue(parent, &["Accepted", "ResolvedRefs"]))?;
    let cause =
        format!("{} does not hold as it is at the ingress gateway of {}", named(route, config), call.caller.cluster);
    Some(call.blame(cause, said, route, config, "change what it says"))
}
