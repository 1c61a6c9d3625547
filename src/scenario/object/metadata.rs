//! Kubernetes' rules for names, labels and annotations: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/> and
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>.

use serde_json::{Map, Value as Json};

use super::typed::Looker;
use super::{Step, quoted};
use crate::scenario::validate::names::is_dns_label;

/// RFC 1123 for labels of host names, Kubernetes for the parts of labels.
const MAX_LABEL: usize = 63;
/// RFC 1123 for whole names.
const MAX_NAME: usize = 253;
/// Most bytes of all annotations of an object.
const MAX_ANNOTATIONS: usize = 256 << 10;

const LABEL: &str =
    "a name has at most 63 lower-case letters, digits and `-`, and begins and ends with a letter or a digit";
const SUBDOMAIN: &str =
    "a name has at most 253 lower-case letters, digits, `-` and `.`, and begins and ends with a letter or a digit";
const KEY: &str = "a key has at most 63 letters, digits, `-`, `_` and `.`, begins and ends with a letter or a digit, and may have a domain and `/` before it";
const VALUE: &str =
    "a value has at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or a digit";

fn is_label(name: &str) -> bool {
    is_dns_label(name) && name.len() <= MAX_LABEL
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('.').all(is_dns_label)
}

/// Letters, digits and some signs that do not stand at an end.
fn is_word(text: &str) -> bool {
    let end = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && end(text.bytes().next())
        && end(text.bytes().next_back())
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_word(name),
        None => is_word(key),
    }
}

/// `VERSION` or `GROUP/VERSION`.
pub(super) fn is_api_version(text: &str) -> bool {
    match text.split_once('/') {
        Some((group, version)) => is_subdomain(group) && is_label(version),
        None => is_label(text),
    }
}

/// A name of a kind.
pub(super) fn is_kind(kind: &str) -> bool {
    kind.len() <= MAX_LABEL
        && kind.starts_with(|c: char| c.is_ascii_alphabetic())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Looks at the name and the namespace of an object.
pub(super) fn names(object: &Json, kind: &str, looker: &Looker) {
    let rule: (fn(&str) -> bool, &str) = match kind {
        "Namespace" | "Service" => (is_label, LABEL),
        // They are parts of a path of the API, and nothing else.
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "CertificateSigningRequest" => (
            |name| !matches!(name, "." | "..") && !name.contains(['/', '%']) && !name.contains(char::is_control),
            "a name has no `/` and no `%`",
        ),
        _ => (is_subdomain, SUBDOMAIN),
    };
    for (key, (is_right, help)) in [("name", rule), ("namespace", (is_label as fn(&str) -> bool, LABEL))] {
        let Some(text) = object["metadata"][key].as_str().filter(|text| !text.is_empty()) else { continue };
        if !is_right(text) {
            let path = ["metadata", key].map(|key| Step::Key(key.to_owned()));
            looker.add(path.into(), false, format!("`{}` is no {key} of a {kind}", quoted(text)), help.to_owned());
        }
    }
}

/// Looks at the labels and annotations of metadata, to which the looker has come.
pub(super) fn look(metadata: &Map<String, Json>, looker: &Looker) {
    labels(metadata, "labels", looker);
    let Some(Json::Object(annotations)) = metadata.get("annotations") else { return };
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.as_str().map_or(0, str::len);
        // Kubernetes looks at them as if they were in lower case.
        if !is_key(&key.to_ascii_lowercase()) {
            looker.add_below(
                &["annotations", key],
                true,
                format!("`{}` is no key of an annotation", quoted(key)),
                KEY.to_owned(),
            );
        }
    }
    if size > MAX_ANNOTATIONS {
        let help = "put it into a ConfigMap".to_owned();
        looker.add_below(
            &["annotations"],
            true,
            format!("its annotations are larger than {} KiB", MAX_ANNOTATIONS >> 10),
            help,
        );
    }
}

/// Looks at the labels in a field of what the looker has come to.
pub(super) fn labels(of: &Map<String, Json>, field: &str, looker: &Looker) {
    let Some(Json::Object(labels)) = of.get(field) else { return };
    for (key, value) in labels {
        if !is_key(key) {
            looker.add_below(&[field, key], true, format!("`{}` is no key of a label", quoted(key)), KEY.to_owned());
        }
        if let Some(text) = value.as_str().filter(|text| !text.is_empty() && !is_word(text)) {
            looker.add_below(
                &[field, key],
                false,
                format!("`{}` is no value of a label", quoted(text)),
                VALUE.to_owned(),
            );
        }
    }
}
