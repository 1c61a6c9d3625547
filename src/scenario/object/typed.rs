//! Looks at a value as one of Kubernetes' own types, whose fields and their types are those of its API. Nothing is kept of what is read: a value that does
//! not fit is recorded, and another one is read in its place, so that everything is found that is wrong with an object.

use std::cell::RefCell;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde_json::{Map, Value as Json};

use super::{Fault, Step, meant, metadata, quoted, written};

/// Where somebody looks, and what was found.
pub(super) struct Looker {
    /// The object, for messages.
    object: String,
    path: RefCell<Vec<Step>>,
    found: RefCell<Vec<Fault>>,
}

impl Looker {
    pub(super) fn new(object: String) -> Self {
        Self { object, path: RefCell::default(), found: RefCell::default() }
    }

    pub(super) fn add(&self, path: Vec<Step>, is_key: bool, what: String, help: String) {
        self.found.borrow_mut().push(Fault { object: self.object.clone(), path, is_key, what, help });
    }

    /// Records what is wrong below where it looks.
    pub(super) fn add_below(&self, keys: &[&str], is_key: bool, what: String, help: String) {
        let mut path = self.path.borrow().clone();
        path.extend(keys.iter().map(|key| Step::Key((*key).to_owned())));
        self.add(path, is_key, what, help);
    }

    pub(super) fn found(self) -> Vec<Fault> {
        self.found.into_inner()
    }

    /// Does something one step further.
    fn at<T>(&self, step: Step, act: impl FnOnce() -> T) -> T {
        self.path.borrow_mut().push(step);
        let done = act();
        self.path.borrow_mut().pop();
        done
    }

    /// Whether a value is one that nobody may read in a message.
    fn is_secret(&self, path: &[Step]) -> bool {
        let is_data = matches!(path.first(), Some(Step::Key(key)) if matches!(key.as_str(), "data" | "stringData"));
        is_data && self.object.starts_with("Secret ")
    }

    fn is_item(&self) -> bool {
        matches!(self.path.borrow().last(), Some(Step::Index(_)))
    }
}

/// Looks at a whole object.
pub(super) fn whole<T: DeserializeOwned>(object: &Json, looker: &Looker) {
    _ = T::deserialize(Look { value: object, looker });
}

/// Looks only at the metadata of an object.
pub(super) fn metadata(object: &Json, looker: &Looker) {
    looker.at(Step::Key("metadata".to_owned()), || {
        whole::<ObjectMeta>(&object["metadata"], looker);
    });
}

/// A value, looked at.
#[derive(Clone, Copy)]
struct Look<'v, 'l> {
    value: &'v Json,
    looker: &'l Looker,
}

/// Why a type cannot be read.
#[derive(Debug)]
enum Stop {
    /// It is to be told: what would fit.
    Wants(String),
    Told,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wants(what) => f.write_str(what),
            Self::Told => f.write_str("told"),
        }
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Wants(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(expected)
    }
}

/// What one of Kubernetes' types wants, in words.
fn in_words(expected: &str) -> &str {
    match expected {
        "IntOrString" => "a whole number or text",
        "Quantity" => "a quantity, such as 100m or 64Mi",
        "Time" | "MicroTime" => "a time, such as 2026-01-31T12:00:00Z",
        "a base64-encoded string" => "base64",
        other => other,
    }
}

/// What a value is, in words.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a mapping".to_owned(),
        Json::String(text) => format!("the text \"{}\"", quoted(text)),
        // It may be written in another way, as `0899` or `1e3`.
        Json::Number(number) if number.is_f64() => "a number".to_owned(),
        other => format!("`{other}`"),
    }
}

/// The same, without the value.
fn unshown(value: &Json) -> String {
    match value {
        Json::String(_) => "the text that is there".to_owned(),
        Json::Number(_) => "a number".to_owned(),
        Json::Bool(_) => "`true` or `false`".to_owned(),
        other => shown(other),
    }
}

