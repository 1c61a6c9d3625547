//! Where Istio's routes lead the call.

use serde_json::Value;

use super::object::{export, has_labels, host_matches, is_seen, list, named, namespace, text, texts};
use super::scope::names_host;
use super::tls::destination_rules;
use super::{CallFacts, Finding, gateway_api};

/// The `VirtualServices` for the called host in the caller's mesh, or at the gateway where the call enters, seen there or not.
fn virtual_services<'a>(call: &CallFacts<'a>) -> impl Iterator<Item = &'a Value> {
    let all = call.caller.rules.of("VirtualService");
    let names = |v: &&Value| texts(v, "/spec/hosts").iter().any(|host| names_host(call, v, host));
    let found: Vec<&Value> = if call.enters {
        let bound: Vec<&Value> = all.filter(|v| is_at_gateway(call, v)).collect();
        // A gateway is called by any host and path: what leads to the service comes first.
        let leads = |v: &&Value| destinations(v).any(|d| is_called(call, v, d));
        let leading: Vec<&Value> = bound.iter().copied().filter(leads).collect();
        if leading.is_empty() { bound.into_iter().filter(names).collect() } else { leading }
    } else {
        let in_mesh = |v: &&Value| {
            let gateways = texts(v, "/spec/gateways");
            gateways.is_empty() || gateways.contains(&"mesh")
        };
        all.filter(in_mesh).filter(names).collect()
    };
    found.into_iter()
}

/// Whether a `VirtualService` is one of a gateway that the calling pod serves.
fn is_at_gateway(call: &CallFacts<'_>, service: &Value) -> bool {
    texts(service, "/spec/gateways").iter().any(|gateway| {
        let (place, name) = gateway.split_once('/').unwrap_or((".", gateway));
        let place = if place == "." { namespace(service) } else { place };
        let is_it = |g: &&Value| namespace(g) == place && text(g, "/metadata/name") == name && !gateway_api::is_of(g);
        let gateway = call.caller.rules.of("Gateway").find(is_it);
        gateway.is_some_and(|gateway| has_labels(call.caller.pod, &gateway["spec"]["selector"]))
    })
}

/// A service to which no route leads from the gateway where the call enters.
pub(super) fn no_way_in(call: &CallFacts<'_>) -> Option<Finding> {
    let is_led = gateway_api::routes(call).any(|route| gateway_api::leads(call, route));
    if !call.enters || is_led || virtual_services(call).next().is_some() {
        return None;
    }
    let config = call.caller.config;
    let bound = call.caller.rules.of("VirtualService").filter(|v| is_at_gateway(call, v));
    let bound: Vec<String> = bound.map(|v| named(v, config)).collect();
    let bound = if bound.is_empty() { "none".to_owned() } else { bound.join(", ") };
    // Not every cluster has that kind.
    let also = if gateway_api::routes(call).next().is_some() { ",httproutes" } else { "" };
    Some(Finding {
        cause: format!(
            "no VirtualService or HTTPRoute leads calls through the ingress gateway of {} to {}",
            call.caller.cluster,
            call.name()
        ),
        evidence: format!("those of its Gateways: {bound}"),
        remedy: format!(
            "add one with a Gateway of it in spec.gateways and {} among its destinations; see what there is: kubectl --context lab-{}-{config} get gateways.networking.istio.io,virtualservices{also} -A",
            call.host(),
            call.lab
        ),
    })
}

fn is_used(call: &CallFacts<'_>, service: &Value) -> bool {
    is_seen(call, service, "defaultVirtualServiceExportTo")
}

/// The destinations of a `VirtualService` that get calls of HTTP.
fn destinations(service: &Value) -> impl Iterator<Item = &Value> {
    let routes = list(service, "/spec/http").flat_map(|http| list(http, "/route"));
    routes.filter(|r| r["weight"] != 0 || r["weight"].is_null()).map(|r| &r["destination"])
}

/// Whether a destination is the called service.
fn is_called(call: &CallFacts<'_>, service: &Value, destination: &Value) -> bool {
    host_matches(text(destination, "/host"), namespace(service), &call.host())
}

/// Faults that a route injects.
pub(super) fn fault(call: &CallFacts<'_>) -> Option<Finding> {
    let has_fault = |v: &&Value| list(v, "/spec/http").any(|http| http["fault"].is_object());
    let service = virtual_services(call).filter(|v| is_used(call, v)).find(has_fault)?;
    let config = call.caller.config;
    let faults: Vec<String> =
        list(service, "/spec/http").map(|h| &h["fault"]).filter(|f| f.is_object()).map(ToString::to_string).collect();
    Some(call.blame(
        format!("a VirtualService has calls from {} to {} fail on purpose", call.caller.cluster, call.name()),
        format!("{} has spec.http[].fault {}", named(service, config), faults.join(", ")),
        service,
        config,
        "take spec.http[].fault out",
    ))
}

