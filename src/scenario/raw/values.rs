//! Istio's Helm values: free-form, but for names by which lab finds what it has installed.

use serde_json::{Value as Json, json};

use crate::scenario::error::Problems;
use crate::scenario::form::{Form, Place, Written};
use crate::scenario::problem::TopologyProblem;
use crate::scenario::read;
use crate::scenario::tree::{Node, Value};

/// Values that would rename something, with what it must be called.
const NAMES: [(&[&str], &str, &str); 2] = [
    (&["revision"], "", "a lab has one control plane a cluster, without a revision: leave `revision` out"),
    (&["global", "istioNamespace"], "istio-system", "Istio is installed in `istio-system`: leave `istioNamespace` out"),
];

/// A mapping of Helm values.
pub(super) struct Values;

impl Form for Values {
    type Value = Json;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Json> {
        if !matches!(node.value, Value::Mapping(_)) {
            place.wrong_type(node, "a mapping", node.kind().to_owned(), problems);
            return None;
        }
        names_stay(node, problems);
        Some(read::json(node))
    }

    fn write(&self, values: Json) -> Written {
        Written::Free(values)
    }

    fn schema(&self) -> Json {
        json!({ "type": "object" })
    }
}

/// Refuses values that would rename what lab finds by name: it would install the one, and wait for the other.
fn names_stay(values: &Node, problems: &mut Problems) {
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
    let Some((first, rest)) = path.split_first() else {
        return Some(node);
    };
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    at(&entries.iter().find(|e| e.key.value == *first)?.value, rest)
}
