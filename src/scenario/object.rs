//! What a Kubernetes object must be, whoever reads it: who it is, its names and labels, and for the kinds of Kubernetes itself every field and its type.
//! The API server would say the same, when everything else has been built.

mod kinds;
mod metadata;
mod typed;

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::read::{nearest, suggested};
use super::tree::{Node, Span, Value};

/// What makes two objects the same: API group, kind, namespace and name.
pub(super) type Identity = (String, String, String, String);

/// Kinds without a namespace, of Kubernetes itself and of what meshes use. A kind that is not here may still have none: the cluster then ignores the namespace.
const CLUSTER_KINDS: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CertificateSigningRequest",
    "ClusterIssuer",
    "ClusterOverridePolicy",
    "ClusterPropagationPolicy",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTaintPolicy",
    "CustomResourceDefinition",
    "FlowSchema",
    "GatewayClass",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "WorkloadRebalancer",
];

/// Whether objects of a kind have no namespace.
pub(super) fn is_of_cluster(kind: &str) -> bool {
    CLUSTER_KINDS.contains(&kind)
}

/// The identity of an object, or what it lacks.
pub(super) fn identity(value: &Json) -> Result<Identity, &'static str> {
    let Json::Object(fields) = value else {
        return Err("it is no mapping");
    };
    let text = |value: Option<&Json>, absent, other| match value {
        Some(Json::String(text)) if !text.is_empty() => Ok(text.clone()),
        None | Some(Json::Null | Json::String(_)) => Err(absent),
        Some(_) => Err(other),
    };
    let version = text(fields.get("apiVersion"), "it has no apiVersion", "its apiVersion is no text")?;
    let kind = text(fields.get("kind"), "it has no kind", "its kind is no text")?;
    let metadata = fields.get("metadata");
    let name = text(
        metadata.and_then(|m| m.get("name")),
        "it has no metadata.name",
        "its metadata.name is no text: quote what looks like a number",
    )?;
    let namespace = match metadata.and_then(|m| m.get("namespace")) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(namespace)) => namespace.clone(),
        Some(_) => return Err("its metadata.namespace is no text: quote what looks like a number"),
    };
    let namespace = match (is_of_cluster(&kind), namespace.as_str()) {
        (true, _) => String::new(),
        (false, "") => "default".to_owned(),
        (false, _) => namespace,
    };
    Ok((group(&version).to_owned(), kind, namespace, name))
}

/// An object for a message.
pub(super) fn describe((_, kind, namespace, name): &Identity) -> String {
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// The group of an API version; nothing for Kubernetes' first one.
fn group(version: &str) -> &str {
    version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// A step on the way from an object to something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Something that no API server takes.
#[derive(Debug)]
pub(super) struct Fault {
    /// Kind and name of the object.
    pub object: String,
    pub path: Vec<Step>,
    /// Whether it is the last key of the path, rather than its value.
    pub is_key: bool,
    /// What is wrong, in words that follow the object.
    pub what: String,
    /// What to write.
    pub help: String,
}

/// Everything that is wrong with an object; nothing if it has no identity, which is told elsewhere.
pub(super) fn faults(object: &Json) -> Vec<Fault> {
    let Ok((_, kind, _, name)) = identity(object) else {
        return Vec::new();
    };
    let (kind, version) = (kind.as_str(), object["apiVersion"].as_str().unwrap_or_default());
    let looker = typed::Looker::new(format!("{} {}", quoted(kind), quoted(&name)));
    let at = |key: &str| vec![Step::Key(key.to_owned())];
    if !metadata::is_api_version(version) {
        let help = "write `GROUP/VERSION`, or only the version, such as `apps/v1` or `v1`".to_owned();
        looker.add(at("apiVersion"), false, format!("`{}` is no API version", quoted(version)), help);
        return looker.found();
    }
    if !metadata::is_kind(kind) {
        let help = "write letters and digits, such as `ConfigMap`".to_owned();
        looker.add(at("kind"), false, format!("`{}` is no kind", quoted(kind)), help);
        return looker.found();
    }
    match kinds::of(version, kind) {
        kinds::Known::As(look) => look(object, &looker),
        kinds::Known::Otherwise { key, instead } => {
            let help = format!("write `{key}: {instead}`");
            looker.add(at(key), false, format!("Kubernetes has no {kind} of {version}"), help);
        }
        kinds::Known::Not => typed::metadata(object, &looker),
    }
    metadata::names(object, kind, &looker);
    looker.found()
}

/// A path as people write it.
fn written(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        // Writing to a string cannot fail.
        _ = match step {
            Step::Index(i) => write!(out, "[{i}]"),
            Step::Key(key) if key.contains(['.', '/', ' ']) => write!(out, "[\"{key}\"]"),
            Step::Key(key) if out.is_empty() => write!(out, "{key}"),
            Step::Key(key) => write!(out, ".{key}"),
        };
    }
    out
}

/// Longest text that a message quotes, in characters.
const MAX_QUOTED: usize = 60;

/// Text of a file for a message: on one line, and not longer than is read.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Help for a word that is none of those known.
fn meant(word: &str, known: &[&str]) -> String {
    suggested(nearest(word, known.iter().copied()), known, "it has")
}

/// Where the end of a path is written, or as much of it as is there.
pub(super) fn place(node: &Node, path: &[Step], is_key: bool) -> Span {
    let Some((step, rest)) = path.split_first() else {
        return node.span;
    };
    match (&node.value, step) {
        (Value::Mapping(entries), Step::Key(key)) => match entries.iter().find(|e| e.key.value == *key) {
            Some(entry) if rest.is_empty() && is_key => entry.key.span,
            Some(entry) => place(&entry.value, rest, is_key),
            None => node.span,
        },
        (Value::Sequence(items), Step::Index(i)) => items.get(*i).map_or(node.span, |item| place(item, rest, is_key)),
        _ => node.span,
    }
}
