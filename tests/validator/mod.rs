//! Holds values against JSON schemas, by the keywords that lab's own schemas use.

use serde_json::Value;

/// What is wrong with a value, by the keywords of JSON schema that the schema uses. A keyword that is not known here fails the test.
pub fn mistakes(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    within(schema, schema, value, place)
}

/// The same of a part of a schema, whose definitions are in `root`.
fn within(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Value::Bool(any) = schema {
        return if *any { Vec::new() } else { vec![format!("{place}: must not be there")] };
    }
    let mut found = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            found.push(format!("{place}: {what}"));
        }
    };
    let mut inner = Vec::new();
    for (keyword, says) in schema.as_object().expect("a schema") {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" | "definitions" | "format" => {}
            "$ref" => {
                let of = says.as_str().and_then(|s| root.pointer(s.trim_start_matches('#'))).expect("a definition");
                inner.extend(within(root, of, value, place));
            }
            "allOf" => {
                inner.extend(says.as_array().expect("a list").iter().flat_map(|s| within(root, s, value, place)));
            }
            "oneOf" => {
                let all = says.as_array().expect("a list").iter().map(|s| within(root, s, value, place));
                let all: Vec<_> = all.collect();
                let fits = all.iter().filter(|mistakes| mistakes.is_empty()).count();
                check(fits == 1, format!("fits {fits} of them: {all:?}"));
            }
            "type" => {
                let types = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                check(types.iter().any(|t| is_a(t.as_str().expect("a type"), value)), format!("is no {says}"));
            }
            "const" => check(value == says, format!("is not {says}")),
            "enum" => check(says.as_array().expect("a list").contains(value), format!("is none of {says}")),
            "pattern" => {
                let text = value.as_str().unwrap_or_default();
                check(matches(says.as_str().expect("text"), text), format!("{text} does not match {says}"));
            }
            "minimum" => check(value.as_f64().is_none_or(|n| Some(n) >= says.as_f64()), format!("is less than {says}")),
            "maximum" => check(value.as_f64().is_none_or(|n| Some(n) <= says.as_f64()), format!("is more than {says}")),
            "minItems" => check(
                value.as_array().is_none_or(|all| all.len() as u64 >= says.as_u64().unwrap()),
                "has too few".to_owned(),
            ),
            "maxItems" => check(
                value.as_array().is_none_or(|all| all.len() as u64 <= says.as_u64().unwrap()),
                "has too many".to_owned(),
            ),
            "minProperties" => check(
                value.as_object().is_none_or(|o| o.len() as u64 >= says.as_u64().unwrap()),
                "has too few".to_owned(),
            ),
            "maxProperties" => check(
                value.as_object().is_none_or(|o| o.len() as u64 <= says.as_u64().unwrap()),
                "has too many".to_owned(),
            ),
            "required" => {
                for field in says.as_array().expect("a list").iter().filter_map(Value::as_str) {
                    check(value.get(field).is_some(), format!("has no {field}"));
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    inner.extend(within(root, says, item, &format!("{place}[{i}]")));
                }
            }
            "properties" => {
                // A schema of an output leaves room for fields of later versions; a value of this one has no others.
                let closed = schema.get("additionalProperties").is_none();
                for field in value.as_object().into_iter().flatten().map(|(f, _)| f).filter(|_| closed) {
                    check(says.get(field).is_some(), format!("has the field {field}, of which nothing is said"));
                }
                for (field, of) in says.as_object().expect("fields") {
                    if let Some(value) = value.get(field) {
                        inner.extend(within(root, of, value, &format!("{place}.{field}")));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let others = value.as_object().into_iter().flatten();
                for (field, value) in others.filter(|(f, _)| known.is_none_or(|k| !k.contains_key(*f))) {
                    match says {
                        Value::Bool(allowed) => check(*allowed, format!("has no field {field}")),
                        schema => inner.extend(within(root, schema, value, &format!("{place}.{field}"))),
                    }
                }
            }
            "anyOf" => {
                let all: Vec<_> =
                    says.as_array().expect("a list").iter().map(|s| within(root, s, value, place)).collect();
                check(all.iter().any(Vec::is_empty), format!("fits none: {all:?}"));
            }
            other => panic!("{place}: this test does not know {other}"),
        }
    }
    found.extend(inner);
    found
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}

/// Whether the text has the form, by the program that every machine has.
fn matches(pattern: &str, text: &str) -> bool {
    let mut grep = std::process::Command::new("grep");
    grep.args(["-Eqx", "--", pattern.trim_start_matches('^').trim_end_matches('$')])
        .stdin(std::process::Stdio::piped());
    let mut grep = grep.spawn().expect("grep");
    std::io::Write::write_all(&mut grep.stdin.take().expect("piped"), text.as_bytes()).expect("grep reads");
    grep.wait().expect("grep ends").success()
}
