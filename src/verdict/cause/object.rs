//! Kubernetes objects as JSON: names, labels, hosts, and who may see what.

use serde_json::Value;

use super::CallFacts;

/// `Kind namespace/name in cluster`.
pub(super) fn named(object: &Value, cluster: &str) -> String {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    match namespace(object) {
        "" => format!("{kind} {name} in {cluster}"),
        namespace => format!("{kind} {namespace}/{name} in {cluster}"),
    }
}

/// The command that shows an object.
pub(super) fn kubectl(lab: &str, cluster: &str, object: &Value) -> String {
    let mut kind = text(object, "/kind").to_lowercase();
    // A Gateway is two things, of Istio and of the Gateway API.
    if let Some((group, _)) = text(object, "/apiVersion").split_once('/').filter(|_| kind == "gateway") {
        kind = format!("{kind}.{group}");
    }
    let name = text(object, "/metadata/name");
    let place = match namespace(object) {
        "" => String::new(),
        namespace => format!(" -n {namespace}"),
    };
    format!("kubectl --context lab-{lab}-{cluster}{place} get {kind} {name} -o yaml")
}

pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// The elements of a list; of one that is absent, none.
pub(super) fn list<'v>(object: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The strings of a list.
pub(super) fn texts<'v>(object: &'v Value, pointer: &str) -> Vec<&'v str> {
    list(object, pointer).filter_map(Value::as_str).collect()
}

/// Whether a pod has all these labels. Without labels every pod has them.
pub(super) fn has_labels(pod: &Value, wanted: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    wanted.as_object().is_none_or(|wanted| wanted.iter().all(|(key, value)| &labels[key] == value))
}

/// Whether a Kubernetes label selector takes an object with these labels.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let expressions = list(selector, "/matchExpressions").all(|e| {
        let found = labels[text(e, "/key")].as_str();
        let among = found.is_some_and(|found| texts(e, "/values").contains(&found));
        match text(e, "/operator") {
            "In" => among,
            "NotIn" => !among,
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    });
    let equal = selector["matchLabels"].as_object();
    expressions && equal.is_none_or(|equal| equal.iter().all(|(key, value)| &labels[key] == value))
}

/// Whether a host of Istio's configuration, which may have a wildcard, names this full name. A name without a dot is of the namespace of its
/// object.
pub(super) fn host_matches(pattern: &str, namespace: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => host.ends_with(end),
        None if pattern.contains('.') => pattern == host,
        None => format!("{pattern}.{namespace}.svc.cluster.local") == host,
    }
}

/// Whether an object of a namespace that is exported to these namespaces is seen in `viewer`. `.` is its own, `*` all, `~` none.
pub(super) fn is_exported<'s>(to: impl IntoIterator<Item = &'s str>, namespace: &str, viewer: &str) -> bool {
    to.into_iter().any(|to| to == "*" || to == viewer || (to == "." && namespace == viewer))
}

/// Where a rule of Istio is exported to: what it says, else what the mesh says, and who says so.
pub(super) fn export<'v>(call: &CallFacts<'v>, rule: &'v Value, default: &str) -> (Vec<&'v str>, String) {
    let own = texts(rule, "/spec/exportTo");
    if own.is_empty() { mesh_export(call, default) } else { (own, "spec.exportTo".to_owned()) }
}

/// What the mesh says about objects that do not say it.
pub(super) fn mesh_export<'v>(call: &CallFacts<'v>, default: &str) -> (Vec<&'v str>, String) {
    let to = texts(&call.caller.rules.mesh, &format!("/{default}"));
    (if to.is_empty() { vec!["*"] } else { to }, format!("meshConfig.{default}"))
}

/// Whether a rule is seen where the caller is.
pub(super) fn is_seen(call: &CallFacts<'_>, rule: &Value, default: &str) -> bool {
    is_exported(export(call, rule, default).0, namespace(rule), call.caller_namespace())
}
