//! Mappings with fields of known names.

use std::marker::PhantomData;

use serde_json::{Map, Value as Json, json};

use super::{Form, Place, Written};
use crate::scenario::error::Problems;
use crate::scenario::problem::Problem;
use crate::scenario::read::{as_json, nearest, suggested};
use crate::scenario::tree::{Entry, Located, Node, Span, Value};

/// So many mistakes are no slips of the pen.
const MANY: usize = 1000;

/// A mapping of the file, with an `Option` for each field.
pub(in crate::scenario) trait Record: Default + 'static {
    /// What messages call it.
    const TITLE: &'static str;
    /// What it is for: a sentence without its full stop.
    const ABOUT: &'static str;
    /// How one is written.
    const EXAMPLE: &'static str;
    /// Whether it is written on one line.
    const INLINE: bool = true;

    /// Its fields, in the order in which they are written.
    fn fields() -> Vec<Field<Self>>;

    /// Is told of a field that is there but cannot be read, where that is not the same as leaving it out.
    fn unreadable(&mut self, _field: &'static str) {}
}

/// A field of a record.
pub(in crate::scenario) struct Field<R> {
    name: &'static str,
    about: &'static str,
    required: bool,
    decisive: bool,
    /// What it is when it is left out, as YAML.
    default: Option<&'static str>,
    /// A value, as YAML.
    example: Option<&'static str>,
    /// An example for messages only, where the schema needs none.
    shown: Option<&'static str>,
    slot: Box<dyn Slot<R>>,
}

/// A field of this form, kept at that place of the record.
pub(in crate::scenario) fn field<R: 'static, F: Form + 'static>(
    name: &'static str,
    form: F,
    place: fn(&mut R) -> &mut Option<F::Value>,
    about: &'static str,
) -> Field<R> {
    let slot = Box::new(Kept { form, place });
    Field { name, about, required: false, decisive: false, default: None, example: None, shown: None, slot }
}

/// A field that is a record itself.
pub(in crate::scenario) fn part<R: 'static, P: Record>(
    name: &'static str,
    place: fn(&mut R) -> &mut Option<Located<P>>,
) -> Field<R> {
    Field { shown: Some(P::EXAMPLE), ..field(name, Part::<P>::FORM, place, P::ABOUT) }
}

impl<R> Field<R> {
    /// It cannot be left out.
    pub(in crate::scenario) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// When it cannot be read, the whole record cannot: other rules depend on it.
    pub(in crate::scenario) fn decisive(self) -> Self {
        Self { decisive: true, ..self }
    }

    /// What it is when it is left out.
    pub(in crate::scenario) fn default(self, yaml: &'static str) -> Self {
        Self { default: Some(yaml), ..self }
    }

    /// A value that it may have.
    pub(in crate::scenario) fn example(self, yaml: &'static str) -> Self {
        Self { example: Some(yaml), ..self }
    }

    /// Another description than the one that it comes with.
    pub(in crate::scenario) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    fn value(&self) -> &'static str {
        self.example.or(self.shown).or(self.default).unwrap_or_default()
    }

    fn schema(&self) -> Json {
        let mut schema = self.slot.schema();
        schema["description"] = json!(self.about);
        if let Some(default) = self.default {
            schema["default"] = as_json(default);
        }
        if let Some(example) = self.example {
            schema["examples"] = json!([as_json(example)]);
        }
        schema
    }
}

/// A field, whatever its type.
trait Slot<R> {
    /// `false` when it cannot be read.
    fn read(&self, record: &mut R, node: &Node, place: &Place, problems: &mut Problems) -> bool;
    /// Takes the value out.
    fn write(&self, record: &mut R) -> Option<Written>;
    fn schema(&self) -> Json;
}

struct Kept<R, F: Form> {
    form: F,
    place: fn(&mut R) -> &mut Option<F::Value>,
}

impl<R, F: Form> Slot<R> for Kept<R, F> {
    fn read(&self, record: &mut R, node: &Node, place: &Place, problems: &mut Problems) -> bool {
        let value = self.form.read(node, place, problems);
        let is_read = value.is_some();
        *(self.place)(record) = value;
        is_read
    }

    fn write(&self, record: &mut R) -> Option<Written> {
        (self.place)(record).take().map(|value| self.form.write(value))
    }

    fn schema(&self) -> Json {
        self.form.schema()
    }
}

/// The form of a record.
pub(in crate::scenario) struct Part<R>(PhantomData<fn() -> R>);

impl<R> Part<R> {
    pub(in crate::scenario) const FORM: Self = Self(PhantomData);
}

impl<R: Record> Part<R> {
    /// A record that is in no file.
    pub(in crate::scenario) fn written(record: R) -> Written {
        Self::FORM.write(record.into())
    }
}

impl<R: Record> Form for Part<R> {
    type Value = Located<R>;

    /// Nothing counts as an empty mapping.
    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<R>> {
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            _ => {
                let place = Place { what: R::TITLE.to_owned(), ..place.inner(String::new()) };
                place.wrong_type(node, "a mapping", node.kind().to_owned(), problems);
                return None;
            }
        };
        let fields = R::fields();
        let meant = unknown::<R>(entries, &fields, problems);
        let mut record = R::default();
        let mut is_whole = true;
        for field in &fields {
            let entry = entries.iter().find(|e| e.key.value == field.name);
            if let Some(node) = entry.map(|e| &e.value).filter(|n| !matches!(n.value, Value::Null)) {
                let example = format!("{}: {}", field.name, field.value());
                let place = Place { field: field.name, what: format!("`{}`", field.name), example };
                if !field.slot.read(&mut record, node, &place, problems) {
                    record.unreadable(field.name);
                    is_whole &= !field.decisive;
                }
            } else if field.required && !meant.contains(&field.name) {
                let span = entry.map_or(node.span, |e| e.key.span);
                let problem = Problem::MissingField { field: field.name, of: R::TITLE, example: field.value() };
                problems.add(span, problem);
            }
        }
        is_whole.then_some(Located { value: record, span: node.span })
    }

    fn write(&self, record: Located<R>) -> Written {
        let mut record = record.value;
        let fields = R::fields();
        let given = fields.iter().filter_map(|f| Some((f.name.to_owned(), f.slot.write(&mut record)?)));
        Written::Mapping { fields: given.collect(), inline: R::INLINE }
    }

    fn schema(&self) -> Json {
        let fields = R::fields();
        let properties: Map<String, Json> = fields.iter().map(|f| (f.name.to_owned(), f.schema())).collect();
        let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name).collect();
        let mut schema = json!({
            "description": R::ABOUT,
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }
}

/// Records the fields that nothing knows. What they were probably meant to be is one mistake with them, and is not missing too.
fn unknown<R: Record>(entries: &[Entry], fields: &[Field<R>], problems: &mut Problems) -> Vec<&'static str> {
    let known: Vec<&'static str> = fields.iter().map(|f| f.name).collect();
    let mut meant = Vec::new();
    for entry in entries.iter().filter(|e| !known.contains(&e.key.value.as_str())) {
        // Comparing words takes time, and after so many mistakes nobody reads what one was meant to be.
        let near = nearest(&entry.key.value, known.iter().copied().filter(|_| problems.count() < MANY));
        let help = suggested(near, &known, "its fields are");
        meant.extend(known.iter().copied().find(|k| Some(*k) == near));
        problems.add(entry.key.span, Problem::UnknownField { field: entry.key.value.clone(), of: R::TITLE, help });
    }
    meant
}

impl<T> From<T> for Located<T> {
    /// A value that is in no file.
    fn from(value: T) -> Self {
        Self { value, span: Span::default() }
    }
}
