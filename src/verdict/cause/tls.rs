//! Mutual TLS: what the caller sends against what the called pod takes. The caller's control plane decides the first by the rules of its own
//! cluster, the callee's the second by those of its own, and these are not the same objects.

use serde_json::Value;

use super::object::{has_labels, is_seen, list, named, namespace, text};
use super::scope::names_host;
use super::sides::has_sidecar;
use super::{CallFacts, Finding, ROOT_NAMESPACE, Side};

/// A `PeerAuthentication` that decides the mode of a pod's port.
struct Decision<'a> {
    mode: &'a str,
    policy: &'a Value,
    field: String,
    cluster: &'a str,
}

/// What decides how a pod takes connections on a port, as the control plane of `rules` sees it; none where nothing is said, which is both.
fn decision<'a>(side: &Side<'a>, pod: &Value, port: u16) -> Option<Decision<'a>> {
    let of = |namespace: &str, selecting: bool| {
        let policies = side.rules.of("PeerAuthentication").filter(move |p| self::namespace(p) == namespace);
        let mut policies: Vec<&'a Value> = policies
            .filter(|p| {
                let labels = &p["spec"]["selector"]["matchLabels"];
                labels.as_object().is_some_and(|l| !l.is_empty()) == selecting && has_labels(pod, labels)
            })
            .collect();
        // Of several the oldest holds.
        policies.sort_by_key(|p| text(p, "/metadata/creationTimestamp"));
        policies.into_iter().next()
    };
    let is_set = |mode: &&str| !mode.is_empty() && *mode != "UNSET";
    let own = of(namespace(pod), true);
    let key = port.to_string();
    if let Some(policy) = own
        && let Some(mode) = policy["spec"]["portLevelMtls"][&key]["mode"].as_str().filter(is_set)
    {
        return Some(Decision { mode, policy, field: format!("spec.portLevelMtls[{key}].mode"), cluster: side.config });
    }
    let levels = [own, of(namespace(pod), false), of(ROOT_NAMESPACE, false)];
    levels.into_iter().flatten().find_map(|policy| {
        let mode = policy["spec"]["mtls"]["mode"].as_str().filter(is_set)?;
        Some(Decision { mode, policy, field: "spec.mtls.mode".to_owned(), cluster: side.config })
    })
}

impl Decision<'_> {
    fn evidence(&self) -> String {
        format!("{} has {} {}", named(self.policy, self.cluster), self.field, self.mode)
    }
}

/// What the caller's Envoy is told about TLS by a `DestinationRule`: mode, rule and field.
fn told<'a>(call: &CallFacts<'a>) -> Option<(&'a str, &'a Value, String)> {
    let rule = destination_rules(call).into_iter().next()?;
    let policy = &rule["spec"]["trafficPolicy"];
    let of_port = list(policy, "/portLevelSettings").find(|p| p["port"]["number"] == call.port);
    let (settings, field) = match of_port {
        Some(of_port) => (of_port, format!("spec.trafficPolicy.portLevelSettings[port {}].tls.mode", call.port)),
        None => (policy, "spec.trafficPolicy.tls.mode".to_owned()),
    };
    // What a subset says instead counts where calls go to subsets.
    let subset = || {
        let told = |s: &'a Value| Some((s["trafficPolicy"]["tls"]["mode"].as_str()?, text(s, "/name")));
        let (mode, name) = list(rule, "/spec/subsets").find_map(told)?;
        Some((mode, format!("spec.subsets[{name}].trafficPolicy.tls.mode")))
    };
    // DISABLE is the default of the field where there is a `tls` at all.
    let own = settings["tls"].is_object().then(|| (settings["tls"]["mode"].as_str().unwrap_or("DISABLE"), field));
    own.or_else(subset).map(|(mode, field)| (mode, rule, field))
}

/// The rules for the called host that hold for the caller, the most exact first: those of its own namespace, else those of the service's, else
/// those of the mesh.
pub(super) fn destination_rules<'a>(call: &CallFacts<'a>) -> Vec<&'a Value> {
    let is_for = |rule: &&Value| {
        let selector = &rule["spec"]["workloadSelector"]["matchLabels"];
        names_host(call, rule, text(rule, "/spec/host"))
            && is_seen(call, rule, "defaultDestinationRuleExportTo")
            && has_labels(call.caller.pod, selector)
    };
    for place in [call.caller_namespace(), call.namespace, ROOT_NAMESPACE] {
        let rules = call.caller.rules.of("DestinationRule").filter(|r| namespace(r) == place);
        let mut rules: Vec<&Value> = rules.filter(is_for).collect();
        rules.sort_by_key(|r| (text(r, "/spec/host").starts_with('*'), text(r, "/metadata/creationTimestamp")));
        if !rules.is_empty() {
            return rules;
        }
    }
    Vec::new()
}

