//! Values of several parts.

use serde_json::{Value as Json, json};

use super::{Form, LABEL, Names, Pairwise, Place, Text, Written, shown};
use crate::scenario::error::Problems;
use crate::scenario::read::core_truth;
use crate::scenario::tree::{Located, Node, Span, Value};

/// A list.
pub(in crate::scenario) struct List<F> {
    of: F,
    /// Whether it cannot be read when one of its items cannot.
    is_whole: bool,
}

impl<F> List<F> {
    /// A list about which rules would tell what is not so, if an item were left out.
    pub(in crate::scenario) const fn whole(of: F) -> Self {
        Self { of, is_whole: true }
    }

    /// A list whose items say nothing of each other: those that cannot be read are left out.
    pub(in crate::scenario) const fn each(of: F) -> Self {
        Self { of, is_whole: false }
    }
}

impl<F: Form> Form for List<F> {
    type Value = Located<Vec<F::Value>>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Self::Value> {
        let Value::Sequence(items) = &node.value else {
            place.wrong_type(node, "a list", node.kind().to_owned(), problems);
            return None;
        };
        let place = place.inner(format!("an entry of {}", place.what));
        let value: Vec<_> = items.iter().filter_map(|item| self.of.read(item, &place, problems)).collect();
        (!self.is_whole || value.len() == items.len()).then_some(Located { value, span: node.span })
    }

    fn write(&self, list: Self::Value) -> Written {
        Written::List(list.value.into_iter().map(|item| self.of.write(item)).collect())
    }

    fn schema(&self) -> Json {
        json!({ "type": "array", "items": self.of.schema() })
    }
}

/// One value, or a list of them.
pub(in crate::scenario) struct OneOrMore<F>(pub F);

impl<F: Form> Form for OneOrMore<F> {
    type Value = Located<Vec<F::Value>>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Self::Value> {
        let items = if let Value::Sequence(items) = &node.value { &items[..] } else { std::slice::from_ref(node) };
        let value = items.iter().map(|item| self.0.read(item, place, problems)).collect::<Option<_>>()?;
        Some(Located { value, span: node.span })
    }

    fn write(&self, values: Self::Value) -> Written {
        let mut written: Vec<Written> = values.value.into_iter().map(|value| self.0.write(value)).collect();
        if written.len() == 1 { written.remove(0) } else { Written::List(written) }
    }

    fn schema(&self) -> Json {
        let of = self.0.schema();
        json!({ "anyOf": [of, { "type": "array", "items": of }] })
    }
}

/// A mapping from names of the user's choice. It cannot be read when one of its values cannot.
pub(in crate::scenario) struct Pairs<F>(pub F);

impl<F: Form> Form for Pairs<F> {
    type Value = Pairwise<F::Value>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Self::Value> {
        let Value::Mapping(entries) = &node.value else {
            place.wrong_type(node, "a mapping", node.kind().to_owned(), problems);
            return None;
        };
        let pairs: Vec<Option<_>> = entries
            .iter()
            .map(|entry| {
                let place = place.inner(format!("`{}` of {}", entry.key.value, place.what));
                Some((entry.key.clone(), self.0.read(&entry.value, &place, problems)?))
            })
            .collect();
        Some(Located { value: pairs.into_iter().collect::<Option<_>>()?, span: node.span })
    }

    fn write(&self, pairs: Self::Value) -> Written {
        let fields = pairs.value.into_iter().map(|(key, value)| (key.value, self.0.write(value))).collect();
        Written::Mapping { fields, inline: false }
    }

    fn schema(&self) -> Json {
        json!({ "type": "object", "additionalProperties": self.0.schema() })
    }
}

/// One word, or a value of another form.
pub(in crate::scenario) struct WordOr<F> {
    pub word: &'static str,
    pub form: F,
    /// What messages call it, where that is not the other form.
    pub expected: Option<&'static str>,
}

/// What it may be.
#[derive(Debug)]
pub(in crate::scenario) enum OrWord<V> {
    /// The word, and where.
    Word(Span),
    Value(V),
}

/// `all`, or a list of clusters.
pub(in crate::scenario) const ALL_OR_NAMES: WordOr<List<Text>> =
    WordOr { word: "all", form: List::whole(LABEL), expected: Some("`all` or a list of clusters") };

impl<F: Form> Form for WordOr<F> {
    type Value = OrWord<F::Value>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Self::Value> {
        match (&node.value, self.expected) {
            (Value::Scalar { text, .. }, _) if text == self.word => Some(OrWord::Word(node.span)),
            (Value::Sequence(_), _) | (_, None) => self.form.read(node, place, problems).map(OrWord::Value),
            (_, Some(expected)) => {
                place.wrong_type(node, expected, shown(node), problems);
                None
            }
        }
    }

    fn write(&self, value: Self::Value) -> Written {
        match value {
            OrWord::Word(_) => self.word.to_owned().into(),
            OrWord::Value(value) => self.form.write(value),
        }
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [{ "const": self.word }, self.form.schema()] })
    }
}

/// `true`, `false`, or a list of names.
pub(in crate::scenario) struct TruthOrNames {
    /// What messages call it.
    pub expected: &'static str,
}

/// What it may be.
#[derive(Debug)]
pub(in crate::scenario) enum TruthOr<V> {
    Truth(bool),
    Value(V),
}

impl Form for TruthOrNames {
    type Value = TruthOr<Names>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Self::Value> {
        let truth = if let Value::Scalar { text, plain: true } = &node.value { core_truth(text) } else { None };
        match (&node.value, truth) {
            (_, Some(truth)) => Some(TruthOr::Truth(truth)),
            (Value::Sequence(_), None) => List::whole(LABEL).read(node, place, problems).map(TruthOr::Value),
            (_, None) => {
                place.wrong_type(node, self.expected, shown(node), problems);
                None
            }
        }
    }

    fn write(&self, value: Self::Value) -> Written {
        match value {
            TruthOr::Truth(truth) => Written::Free(truth.into()),
            TruthOr::Value(names) => List::whole(LABEL).write(names),
        }
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [{ "type": "boolean" }, List::whole(LABEL).schema()] })
    }
}

/// Clusters as the file would name them. `all` are those that `all` stands for.
pub(in crate::scenario) fn raw_clusters(clusters: &[String], all: &[String]) -> OrWord<Names> {
    if clusters == all { OrWord::Word(Span::default()) } else { OrWord::Value(raw_names(clusters)) }
}

/// Names as the file would list them.
pub(in crate::scenario) fn raw_names(names: &[String]) -> Names {
    names.iter().map(|name| name.clone().into()).collect::<Vec<_>>().into()
}
