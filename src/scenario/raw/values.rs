//! Istio's Helm values. What Istio would refuse of them, and what lab itself sets, is told by the file's own places.

mod known;

use serde_json::{Value as Json, json};

use crate::scenario::error::Problems;
use crate::scenario::form::{Form, Place, Written};
use crate::scenario::problem::{Problem, TopologyProblem};
use crate::scenario::read::{self, core_truth, nearest, suggested};
use crate::scenario::tree::{Entry, Node, Span, Value};

/// Values that would rename something, with what it must be called.
const NAMES: [(&[&str], &str, &str); 2] = [
    (&["revision"], "", "a lab has one control plane a cluster, without a revision: leave `revision` out"),
    (&["global", "istioNamespace"], "istio-system", "Istio is installed in `istio-system`: leave `istioNamespace` out"),
];

/// Values that lab derives for each cluster, with what the scenario says instead.
const DERIVED: [(&[&str], &str); 11] = [
    (&["global", "meshID"], "write `mesh: { id: ... }`"),
    (&["global", "network"], "write `network: ...` in the entry of the cluster"),
    (&["global", "multiCluster", "clusterName"], "write `name: ...` in the entry of the cluster"),
    (&["global", "externalIstiod"], OF_TOPOLOGY),
    (&["global", "configCluster"], OF_TOPOLOGY),
    (&["global", "remotePilotAddress"], OF_TOPOLOGY),
    (&["istiodRemote", "injectionPath"], OF_TOPOLOGY),
    (&["pilot", "env", "EXTERNAL_ISTIOD"], OF_TOPOLOGY),
    (&["pilot", "env", "LOCAL_CLUSTER_SECRET_WATCHER"], OF_TOPOLOGY),
    (&["meshConfig", "trustDomain"], "write `mesh: { trustDomain: ... }`"),
    (&["meshConfig", "defaultConfig", "proxyMetadata", "ISTIO_META_DNS_CAPTURE"], "write `mesh: { dnsCapture: true }`"),
];
const OF_TOPOLOGY: &str = "write `mesh: { topology: ... }`, and `primary: ...` in the entries of clusters";
/// Values that lab derives if a field of the mesh asks for it, with that field and what to do.
const ASKED_FOR: [(&[&str], &str, &str); 4] = [
    (&["global", "meshNetworks"], "meshNetworks", "keep `mesh: { meshNetworks: true }`"),
    (&["meshConfig", "accessLogFile"], "accessLogs", OF_LOGS),
    (&["meshConfig", "accessLogEncoding"], "accessLogs", OF_LOGS),
    (&["meshConfig", "accessLogFormat"], "accessLogs", OF_LOGS),
];
const OF_LOGS: &str =
    "keep `mesh: { accessLogs: true }`, whose lines `lab trace` reads; or keep it, and leave `accessLogs` out";

/// After so many mistakes nobody reads what one was meant to be.
const MANY: usize = 50;

/// The Helm values as the file has them.
pub(in crate::scenario) struct RawValues {
    pub value: Json,
    pub span: Span,
    /// Where they are, as `FILE:LINE:COLUMN`.
    pub at: String,
    /// Where they say what lab derives if a field of the mesh asks for it, by place in [`ASKED_FOR`].
    pub(super) said: Vec<(usize, Span)>,
}

/// Fields of one type, by type.
type Fields = &'static [(Kind, &'static str)];

/// What a value must be for Istio, which reads them as Protobuf's JSON.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Truth,
    /// A whole number, 0 or more.
    Whole,
    Number,
    /// A whole number, or text such as `25%`.
    Size,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A mapping of texts.
    Texts,
    /// A mapping of anything.
    Map,
    /// A mapping of these fields.
    Part(Fields),
    List(&'static Kind),
    Any,
}

impl Kind {
    /// What it is, for a message, and how it is written.
    fn expected(self) -> (&'static str, String) {
        match self {
            Self::Text | Self::Any => ("text", "\"1\"".to_owned()),
            Self::Truth => ("`true` or `false`", "true".to_owned()),
            Self::Whole => ("a whole number, 0 or more", "1".to_owned()),
            Self::Number => ("a number", "1.5".to_owned()),
            Self::Size => ("a whole number or a percentage", "25%".to_owned()),
            Self::Word(words) => ("one of a few words", words.last().copied().unwrap_or_default().to_owned()),
            Self::Texts => ("a mapping of texts", "{ cpu: \"1\" }".to_owned()),
            Self::Map => ("a mapping", "{ NAME: VALUE }".to_owned()),
            Self::Part(fields) => {
                let (kind, names) = fields.first().copied().unwrap_or((Self::Any, ""));
                ("a mapping", format!("{{ {}: {} }}", names.split(' ').next().unwrap_or_default(), kind.expected().1))
            }
            Self::List(kind) => ("a list", format!("[{}]", kind.expected().1)),
        }
    }
}

/// A mapping of Helm values.
pub(super) struct Values;

