//! The format as a JSON schema, for editors.
//!
//! <https://json-schema.org/draft-07/schema>; the YAML language server knows this draft.

use serde_json::{Map, Value, json};

use super::{Field, Kind, Mapping, SCENARIO};

/// The JSON schema of scenario files. It accepts what lab accepts, except names that look like numbers and are not quoted, and refuses most
/// of what lab refuses.
#[must_use]
pub fn schema() -> Value {
    let head = [("$schema", "http://json-schema.org/draft-07/schema#"), ("title", "A scenario of lab")];
    let head = head.map(|(key, text)| (key.to_owned(), json!(text)));
    Value::Object(head.into_iter().chain(mapping(&SCENARIO)).collect())
}

fn mapping(mapping: &Mapping) -> Map<String, Value> {
    let properties: Map<String, Value> =
        mapping.fields.iter().map(|f| (f.name.to_owned(), Value::Object(property(f)))).collect();
    let required: Vec<&str> = mapping.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    let mut schema = Map::new();
    schema.insert("description".to_owned(), json!(mapping.description));
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn property(field: &Field) -> Map<String, Value> {
    let mut schema = kind(&field.kind);
    schema.insert("description".to_owned(), json!(field.description));
    if let Some(default) = field.default {
        schema.insert("default".to_owned(), value(default));
    }
    if let Some(example) = field.example {
        schema.insert("examples".to_owned(), json!([value(example)]));
    }
    schema
}

/// JSON, or text that is none.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn kind(kind_of: &Kind) -> Map<String, Value> {
    let schema = match kind_of {
        // YAML reads 1.0 and true as no text, but lab does.
        Kind::Text("") => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Text(pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::One([one]) => json!({ "const": one }),
        Kind::One(texts) => json!({ "enum": texts }),
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Truth => json!({ "type": "boolean" }),
        Kind::Free => json!({ "type": "object" }),
        Kind::List(of) => json!({ "type": "array", "items": kind(of) }),
        Kind::Names(to) => json!({ "type": "object", "additionalProperties": kind(to) }),
        Kind::Mapping(of) => return mapping(of),
        Kind::Entry(entries) => {
            let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
            let bodies = entries.iter().map(|(name, of)| {
                let mut body = mapping(of);
                body.insert("type".to_owned(), json!(["object", "null"]));
                ((*name).to_owned(), Value::Object(body))
            });
            json!({ "anyOf": [
                { "enum": names },
                {
                    "type": "object",
                    "properties": bodies.collect::<Map<_, _>>(),
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ] })
        }
        Kind::Other(schema) => schema(),
        Kind::Either(one, other) => json!({ "anyOf": [kind(one), kind(other)] }),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
