//! Istio's Helm values: free-form, but for names by which lab finds what it has installed.

use crate::scenario::error::Problems;
use crate::scenario::problem::TopologyProblem;
use crate::scenario::tree::{Node, Value};

/// Values that would rename something, with what it must be called.
const NAMES: [(&[&str], &str, &str); 2] = [
    (&["revision"], "", "a lab has one control plane a cluster, without a revision: leave `revision` out"),
    (&["global", "istioNamespace"], "istio-system", "Istio is installed in `istio-system`: leave `istioNamespace` out"),
];

/// Refuses values that would rename what lab finds by name: it would install the one, and wait for the other.
pub(super) fn names_stay(values: &Node, problems: &mut Problems) {
    for (path, name, remedy) in NAMES {
        if let Some(node) = at(values, path)
            && let Value::Scalar { text, .. } = &node.value
            && text != name
        {
            let field = format!("mesh.values.{}", path.join("."));
            problems.add(node.span, TopologyProblem::Renamed { field, found: text.clone(), remedy });
        }
    }
}

fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    let Some((first, rest)) = path.split_first() else { return Some(node) };
    let Value::Mapping(entries) = &node.value else { return None };
    at(&entries.iter().find(|e| e.key.value == *first)?.value, rest)
}
