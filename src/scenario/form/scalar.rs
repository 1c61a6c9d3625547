//! Single values.

use serde_json::{Value as Json, json};

use super::{Form, Place, Written, shown};
use crate::scenario::error::Problems;
use crate::scenario::problem::{CheckProblem, Problem};
use crate::scenario::read::{core_truth, unknown_value};
use crate::scenario::tree::{Located, Node, Value};

/// Text. Editors are told its form, a regular expression, or nothing when that is empty; what it must be is for the rules to say.
pub(in crate::scenario) struct Text(pub &'static str);

pub(in crate::scenario) const ANY_TEXT: Text = Text("");
/// A DNS label.
pub(in crate::scenario) const LABEL: Text = Text("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
/// An IPv4 subnet.
pub(in crate::scenario) const SUBNET: Text = Text("^[0-9.]+/[0-9]+$");
/// An IPv4 address.
pub(in crate::scenario) const ADDRESS: Text = Text("^[0-9.]+$");

impl Form for Text {
    type Value = Located<String>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<String>> {
        if let Value::Scalar { text, .. } = &node.value {
            return Some(Located { value: text.clone(), span: node.span });
        }
        place.wrong_type(node, "text", node.kind().to_owned(), problems);
        None
    }

    fn write(&self, text: Located<String>) -> Written {
        text.value.into()
    }

    fn schema(&self) -> Json {
        match self.0 {
            // YAML reads 1.0 and true as no text, but lab does.
            "" => json!({ "type": ["string", "number", "boolean"] }),
            pattern => json!({ "type": "string", "pattern": pattern }),
        }
    }
}

/// `true` or `false`, as YAML 1.2's core schema has them.
pub(in crate::scenario) struct Truth;

impl Form for Truth {
    type Value = Located<bool>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<bool>> {
        let truth = if let Value::Scalar { text, plain: true } = &node.value { core_truth(text) } else { None };
        if truth.is_none() {
            place.wrong_type(node, "`true` or `false`", shown(node), problems);
        }
        truth.map(|value| Located { value, span: node.span })
    }

    fn write(&self, truth: Located<bool>) -> Written {
        Written::Free(truth.value.into())
    }

    fn schema(&self) -> Json {
        json!({ "type": "boolean" })
    }
}

/// A whole number between two, both included.
pub(in crate::scenario) struct Number<N> {
    pub least: N,
    pub most: N,
    /// What is wrong with a number of the field that is not between them.
    pub refusal: fn(&'static str, u64, N, N) -> Problem,
}

impl<N: Into<u64>> Number<N> {
    pub(in crate::scenario) const fn new(least: N, most: N) -> Self {
        Self { least, most, refusal: out_of_range }
    }
}

fn out_of_range<N: Into<u64>>(field: &'static str, value: u64, least: N, most: N) -> Problem {
    CheckProblem::OutOfRange { field, value, least: least.into(), most: most.into() }.into()
}

impl<N: Copy + PartialOrd + Into<u64> + TryFrom<u64>> Form for Number<N> {
    type Value = Located<N>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<N>> {
        let number = match &node.value {
            Value::Scalar { text, plain: true } => text.parse::<u64>().ok(),
            _ => None,
        };
        let Some(number) = number else {
            place.wrong_type(node, "a whole number, 0 or more", shown(node), problems);
            return None;
        };
        let value = N::try_from(number).ok().filter(|n| (self.least..=self.most).contains(n)).unwrap_or_else(|| {
            problems.add(node.span, (self.refusal)(place.field, number, self.least, self.most));
            // Rules go on with one that can be.
            if number < self.least.into() { self.least } else { self.most }
        });
        Some(Located { value, span: node.span })
    }

    fn write(&self, number: Located<N>) -> Written {
        Written::Free(number.value.into().into())
    }

    fn schema(&self) -> Json {
        let (least, most): (u64, u64) = (self.least.into(), self.most.into());
        json!({ "type": "integer", "minimum": least, "maximum": most })
    }
}

/// One word out of a few, each with what it stands for.
pub(in crate::scenario) struct OneOf<T: 'static> {
    /// What the words are, for a message about another one.
    pub what: &'static str,
    pub words: &'static [(&'static str, T)],
}

impl<T: Copy + PartialEq> Form for OneOf<T> {
    type Value = Located<T>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<T>> {
        let word = ANY_TEXT.read(node, place, problems)?;
        let known = self.words.iter().find(|(name, _)| *name == word.value);
        if known.is_none() {
            let names: Vec<&str> = self.words.iter().map(|(name, _)| *name).collect();
            problems.add(node.span, unknown_value(self.what, &word.value, &names));
        }
        known.map(|(_, value)| Located { value: *value, span: node.span })
    }

    fn write(&self, value: Located<T>) -> Written {
        let word = self.words.iter().find(|(_, v)| *v == value.value);
        word.map_or_else(String::new, |(name, _)| (*name).to_owned()).into()
    }

    fn schema(&self) -> Json {
        match self.words {
            [(one, _)] => json!({ "const": one }),
            words => json!({ "enum": words.iter().map(|(name, _)| name).collect::<Vec<_>>() }),
        }
    }
}
