//! Entries of lists that say by their one key what they are.

use serde_json::{Map, Value as Json, json};

use super::{Form, Part, Place, Record, Written};
use crate::scenario::error::Problems;
use crate::scenario::problem::Problem;
use crate::scenario::read::unknown_value;
use crate::scenario::tree::{Located, Node, Value};

/// What the entries of a list may be.
pub(in crate::scenario) trait Entry: Sized + 'static {
    /// What an entry is, for messages.
    const THING: &'static str;
    /// One that needs nothing but its name.
    const EXAMPLE: &'static str;

    /// All that an entry may be.
    fn kinds() -> Vec<Kind<Self>>;

    /// The kind of this one, and what belongs to it.
    fn written(self) -> (&'static str, Written);
}

/// Reads what belongs to an entry.
type Read<E> = dyn Fn(&Node, &mut Problems) -> Option<E>;

/// One thing that an entry may be.
pub(in crate::scenario) struct Kind<E> {
    name: &'static str,
    read: Box<Read<E>>,
    schema: fn() -> Json,
}

/// Entries of that name, made of that record, with one as YAML.
pub(in crate::scenario) fn kind<E: 'static, R: Record>(
    name: &'static str,
    make: fn(R) -> E,
    example: &'static str,
) -> Kind<E> {
    let read = move |node: &Node, problems: &mut Problems| {
        let place = Place { field: name, what: format!("`{name}`"), example: format!("{name}: {example}") };
        Part::<R>::FORM.read(node, &place, problems).map(|record| make(record.value))
    };
    Kind { name, read: Box::new(read), schema: || Part::<R>::FORM.schema() }
}

/// The form of an entry: `sleep`, `sleep:` or `sleep: {}`. Its place is where its kind is named.
pub(in crate::scenario) struct OneKey<E>(std::marker::PhantomData<fn() -> E>);

impl<E> OneKey<E> {
    pub(in crate::scenario) const FORM: Self = Self(std::marker::PhantomData);
}

impl<E: Entry> Form for OneKey<E> {
    type Value = Located<E>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<E>> {
        let (key, span, body) = match &node.value {
            Value::Scalar { text, .. } => (text, node.span, None),
            Value::Mapping(entries) if entries.len() == 1 => {
                let entry = &entries[0];
                (&entry.key.value, entry.key.span, Some(&entry.value))
            }
            other => {
                let count = if let Value::Mapping(entries) = other { entries.len() } else { 0 };
                let (list, thing, example) = (place.field, E::THING, E::EXAMPLE);
                problems.add(node.span, Problem::NotOneKey { list, thing, count, example });
                return None;
            }
        };
        let kinds = E::kinds();
        let Some(kind) = kinds.iter().find(|k| k.name == key) else {
            let names: Vec<&str> = kinds.iter().map(|k| k.name).collect();
            problems.add(span, unknown_value(E::THING, key, &names));
            return None;
        };
        (kind.read)(body.unwrap_or(&Node { value: Value::Null, span }), problems).map(|value| Located { value, span })
    }

    fn write(&self, entry: Located<E>) -> Written {
        let (name, body) = entry.value.written();
        Written::Mapping { fields: vec![(name.to_owned(), body)], inline: false }
    }

    fn schema(&self) -> Json {
        let kinds = E::kinds();
        let bodies = kinds.iter().map(|kind| {
            let mut body = (kind.schema)();
            body["type"] = json!(["object", "null"]);
            (kind.name.to_owned(), body)
        });
        json!({ "anyOf": [
            { "enum": kinds.iter().map(|k| k.name).collect::<Vec<_>>() },
            {
                "type": "object",
                "properties": bodies.collect::<Map<_, _>>(),
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ] })
    }
}
