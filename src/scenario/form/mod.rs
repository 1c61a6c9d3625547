//! The format of scenarios, said once. A [`Record`] lists its fields, each with a [`Form`]; the reader of files, their JSON schema and the
//! writer follow from that list.
//!
//! A field that cannot be read is left out of the record, and the mistake is recorded: reading goes on, so that all mistakes are found.

mod entry;
mod record;
mod scalar;
mod several;
mod written;

pub(super) use entry::{Entry, Kind, OneKey, kind};
pub(super) use record::{Fields, NameOr, Part, Record};
pub(super) use scalar::{ADDRESS, ANY_TEXT, LABEL, Number, OneOf, SUBNET, Text, Truth};
pub(super) use several::{
    ALL_OR_NAMES, List, OneOrMore, OrWord, Pairs, TruthOr, TruthOrNames, WordOr, raw_clusters, raw_names,
};
pub(super) use written::Written;

use serde_json::Value as Json;

use super::error::Problems;
use super::problem::Problem;
use super::tree::{Located, Node, Value};

/// Keys and values in the order of the file.
pub(super) type Pairwise<T> = Located<Vec<(Located<String>, T)>>;
/// A list of names.
pub(super) type Names = Located<Vec<Located<String>>>;

/// A form that a value has in the file.
pub(super) trait Form {
    /// What is read.
    type Value;

    /// Reads a node, which is never nothing. `None` when it has another form; that is recorded then.
    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Self::Value>;

    /// How the value is written, so that it is read as the same.
    fn write(&self, value: Self::Value) -> Written;

    /// Its JSON schema, an object.
    fn schema(&self) -> Json;
}

/// What messages say of a value.
pub(super) struct Place {
    /// Name of the field that it is in.
    pub field: &'static str,
    /// What it is, such as `` `c1` of `order` ``.
    pub what: String,
    /// How the field is written.
    pub example: String,
}

impl Place {
    /// The place of something inside.
    fn inner(&self, what: String) -> Self {
        Self { field: self.field, what, example: self.example.clone() }
    }

    /// Records that a value has another form than `expected`.
    pub(super) fn wrong_type(&self, node: &Node, expected: &'static str, found: String, problems: &mut Problems) {
        let (what, example) = (self.what.clone(), self.example.clone());
        problems.add(node.span, Problem::WrongType { what, expected, found, example });
    }
}

/// What was found where no such value can be.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => format!("`{text}`"),
        Value::Scalar { text, .. } => format!("the text \"{text}\""),
        _ => node.kind().to_owned(),
    }
}