/// A `DestinationRule` by which calls do not go as mutual TLS, where nothing else is let in.
pub(super) fn destination_rule(call: &CallFacts<'_>) -> Option<Finding> {
    let (mode, rule, field) = told(call)?;
    let takes = decision(&call.callee, call.callee.pod, call.target_port()?);
    let strict = takes.as_ref().is_some_and(|t| t.mode == "STRICT");
    let config = call.caller.config;
    let (sent, why) = match mode {
        "DISABLE" if call.crosses_networks() => {
            ("in plain text", "a gateway between networks lets only mutual TLS through".to_owned())
        }
        "DISABLE" if strict => ("in plain text", takes.map(|t| t.evidence()).unwrap_or_default()),
        "SIMPLE" | "MUTUAL" if call.crosses_networks() => (
            "as TLS of another kind",
            "a gateway between networks lets only the mesh's own mutual TLS through".to_owned(),
        ),
        "SIMPLE" | "MUTUAL" if has_sidecar(call.callee.pod) => (
            "as TLS of another kind",
            format!("the sidecars in {} expect the mesh's own mutual TLS, or plain text", call.callee.cluster),
        ),
        "ISTIO_MUTUAL" if !has_sidecar(call.callee.pod) => {
            ("as mutual TLS", format!("the pods in {} have no sidecar", call.callee.cluster))
        }
        _ => return None,
    };
    Some(call.blame(
        format!(
            "a DestinationRule has callers in {} send {sent} to {}, which {} does not take",
            call.caller.cluster,
            call.name(),
            call.callee.cluster
        ),
        format!("{} has {field} {mode}; {why}", named(rule, config)),
        rule,
        config,
        &format!("leave {field} out, or set it to ISTIO_MUTUAL"),
    ))
}

/// Rules of peer authentication by which one side sends what the other does not take.
pub(super) fn peer_authentication(call: &CallFacts<'_>) -> Option<Finding> {
    let port = call.target_port()?;
    let pod = call.callee.pod;
    let takes = decision(&call.callee, pod, port);
    let assumes = decision(&call.caller, pod, port);
    let is = |decision: &Option<Decision<'_>>, mode: &str| decision.as_ref().is_some_and(|d| d.mode == mode);
    let rule = told(call);
    let automatic = call.caller.rules.mesh["enableAutoMtls"] != false;
    let sends_tls = match &rule {
        Some((mode, ..)) => *mode == "ISTIO_MUTUAL",
        None => automatic && has_sidecar(call.caller.pod) && has_sidecar(pod) && !is(&assumes, "DISABLE"),
    };
    let (from, to, name) = (call.caller.cluster, call.callee.cluster, call.name());
    if sends_tls && is(&takes, "DISABLE") {
        let takes = takes?;
        let because = match (&rule, &assumes) {
            (Some((_, rule, field)), _) => format!("{} has {field} ISTIO_MUTUAL", named(rule, call.caller.config)),
            (None, Some(assumes)) => assumes.evidence(),
            (None, None) => format!(
                "no PeerAuthentication in {} says so to the control plane of {from}, which assumes mutual TLS",
                call.caller.config
            ),
        };
        return Some(call.blame(
            format!("PeerAuthentication: {to} takes only plain text on port {port} of {name}, and callers in {from} send mutual TLS"),
            format!("{}; {because}", takes.evidence()),
            takes.policy,
            takes.cluster,
            &format!("set {} to STRICT or PERMISSIVE{}", takes.field, if call.crosses_networks() {
                " (a gateway between networks lets only mutual TLS through)".to_owned()
            } else {
                format!(", or make the same object in {}", call.caller.config)
            }),
        ));
    }
    if sends_tls || rule.is_some() {
        return None;
    }
    let plain = match &assumes {
        Some(assumes) if assumes.mode == "DISABLE" => assumes.evidence(),
        _ if !automatic => format!("meshConfig.enableAutoMtls is false in {}", call.caller.config),
        _ => return None,
    };
    let refused = if call.crosses_networks() {
        "a gateway between networks lets only mutual TLS through, so the endpoint is left out".to_owned()
    } else if is(&takes, "STRICT") {
        takes.as_ref().map(Decision::evidence)?
    } else {
        return None;
    };
    let cause = format!(
        "PeerAuthentication: the control plane of {from} takes {name} for plain text, which does not reach {to}"
    );
    let evidence = format!("{plain}; {refused}");
    match &assumes {
        Some(assumes) if assumes.mode == "DISABLE" => Some(call.blame(
            cause,
            evidence,
            assumes.policy,
            assumes.cluster,
            &format!("set {} to STRICT or PERMISSIVE", assumes.field),
        )),
        _ => Some(Finding {
            cause: cause.replace("PeerAuthentication: ", ""),
            evidence,
            remedy: format!(
                "write `mesh: {{ values: {{ meshConfig: {{ enableAutoMtls: true }} }} }}` in the scenario; see it: kubectl --context lab-{}-{} -n {ROOT_NAMESPACE} get configmap istio -o yaml",
                call.lab, call.caller.config
            ),
        }),
    }
}

/// A caller outside the mesh, which can neither send mutual TLS nor be led to another cluster.
pub(super) fn bare_caller(call: &CallFacts<'_>) -> Option<Finding> {
    if call.caller.pod.is_null() || has_sidecar(call.caller.pod) {
        return None;
    }
    let takes = call.target_port().and_then(|port| decision(&call.callee, call.callee.pod, port));
    let pod = named(call.caller.pod, call.caller.cluster);
    let remedy = format!(
        "label its namespace istio-injection=enabled and restart the pod: kubectl --context lab-{}-{} -n {} delete pod {}",
        call.lab,
        call.caller.cluster,
        call.caller_namespace(),
        text(call.caller.pod, "/metadata/name")
    );
    if call.crosses_clusters() {
        return Some(Finding {
            cause: format!(
                "the caller in {} has no sidecar, so it reaches only what its own cluster runs",
                call.caller.cluster
            ),
            evidence: format!("{pod} has no container istio-proxy, and {} is another cluster", call.callee.cluster),
            remedy,
        });
    }
    let takes = takes.filter(|t| t.mode == "STRICT")?;
    Some(Finding {
        cause: format!(
            "the caller in {} has no sidecar, and {} takes only mutual TLS",
            call.caller.cluster,
            call.name()
        ),
        evidence: format!("{pod} has no container istio-proxy; {}", takes.evidence()),
        remedy,
    })
}
