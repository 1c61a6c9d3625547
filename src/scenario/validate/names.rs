//! Rules for names, which come from what is made of them: host names, container names, Kubernetes labels, certificates.

use std::collections::BTreeMap;

use super::{Draft, Located, NameProblem, Problems};
use crate::scenario::model::Cluster;

/// A lab's name and a cluster's make a host name together with `-control-plane`, of at most 63 characters.
const MAX_LAB_NAME: usize = 30;
const MAX_CLUSTER_NAME: usize = 24;
const MAX_VERSION: usize = 20;
/// RFC 1123 for host name labels, and Kubernetes for label values.
const MAX_LABEL: usize = 63;
/// RFC 1035 for a whole name.
const MAX_DNS_NAME: usize = 253;

/// Checks a lab's name.
pub(super) fn lab(name: &Located<String>, problems: &mut Problems) -> bool {
    dns_label("lab name", name, MAX_LAB_NAME, problems)
}

/// Checks all clusters' names, alone, against each other and with the lab's name.
pub(super) fn clusters(lab: Option<&Located<String>>, drafts: &[Draft], problems: &mut Problems) {
    let mut seen = BTreeMap::new();
    // A name that is missing is recorded already.
    for name in drafts.iter().map(|d| &d.name).filter(|n| n.span.end > 0) {
        if !dns_label("cluster name", name, MAX_CLUSTER_NAME, problems) {
            continue;
        }
        if let Some(first) = seen.insert(&name.value, name.span) {
            let problem = NameProblem::DuplicateCluster { name: name.value.clone() };
            problems.add(name.span, problem).also(first, "first used here");
        }
        let Some(lab) = lab else { continue };
        let node = Cluster::control_plane_node(&Cluster::kind_name(&lab.value, &name.value));
        let length = node.len();
        if length > MAX_LABEL {
            problems.add(name.span, NameProblem::NodeTooLong { node, length, excess: length - MAX_LABEL });
        }
    }
}

/// Checks a version of an app, which becomes part of a Deployment's name.
pub(super) fn version(version: &Located<String>, problems: &mut Problems) -> bool {
    dns_label("version", version, MAX_VERSION, problems)
}

/// Checks a DNS label of limited length.
pub(super) fn dns_label(what: &'static str, name: &Located<String>, limit: usize, problems: &mut Problems) -> bool {
    let length = name.value.chars().count();
    if !is_dns_label(&name.value) {
        let suggestion = suggestion(&name.value, limit).map_or_else(String::new, |s| format!(", such as `{s}`"));
        problems.add(name.span, NameProblem::NotDnsLabel { what, name: name.value.clone(), suggestion });
        return false;
    }
    if length > limit {
        problems.add(name.span, NameProblem::TooLong { what, name: name.value.clone(), length, limit });
        return false;
    }
    true
}

/// RFC 1123, without the length.
pub(in crate::scenario) fn is_dns_label(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The label that a name was probably meant to be; none for letters that labels do not have.
fn suggestion(name: &str, limit: usize) -> Option<String> {
    if !name.is_ascii() {
        return None;
    }
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    Some(words.join("-")).filter(|s| !s.is_empty() && s.len() <= limit)
}

/// Checks the value of a Kubernetes label, and gives it back.
pub(super) fn label_value(what: &'static str, value: Located<String>, problems: &mut Problems) -> String {
    let text = &value.value;
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let end = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let valid =
        text.len() <= MAX_LABEL && text.bytes().all(inner) && end(text.bytes().next()) && end(text.bytes().next_back());
    if !valid {
        problems.add(value.span, NameProblem::NotLabelValue { what, value: text.clone() });
    }
    value.value
}

/// Checks a DNS name of one label or more.
pub(super) fn dns_name(name: &Located<String>, problems: &mut Problems) {
    let label = |l: &str| is_dns_label(l) && l.len() <= MAX_LABEL;
    if name.value.len() > MAX_DNS_NAME || !name.value.split('.').all(label) {
        problems.add(name.span, NameProblem::NotDnsName { value: name.value.clone() });
    }
}

/// Checks `HOST:PORT`.
pub(super) fn mirror(mirror: &Located<String>, problems: &mut Problems) {
    let valid = mirror.value.rsplit_once(':').is_some_and(|(host, port)| {
        host.split('.').all(is_dns_label) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !valid {
        problems.add(mirror.span, NameProblem::NotMirror { value: mirror.value.clone() });
    }
}

/// Whether a lab may have this name.
pub(in crate::scenario) fn is_lab_name(name: &str) -> bool {
    is_dns_label(name) && name.chars().count() <= MAX_LAB_NAME
}