impl Form for Values {
    type Value = RawValues;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<RawValues> {
        let Value::Mapping(entries) = &node.value else {
            place.wrong_type(node, "a mapping", node.kind().to_owned(), problems);
            return None;
        };
        names_stay(node, problems);
        not_derived(node, problems);
        fields(entries, known::VALUES, "mesh.values", problems);
        let said = ASKED_FOR.iter().enumerate().filter_map(|(i, (path, ..))| Some((i, at(node, path)?.span))).collect();
        Some(RawValues { value: read::json(node), span: node.span, at: String::new(), said })
    }

    fn write(&self, values: RawValues) -> Written {
        Written::Free(values.value)
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

/// Refuses values that contend with what lab derives from the rest of the file.
fn not_derived(values: &Node, problems: &mut Problems) {
    for (path, instead) in DERIVED {
        if let Some(node) = at(values, path) {
            problems.add(node.span, derived(path, instead));
        }
    }
    if let Some(node) = at(values, &["profile"])
        && matches!(&node.value, Value::Scalar { text, .. } if text == "ambient")
    {
        problems.add(node.span, TopologyProblem::Ambient);
    }
}

fn derived(path: &[&str], instead: &'static str) -> TopologyProblem {
    TopologyProblem::Derived { field: format!("mesh.values.{}", path.join(".")), instead }
}

/// Refuses values beside the field of the mesh that has lab derive them.
pub(in crate::scenario) fn refuse_asked_for(values: &RawValues, field: &str, problems: &mut Problems) {
    for (i, span) in &values.said {
        let (path, by, instead) = ASKED_FOR[*i];
        if by == field {
            problems.add(*span, derived(path, instead));
        }
    }
}

/// A value that is given, and not nothing.
fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    let Some((first, rest)) = path.split_first() else {
        return Some(node).filter(|node| !matches!(node.value, Value::Null));
    };
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    at(&entries.iter().find(|e| e.key.value == *first)?.value, rest)
}

/// Looks at the fields of a mapping that is called `path`.
fn fields(entries: &[Entry], known: Fields, path: &str, problems: &mut Problems) {
    for Entry { key, value } in entries {
        let kind = known.iter().find(|(_, names)| names.split(' ').any(|name| name == key.value));
        if let Some((kind, _)) = kind {
            look(value, *kind, &format!("{path}.{}", key.value), &key.value, problems);
            continue;
        }
        let mut names: Vec<&str> = known.iter().flat_map(|(_, names)| names.split(' ')).collect();
        names.sort_unstable();
        // Comparing words takes time.
        let near = nearest(&key.value, names.iter().copied().filter(|_| problems.count() < MANY));
        let help = suggested(near, &names, "Istio knows");
        let (field, of) = (key.value.clone(), format!("`{path}`"));
        problems.add(key.span, Problem::UnknownField { field, of, help });
    }
}

/// Looks at a value that is called `path`, and belongs to the field `key`.
fn look(node: &Node, kind: Kind, path: &str, key: &str, problems: &mut Problems) {
    let fits = match (&node.value, kind) {
        // Nothing leaves what is there.
        (Value::Null, _)
        | (_, Kind::Any)
        | (Value::Mapping(_), Kind::Map)
        | (Value::Scalar { plain: false, .. }, Kind::Text | Kind::Size) => true,
        (Value::Mapping(entries), Kind::Part(known)) => {
            fields(entries, known, path, problems);
            true
        }
        (Value::Mapping(entries), Kind::Texts) => {
            for Entry { key: name, value } in entries {
                look(value, Kind::Text, &format!("{path}.{}", name.value), &name.value, problems);
            }
            true
        }
        (Value::Sequence(items), Kind::List(kind)) => {
            for (i, item) in items.iter().enumerate() {
                look(item, *kind, &format!("{path}[{i}]"), key, problems);
            }
            true
        }
        (Value::Scalar { plain: true, .. }, Kind::Text) => read::json(node).is_string(),
        (Value::Scalar { plain: true, text }, Kind::Size) => core_truth(text).is_none(),
        (Value::Scalar { plain: true, text }, Kind::Truth) => core_truth(text).is_some(),
        // Protobuf's JSON takes numbers as text, too.
        (Value::Scalar { text, .. }, Kind::Whole) => {
            text.parse::<f64>().is_ok_and(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&n))
        }
        (Value::Scalar { text, .. }, Kind::Number) => text.parse::<f64>().is_ok(),
        (Value::Scalar { text, .. }, Kind::Word(words)) => {
            if !words.contains(&text.as_str()) {
                let help = read::suggestion(text, words, "Istio knows");
                problems.add(node.span, Problem::UnknownValue { what: "value", value: text.clone(), help });
            }
            true
        }
        _ => false,
    };
    if !fits {
        let (expected, example) = kind.expected();
        let found = match &node.value {
            Value::Scalar { text, plain: true } => format!("`{text}`"),
            Value::Scalar { text, .. } => format!("the text \"{text}\""),
            _ => node.kind().to_owned(),
        };
        let example = if path.ends_with(']') { format!("{key}: [{example}]") } else { format!("{key}: {example}") };
        let what = format!("`{path}`");
        problems.add(node.span, Problem::WrongType { what, expected, found, example });
    }
}