/// A route to a subset that no rule defines which callers see.
pub(super) fn unknown_subset(call: &CallFacts<'_>) -> Option<Finding> {
    let seen = destination_rules(call);
    let defines = |rule: &Value, name: &str| list(rule, "/spec/subsets").any(|s| s["name"] == name);
    for service in virtual_services(call).filter(|v| is_used(call, v)) {
        let mut subsets =
            destinations(service).filter(|d| is_called(call, service, d)).filter_map(|d| d["subset"].as_str());
        let Some(name) = subsets.find(|name| !seen.iter().any(|rule| defines(rule, name))) else { continue };
        let config = call.caller.config;
        let cause = format!(
            "calls from {} are routed to a subset `{name}` that callers there do not know",
            call.caller.cluster
        );
        let route = named(service, config);
        let elsewhere = call
            .caller
            .rules
            .of("DestinationRule")
            .find(|r| names_host(call, r, text(r, "/spec/host")) && defines(r, name));
        let Some(rule) = elsewhere else {
            return Some(call.blame(
                cause,
                format!("{route} routes to subset `{name}` of {}, and no DestinationRule defines it", call.name()),
                service,
                config,
                &format!("name a subset that a DestinationRule has, or add `{name}` to spec.subsets of one"),
            ));
        };
        let (to, says) = export(call, rule, "defaultDestinationRuleExportTo");
        return Some(call.blame(
            cause,
            format!("{route} routes to it, and {}, which defines it, is exported to [{}] by {says}, or another rule comes before it", named(rule, config), to.join(", ")),
            rule,
            config,
            &format!("add {} to spec.exportTo (\"*\" is all), or define the subset in the rule that comes first", call.caller_namespace()),
        ));
    }
    None
}

/// Routes that lead past the called cluster: to subsets that its pods are not part of.
pub(super) fn elsewhere(call: &CallFacts<'_>) -> Option<Finding> {
    let service = virtual_services(call).find(|v| is_used(call, v))?;
    let rules = destination_rules(call);
    let all: Vec<&Value> = destinations(service).collect();
    let leads_here = |destination: &&Value| {
        if !is_called(call, service, destination) {
            return false;
        }
        let Some(name) = destination["subset"].as_str() else { return true };
        let subset = rules.iter().flat_map(|r| list(r, "/spec/subsets")).find(|s| s["name"] == name);
        subset.is_none_or(|s| has_labels(call.callee.pod, &s["labels"]))
    };
    if all.is_empty() || call.callee.pod.is_null() || all.iter().any(leads_here) {
        return None;
    }
    let config = call.caller.config;
    let words =
        |d: &&Value| d["subset"].as_str().map_or_else(|| text(d, "/host").to_owned(), |s| format!("subset `{s}`"));
    let to: Vec<String> = all.iter().map(words).collect();
    Some(call.blame(
        format!(
            "a VirtualService leads calls from {} elsewhere than to {} in {}",
            call.caller.cluster,
            call.name(),
            call.callee.cluster
        ),
        format!(
            "{} routes to {}, and {} is no part of that",
            named(service, config),
            to.join(", "),
            named(call.callee.pod, call.callee.cluster)
        ),
        service,
        config,
        "add a destination to spec.http[].route that its pods are part of",
    ))
}

/// Rules for the host that callers do not see, where they may have been meant to.
pub(super) fn hidden(call: &CallFacts<'_>) -> Option<Finding> {
    let services = virtual_services(call).map(|v| (v, "defaultVirtualServiceExportTo"));
    let rules = call.caller.rules.of("DestinationRule").filter(|r| names_host(call, r, text(r, "/spec/host")));
    let rules = rules.map(|r| (r, "defaultDestinationRuleExportTo"));
    let (rule, default) = services.chain(rules).find(|(rule, default)| !is_seen(call, rule, default))?;
    let config = call.caller.config;
    let (to, says) = export(call, rule, default);
    Some(call.blame(
        format!(
            "what {} says of {} does not hold for callers in namespace {}",
            named(rule, config),
            call.name(),
            call.caller_namespace()
        ),
        format!("it is exported to [{}] by {says}", to.join(", ")),
        rule,
        config,
        &format!("add {} to spec.exportTo (\"*\" is all)", call.caller_namespace()),
    ))
}
