//! Mappings with fields of known names.

use std::marker::PhantomData;

use serde_json::{Map, Value as Json, json};

use super::{Form, LABEL, Place, Written};
use crate::scenario::error::Problems;
use crate::scenario::problem::Problem;
use crate::scenario::read::{as_json, nearest, suggested};
use crate::scenario::tree::{Entry, Located, Node, Span, Value};

/// So many mistakes are no slips of the pen.
const MANY: usize = 1000;

/// A mapping of the file, with an `Option` for each field.
pub(in crate::scenario) trait Record: Default + 'static {
    /// What it is for: a sentence without its full stop.
    const ABOUT: &'static str;
    /// Whether it is written on one line.
    const INLINE: bool = true;

    /// Says its fields, in the order in which they are written.
    fn fields(f: &mut Fields<Self>);

    /// Is told of a field that is there but cannot be read, where that is not the same as leaving it out.
    fn unreadable(&mut self, _field: &'static str) {}
}

/// The fields of a record, as they are said.
pub(in crate::scenario) struct Fields<R>(Vec<Field<R>>);

/// A field of a record.
pub(in crate::scenario) struct Field<R> {
    name: &'static str,
    about: &'static str,
    required: bool,
    /// The field beside which it cannot be left out.
    required_by: Option<&'static str>,
    decisive: bool,
    /// What it is when it is left out, as YAML.
    default: Option<&'static str>,
    /// A value, as YAML.
    example: Option<&'static str>,
    slot: Box<dyn Slot<R>>,
}

impl<R: Record> Fields<R> {
    fn of() -> Vec<Field<R>> {
        let mut fields = Self(Vec::new());
        R::fields(&mut fields);
        fields.0
    }

    /// A field of this form, kept at that place of the record. `about` is a sentence without its full stop.
    pub(in crate::scenario) fn field<F: Form + 'static>(
        &mut self,
        name: &'static str,
        form: F,
        place: fn(&mut R) -> &mut Option<F::Value>,
        about: &'static str,
    ) -> &mut Field<R> {
        let at = self.0.len();
        let slot = Box::new(Kept { form, place });
        let field = Field {
            name,
            about,
            required: false,
            required_by: None,
            decisive: false,
            default: None,
            example: None,
            slot,
        };
        self.0.push(field);
        &mut self.0[at]
    }

    /// A field that is a record itself, with one as YAML.
    pub(in crate::scenario) fn part<P: Record>(
        &mut self,
        name: &'static str,
        place: fn(&mut R) -> &mut Option<Located<P>>,
        example: &'static str,
    ) -> &mut Field<R> {
        self.field(name, Part::<P>::FORM, place, P::ABOUT).example(example)
    }
}

impl<R> Field<R> {
    /// It cannot be left out.
    pub(in crate::scenario) fn required(&mut self) -> &mut Self {
        self.required = true;
        self
    }

    /// It cannot be left out beside another field.
    pub(in crate::scenario) fn required_by(&mut self, other: &'static str) -> &mut Self {
        self.required_by = Some(other);
        self
    }

    /// When it cannot be read, the whole record cannot: other rules depend on it.
    pub(in crate::scenario) fn decisive(&mut self) -> &mut Self {
        self.decisive = true;
        self
    }

    /// What it is when it is left out.
    pub(in crate::scenario) fn default(&mut self, yaml: &'static str) -> &mut Self {
        self.default = Some(yaml);
        self
    }

    /// A value that it may have.
    pub(in crate::scenario) fn example(&mut self, yaml: &'static str) -> &mut Self {
        self.example = Some(yaml);
        self
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
                place.wrong_type(node, "a mapping", node.kind().to_owned(), problems);
                return None;
            }
        };
        let fields = Fields::<R>::of();
        let meant = unknown(entries, &fields, &place.what, problems);
        let mut record = R::default();
        let mut is_whole = true;
        for field in &fields {
            let example = field.example.or(field.default).unwrap_or_default();
            if let Some(node) = given(entries, field.name) {
                let (what, example) = (format!("`{}`", field.name), format!("{}: {example}", field.name));
                let place = Place { field: field.name, what, example };
                if !field.slot.read(&mut record, node, &place, problems) {
                    record.unreadable(field.name);
                    is_whole &= !field.decisive;
                }
            } else if (field.required || field.required_by.is_some_and(|other| given(entries, other).is_some()))
                && !meant.contains(&field.name)
            {
                let empty = entries.iter().find(|e| e.key.value == field.name);
                let span = empty.map_or(node.span, |e| e.key.span);
                problems.add(span, Problem::MissingField { field: field.name, of: place.what.clone(), example });
            }
        }
        is_whole.then_some(Located { value: record, span: node.span })
    }

    fn write(&self, record: Located<R>) -> Written {
        let mut record = record.value;
        let fields = Fields::<R>::of();
        let given = fields.iter().filter_map(|f| Some((f.name.to_owned(), f.slot.write(&mut record)?)));
        Written::Mapping { fields: given.collect(), inline: R::INLINE }
    }

    fn schema(&self) -> Json {
        let fields = Fields::<R>::of();
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

/// The value of a field, unless it is left out or nothing.
fn given<'n>(entries: &'n [Entry], field: &str) -> Option<&'n Node> {
    entries.iter().find(|e| e.key.value == field).map(|e| &e.value).filter(|n| !matches!(n.value, Value::Null))
}

/// Records the fields that nothing knows. What they were probably meant to be is one mistake with them, and is not missing too.
fn unknown<R>(entries: &[Entry], fields: &[Field<R>], of: &str, problems: &mut Problems) -> Vec<&'static str> {
    let known: Vec<&'static str> = fields.iter().map(|f| f.name).collect();
    let mut meant = Vec::new();
    for entry in entries.iter().filter(|e| !known.contains(&e.key.value.as_str())) {
        // Comparing words takes time, and after so many mistakes nobody reads what one was meant to be.
        let near = nearest(&entry.key.value, known.iter().copied().filter(|_| problems.count() < MANY));
        let help = suggested(near, &known, "its fields are");
        meant.extend(known.iter().copied().find(|k| Some(*k) == near));
        let (field, of) = (entry.key.value.clone(), of.to_owned());
        problems.add(entry.key.span, Problem::UnknownField { field, of, help });
    }
    meant
}

/// An entry of a list that is a record, or only the name that it has. One that cannot be read still counts as an entry, of which nothing is known.
pub(in crate::scenario) struct NameOr<R> {
    /// What messages call it.
    pub what: &'static str,
    /// Where its name is.
    pub place: fn(&mut R) -> &mut Option<Located<String>>,
    /// One as YAML.
    pub example: &'static str,
}

impl<R: Record> Form for NameOr<R> {
    type Value = Located<R>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<R>> {
        let mut record = R::default();
        if let Value::Scalar { text, .. } = &node.value {
            *(self.place)(&mut record) = Some(Located { value: text.clone(), span: node.span });
            return Some(Located { value: record, span: node.span });
        }
        let place = Place { field: place.field, what: self.what.to_owned(), example: self.example.to_owned() };
        Some(Part::<R>::FORM.read(node, &place, problems).unwrap_or_else(|| record.into()))
    }

    fn write(&self, record: Located<R>) -> Written {
        Part::<R>::FORM.write(record)
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [LABEL.schema(), Part::<R>::FORM.schema()] })
    }
}

impl<T> From<T> for Located<T> {
    /// A value that is in no file.
    fn from(value: T) -> Self {
        Self { value, span: Span::default() }
    }
}
