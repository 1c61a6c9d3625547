//! What an Envoy was sent and does not take.

use serde_json::Value;

/// A piece of configuration that an Envoy rejects: it goes on with what it had before, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Name of the listener, cluster or route.
    pub resource: String,
    /// Envoy's own words.
    pub reason: String,
}

/// Reads the answer of Envoy's admin interface to `/config_dump`, where each resource that was rejected has an `error_state` until an update
/// is accepted (`envoy.admin.v3.UpdateFailureState`). Text that is no JSON has none.
#[must_use]
pub fn rejected(config_dump: &str) -> Vec<Rejected> {
    let dump: Value = serde_json::from_str(config_dump).unwrap_or_default();
    let mut found = Vec::new();
    collect(&dump, "", &mut found);
    found
}

fn collect(value: &Value, name: &str, found: &mut Vec<Rejected>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str).unwrap_or(name);
            if let Some(reason) = value.pointer("/error_state/details").and_then(Value::as_str) {
                found.push(Rejected { resource: name.to_owned(), reason: reason.to_owned() });
            }
            fields.iter().filter(|(key, _)| *key != "error_state").for_each(|(_, v)| collect(v, name, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_listener_is_named_with_its_reason() {
        let dump = r#"{ "configs": [{ "dynamic_listeners": [
            { "name": "0.0.0.0_80", "active_state": { "listener": { "name": "inner" } } },
            { "name": "0.0.0.0_5000", "active_state": {}, "error_state": {
                "failed_configuration": { "name": "0.0.0.0_5000" }, "details": "script load error" } }
        ] }] }"#;
        let listener = Rejected { resource: "0.0.0.0_5000".to_owned(), reason: "script load error".to_owned() };
        assert_eq!(rejected(dump), [listener]);
        assert!(rejected("{ \"configs\": [] }").is_empty() && rejected("not JSON").is_empty());
    }
}