impl<'v> Look<'v, '_> {
    /// Records that the value does not fit.
    fn wrong(self, wants: &str) {
        let path = self.looker.path.borrow().clone();
        let is_secret = self.looker.is_secret(&path);
        let found = if is_secret { unshown(self.value) } else { shown(self.value) };
        let what = format!("`{}` must be {wants}, not {found}", written(&path));
        let help = match (self.value, wants) {
            (Json::String(_), "base64") if is_secret => {
                "write base64, or move it to `stringData`, which takes text".to_owned()
            }
            (Json::Number(_) | Json::Bool(_), "text") => "put quotes around it".to_owned(),
            (Json::String(text), _) if text.parse::<f64>().is_ok() => "write it without quotes".to_owned(),
            _ => format!("write {wants}"),
        };
        self.looker.add(path, false, what, help);
    }

    /// Records why the value was not taken, unless somebody has already.
    fn told<T>(self, read: Result<T, Stop>) -> Result<T, Stop> {
        read.map_err(|stop| {
            if let Stop::Wants(wants) = stop {
                self.wrong(in_words(&wants));
            }
            Stop::Told
        })
    }

    /// The value if it is such a one, or what is read in its place.
    fn or<T>(self, value: Option<T>, wants: &str, instead: T) -> T {
        value.unwrap_or_else(|| {
            if !self.value.is_null() {
                self.wrong(wants);
            }
            instead
        })
    }

    fn whole<V: Visitor<'v>>(self, most: i64, visitor: V) -> Result<V::Value, Stop> {
        #[expect(clippy::cast_possible_truncation, reason = "one that does not fit is none")]
        let number = self.value.as_i64().or_else(|| self.value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64));
        let fits = number.filter(|n| (most.saturating_neg()..=most).contains(n) && self.value.is_number());
        let read = visitor.visit_i64(self.or(fits, "a whole number", 0));
        self.told(read)
    }

    fn text<V: Visitor<'v>>(self, text: &str, visitor: V) -> Result<V::Value, Stop> {
        let wants = (&visitor as &dyn Expected).to_string();
        let read = visitor.visit_str(text).map_err(|_: Stop| Stop::Wants(wants));
        self.told(read)
    }

    fn mapping(self) -> Option<&'v Map<String, Json>> {
        self.value.as_object()
    }
}

impl<'de> Deserializer<'de> for Look<'de, '_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let read = match self.value {
            Json::Null => visitor.visit_unit(),
            Json::Bool(truth) => visitor.visit_bool(*truth),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => visitor.visit_i64(number),
                (None, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Json::String(text) => visitor.visit_str(text),
            Json::Array(items) => visitor.visit_seq(Items { items: items.iter().enumerate(), looker: self.looker }),
            Json::Object(entries) => visitor.visit_map(Entries::of(entries, self.looker)),
        };
        self.told(read)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_bool(self.or(self.value.as_bool(), "`true` or `false`", false))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.whole(i32::MAX.into(), visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.whole(i64::MAX, visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_f64(self.or(self.value.as_f64(), "a number", 0.0))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.text(self.or(self.value.as_str(), "text", ""), visitor)
    }

    /// Base64 and times are read so. Kubernetes passes over the ends of lines in base64.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.value.as_str() {
            Some(text) => self.text(&text.replace(['\n', '\r'], ""), visitor),
            None => self.told(Err(Stop::Wants((&visitor as &dyn Expected).to_string()))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let items = self.or(self.value.as_array().map(Vec::as_slice), "a list", &[]);
        visitor.visit_seq(Items { items: items.iter().enumerate(), looker: self.looker })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.or(self.mapping().map(Some), "a mapping", None) {
            Some(entries) => visitor.visit_map(Entries::of(entries, self.looker)),
            None => visitor.visit_map(Entries::none(self.looker)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if self.value.is_null() && self.looker.is_item() {
            self.wrong("a mapping");
        }
        for key in self.mapping().into_iter().flat_map(Map::keys).filter(|key| !fields.contains(&key.as_str())) {
            let path = written(&self.looker.path.borrow());
            let of = if path.is_empty() { "it".to_owned() } else { format!("`{path}`") };
            self.looker.add_below(&[key], true, format!("{of} has no field `{}`", quoted(key)), meant(key, fields));
        }
        match (name, self.mapping()) {
            ("ObjectMeta", Some(fields)) => metadata::look(fields, self.looker),
            ("LabelSelector", Some(fields)) => metadata::labels(fields, "matchLabels", self.looker),
            _ => {}
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }
}

/// The items of a list.
struct Items<'v, 'l> {
    items: std::iter::Enumerate<std::slice::Iter<'v, Json>>,
    looker: &'l Looker,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        let looker = self.looker;
        let next = self.items.next();
        next.map(|(i, value)| looker.at(Step::Index(i), || seed.deserialize(Look { value, looker }))).transpose()
    }
}

/// The entries of a mapping.
struct Entries<'v, 'l> {
    left: Option<serde_json::map::Iter<'v>>,
    /// The one whose key was read last.
    next: Option<(&'v String, &'v Json)>,
    looker: &'l Looker,
}

impl<'v, 'l> Entries<'v, 'l> {
    fn of(entries: &'v Map<String, Json>, looker: &'l Looker) -> Self {
        Self { left: Some(entries.iter()), next: None, looker }
    }

    fn none(looker: &'l Looker) -> Self {
        Self { left: None, next: None, looker }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        self.next = self.left.as_mut().and_then(Iterator::next);
        self.next.map(|(key, _)| seed.deserialize(key.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        let looker = self.looker;
        match self.next.take() {
            Some((key, value)) => looker.at(Step::Key(key.clone()), || seed.deserialize(Look { value, looker })),
            None => Err(Stop::custom("an entry")),
        }
    }
}
