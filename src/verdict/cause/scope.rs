//! What the caller's Envoy is not told about: beyond the scope of a Sidecar, or not exported to the caller's namespace.

use serde_json::Value;

use super::object::{has_labels, host_matches, is_exported, list, mesh_export, named, namespace, text, texts};
use super::sides::has_sidecar;
use super::{CallFacts, Finding, ROOT_NAMESPACE};

/// Annotation of a Service that says where it is seen.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// A Sidecar that does not have the service among its egress hosts. It does not hold for gateways.
pub(super) fn sidecar(call: &CallFacts<'_>) -> Option<Finding> {
    if call.enters {
        return None;
    }
    let scope = scope_of(call)?;
    let egress: Vec<&Value> = list(scope, "/spec/egress").collect();
    if egress.is_empty() || !has_sidecar(call.caller.pod) {
        return None;
    }
    let is_here = |listener: &&&Value| listener.pointer("/port/number").is_none_or(|n| *n == call.port);
    let open = egress.iter().filter(is_here).flat_map(|listener| texts(listener, "/hosts"));
    if open.clone().any(|host| takes(call, host)) {
        return None;
    }
    let (host, config) = (call.host(), call.caller.config);
    let hosts: Vec<&str> = egress.iter().flat_map(|listener| texts(listener, "/hosts")).collect();
    Some(call.blame(
        format!(
            "a Sidecar hides {} from callers in {}, namespace {}",
            call.name(),
            call.caller.cluster,
            call.caller_namespace()
        ),
        format!(
            "the egress hosts of {} are [{}], and none is {}/{host}",
            named(scope, config),
            hosts.join(", "),
            call.namespace
        ),
        scope,
        config,
        &format!("add \"{}/{host}\" to spec.egress[].hosts", call.namespace),
    ))
}

/// The Sidecar that holds for the caller: one that selects its pod, else that of its namespace, else that of the mesh.
fn scope_of<'a>(call: &CallFacts<'a>) -> Option<&'a Value> {
    let own = call.caller_namespace();
    let of = |namespace: &str, selecting: bool| {
        call.caller.rules.of("Sidecar").find(|s| {
            let labels = &s["spec"]["workloadSelector"]["labels"];
            self::namespace(s) == namespace && labels.is_object() == selecting && has_labels(call.caller.pod, labels)
        })
    };
    of(own, true).or_else(|| of(own, false)).or_else(|| of(ROOT_NAMESPACE, false))
}

/// Whether an egress host, `NAMESPACE/NAME`, takes the service in.
fn takes(call: &CallFacts<'_>, host: &str) -> bool {
    let (namespace, name) = host.split_once('/').unwrap_or(("*", host));
    let namespace = namespace == "*"
        || namespace == call.namespace
        || (namespace == "." && call.caller_namespace() == call.namespace);
    namespace && host_matches(name, call.namespace, &call.host())
}

/// A Service that is not exported to the caller's namespace.
pub(super) fn exported(call: &CallFacts<'_>) -> Option<Finding> {
    let (service, cluster) = call.known();
    let annotation = service.pointer("/metadata/annotations").map_or("", |a| a[EXPORT_TO].as_str().unwrap_or_default());
    let own: Vec<&str> = annotation.split(',').map(str::trim).filter(|to| !to.is_empty()).collect();
    let (to, says) = if own.is_empty() {
        mesh_export(call, "defaultServiceExportTo")
    } else {
        (own, format!("annotation {EXPORT_TO}"))
    };
    if service.is_null() || is_exported(to.iter().copied(), call.namespace, call.caller_namespace()) {
        return None;
    }
    let cause = format!(
        "{} is not exported to namespace {}, so callers there in {} do not know it",
        call.name(),
        call.caller_namespace(),
        call.caller.cluster
    );
    let evidence = format!("{} is exported to [{}] by its {says}", named(service, cluster), to.join(", "));
    if says.starts_with("meshConfig") {
        let (field, config) = (says, call.caller.config);
        let remedy = format!(
            "write `mesh: {{ values: {{ {field}: [\"*\"] }} }}` in the scenario, or annotate {} with {EXPORT_TO}: \"*\"; see it: kubectl --context lab-{}-{config} -n {ROOT_NAMESPACE} get configmap istio -o yaml",
            named(service, cluster),
            call.lab
        );
        let evidence = evidence.replace("by its", "by");
        return Some(Finding { cause, evidence, remedy });
    }
    let change =
        format!("add {} to the annotation {EXPORT_TO} (\"*\" is all), in every cluster", call.caller_namespace());
    Some(call.blame(cause, evidence, service, cluster, &change))
}

/// Whether a rule names the called host among `hosts`.
pub(super) fn names_host(call: &CallFacts<'_>, rule: &Value, host: &str) -> bool {
    host_matches(host, namespace(rule), &call.host()) && !text(rule, "/metadata/name").is_empty()
}

/// A service that the mesh keeps to each cluster's own pods. The setting that names it most exactly holds.
pub(super) fn kept(call: &CallFacts<'_>) -> Option<Finding> {
    if !call.crosses_clusters() {
        return None;
    }
    let (host, config) = (call.host(), call.caller.config);
    let settings = list(&call.caller.rules.mesh, "/serviceSettings");
    let naming = settings.flat_map(|setting| {
        let hosts = texts(setting, "/hosts").into_iter().filter(|named| host_matches(named, call.namespace, &host));
        hosts.map(move |named| (named, setting["settings"]["clusterLocal"] == true))
    });
    let exactness = |(named, _): &(&str, bool)| (!named.starts_with('*'), named.len());
    let (named, _) = naming.max_by_key(exactness).filter(|(_, is_local)| *is_local)?;
    Some(Finding {
        cause: format!(
            "{} is kept to its own cluster, so {} does not answer calls from {}",
            call.name(),
            call.callee.cluster,
            call.caller.cluster
        ),
        evidence: format!("meshConfig.serviceSettings of {config} has clusterLocal for {named}"),
        remedy: format!(
            "as it must be, if that is wanted; else change `mesh: {{ values: {{ meshConfig: {{ serviceSettings: [...] }} }} }}` in the scenario; see it: kubectl --context lab-{}-{config} -n {ROOT_NAMESPACE} get configmap istio -o yaml",
            call.lab
        ),
    })
}
