//! The fields of a scenario, a table a mapping.

use std::collections::VecDeque;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{MARK, head, row, sentence};

const INTRODUCTION: &str = "\
# Fields of a scenario

A scenario is one YAML file. Only `name` and `clusters` have to be there. `lab schema` prints the same as a JSON schema, and
[scenarios/schema.json](../../scenarios/schema.json) is that schema: editors that know YAML check and complete by it. For checks with examples see
[Checks](checks.md), for one's own apps [Your own apps](apps.md), for what follows from fields that are left out
[Addresses and defaults](addresses.md).
";

/// Forms of text that have a name.
const FORMS: &[(&str, &str)] = &[
    ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a DNS label"),
    ("^[0-9.]+$", "an IPv4 address"),
    ("^[0-9.]+/[0-9]+$", "an IPv4 subnet"),
];

/// A mapping that has a section of its own.
struct Section<'a> {
    title: String,
    schema: &'a Value,
}

/// The page about scenario files, from their JSON schema.
#[must_use]
pub fn scenario(schema: &Value) -> String {
    let mut page = format!("{MARK}{INTRODUCTION}");
    let mut sections = VecDeque::from([Section { title: "The file".to_owned(), schema }]);
    let mut prefix = String::new();
    while let Some(section) = sections.pop_front() {
        let mut inner = Vec::new();
        page.push_str(&table(&section, &prefix, &mut inner));
        // What a field holds comes right after it.
        for section in inner.into_iter().rev() {
            sections.push_front(section);
        }
        prefix = sections.front().map(|next| format!("{}.", next.title)).unwrap_or_default();
    }
    page
}

/// The section of a mapping. Its fields' own mappings are added to `inner`.
fn table<'a>(section: &Section<'a>, prefix: &str, inner: &mut Vec<Section<'a>>) -> String {
    let mut text = format!("\n## {}\n\n", section.title);
    if let Some(description) = section.schema["description"].as_str() {
        _ = writeln!(text, "{}", sentence(description));
    }
    let fields = properties(section.schema);
    if fields.is_empty() {
        text.push_str("\nIt has no fields.\n");
        return text;
    }
    text.push('\n');
    text.push_str(&head(&["field", "value", "meaning", "when left out", "example"]));
    for (name, field) in fields {
        let required = section.schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let left_out = match (&field["default"], required) {
            (_, true) => "refused".to_owned(),
            (Value::Null, false) => String::new(),
            (default, false) => code(default),
        };
        let meaning = field["description"].as_str().unwrap_or_default();
        let example = field["examples"].get(0).map(code).unwrap_or_default();
        let value = value(field, &format!("{prefix}{name}"), inner);
        text.push_str(&row(&[&format!("`{name}`"), &value, meaning, &left_out, &example]));
    }
    text
}

/// What may stand at `path`. Mappings in it become sections.
fn value<'a>(schema: &'a Value, path: &str, inner: &mut Vec<Section<'a>>) -> String {
    if let Some(forms) = schema["anyOf"].as_array() {
        let forms: Vec<String> = forms.iter().map(|form| value(form, path, inner)).collect();
        return forms.join(", or ");
    }
    if let Some(texts) = schema["enum"].as_array() {
        return one_of(texts);
    }
    match schema["type"].as_str() {
        _ if !schema["const"].is_null() => code(&schema["const"]),
        Some("integer") if schema["maximum"].is_null() => format!("a number from {}", schema["minimum"]),
        Some("integer") => format!("a number from {} to {}", schema["minimum"], schema["maximum"]),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") => format!("a list, each {}", value(&schema["items"], &format!("{path}[]"), inner)),
        Some("object") if schema["maxProperties"] == 1 => entries(schema, path.trim_end_matches("[]"), inner),
        Some("object") if !properties(schema).is_empty() => {
            inner.push(Section { title: path.to_owned(), schema });
            format!("[a mapping](#{})", anchor(path))
        }
        Some("object") if schema["additionalProperties"].is_object() => {
            format!(
                "a mapping from names to {}",
                value(&schema["additionalProperties"], &format!("{path}.NAME"), inner)
            )
        }
        Some("object") => "a mapping".to_owned(),
        _ => schema["pattern"].as_str().map_or_else(|| "text".to_owned(), form),
    }
}

/// A mapping from one of several names to its fields.
fn entries<'a>(schema: &'a Value, path: &str, inner: &mut Vec<Section<'a>>) -> String {
    let links = properties(schema).into_iter().map(|(name, schema)| {
        let title = format!("{path}: {name}");
        let link = format!("[{name}](#{})", anchor(&title));
        inner.push(Section { title, schema });
        link
    });
    let links: Vec<String> = links.collect();
    format!("a mapping from such a name to its fields ({})", links.join(", "))
}

fn properties(schema: &Value) -> Vec<(&String, &Value)> {
    schema["properties"].as_object().map(Map::iter).map(Iterator::collect).unwrap_or_default()
}

/// Text of the form of a regular expression, in words where it has any.
fn form(pattern: &str) -> String {
    let named = FORMS.iter().find(|(form, _)| *form == pattern);
    named.map_or_else(|| format!("text like `{pattern}`"), |(_, words)| (*words).to_owned())
}

fn one_of(texts: &[Value]) -> String {
    texts.iter().map(code).collect::<Vec<_>>().join(" or ")
}

/// A value as it stands in YAML.
fn code(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// The anchor that GitHub and mdBook give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
