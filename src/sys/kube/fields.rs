//! Fields of objects: which differ, which a field manager owns, and what they were before it. Pure.

use std::fmt;

use kube::api::DynamicObject;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// What the API server and the controllers keep about an object, which nobody applies.
const KEPT_BY_SERVER: [&str; 6] =
    ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"];

/// Most characters of a value in a line for people.
const MAX_SHOWN: usize = 40;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldChange {
    /// Where it is, as `spec.replicas`, `data["a.b"]` or `spec.containers[web].image`.
    pub field: String,
    /// What it was; nothing when it was not there, or is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; nothing when it is gone, or is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// How it changed.
    pub change: Kind,
}

/// How a field changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was not there.
    Added,
    /// It is no longer there.
    Removed,
    /// It has another value.
    Changed,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, before, after, change } = self;
        match (change, before, after) {
            (Kind::Removed, ..) => write!(f, "{field} removed"),
            (Kind::Added, _, Some(after)) => write!(f, "{field} added{}", shown(after, ": ")),
            (Kind::Changed, Some(before), Some(after)) => {
                let (was, is) = (shown(before, ""), shown(after, ""));
                if was.is_empty() || is.is_empty() {
                    write!(f, "{field} changed")
                } else {
                    write!(f, "{field} {was} -> {is}")
                }
            }
            (Kind::Added, ..) => write!(f, "{field} added"),
            (Kind::Changed, ..) => write!(f, "{field} changed"),
        }
    }
}

/// A short value after `before`; nothing for a long one or one of many parts.
fn shown(value: &Value, before: &str) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => return String::new(),
        value => value.to_string(),
    };
    let fits = !text.is_empty() && !text.contains('\n') && text.chars().count() <= MAX_SHOWN;
    if fits { format!("{before}{text}") } else { String::new() }
}

/// An object as a value, without its status and what the server keeps about it.
pub(super) fn bare(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in KEPT_BY_SERVER {
                metadata.remove(field);
            }
        }
    }
    value
}

/// The fields by which two states of an object differ. Values of a Secret are left out.
#[must_use]
pub fn changes(before: &DynamicObject, after: &DynamicObject) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(&bare(before), &bare(after), "", &mut found);
    if after.types.as_ref().is_some_and(|t| t.kind == "Secret") {
        for change in found.iter_mut().filter(|c| !c.field.starts_with("metadata")) {
            (change.before, change.after) = (None, None);
        }
    }
    found
}

/// Of fields that differ those that an object as it is `wanted` does not name.
#[must_use]
pub fn unnamed(mut fields: Vec<FieldChange>, wanted: &DynamicObject) -> Vec<FieldChange> {
    let mut named = Vec::new();
    pair(None, Some(&bare(wanted)), "", &mut named);
    let is_below = |field: &str, of: &str| {
        field.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    fields.retain(|f| !named.iter().any(|n| is_below(&f.field, &n.field) || is_below(&n.field, &f.field)));
    fields
}

fn compare(before: &Value, after: &Value, path: &str, found: &mut Vec<FieldChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            let keys = before.keys().chain(after.keys().filter(|k| !before.contains_key(*k)));
            for key in keys {
                pair(before.get(key), after.get(key), &field(path, key), found);
            }
        }
        (Value::Array(before), Value::Array(after)) => lists(before, after, path, found),
        (before, after) => found.push(FieldChange {
            field: path.to_owned(),
            before: Some(before.clone()),
            after: Some(after.clone()),
            change: Kind::Changed,
        }),
    }
}

fn pair(before: Option<&Value>, after: Option<&Value>, path: &str, found: &mut Vec<FieldChange>) {
    let one = |change| FieldChange { field: path.to_owned(), before: before.cloned(), after: after.cloned(), change };
    match (before, after) {
        (Some(before), Some(after)) => compare(before, after, path, found),
        // A map is told by its fields, so that a label is named even when it is the only one.
        (Some(Value::Object(map)), None) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| pair(Some(value), None, &field(path, key), found));
        }
        (None, Some(Value::Object(map))) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| pair(None, Some(value), &field(path, key), found));
        }
        (Some(_), None) => found.push(one(Kind::Removed)),
        (None, Some(_)) => found.push(one(Kind::Added)),
        (None, None) => {}
    }
}

/// Lists of named things are compared by name, others of the same length one by one, and the rest as a whole.
fn lists(before: &[Value], after: &[Value], path: &str, found: &mut Vec<FieldChange>) {
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let names = |list: &[Value]| list.iter().map(name).collect::<Option<Vec<String>>>();
    if let (Some(was), Some(is)) = (names(before), names(after)) {
        for name in was.iter().chain(is.iter().filter(|n| !was.contains(n))) {
            let of = |names: &[String], list: &[Value]| {
                names.iter().position(|n| n == name).and_then(|i| list.get(i)).cloned()
            };
            let (before, after) = (of(&was, before), of(&is, after));
            let path = format!("{path}[{name}]");
            match (before, after) {
                (Some(before), Some(after)) => compare(&before, &after, &path, found),
                (before, after) => {
                    let change = if before.is_some() { Kind::Removed } else { Kind::Added };
                    found.push(FieldChange { field: path, before, after, change });
                }
            }
        }
    } else if before.len() == after.len() && before.iter().chain(after).all(Value::is_object) {
        for (i, (before, after)) in before.iter().zip(after).enumerate() {
            compare(before, after, &format!("{path}[{i}]"), found);
        }
    } else {
        let (before, after) = (Some(before.into()), Some(after.into()));
        found.push(FieldChange { field: path.to_owned(), before, after, change: Kind::Changed });
    }
}

pub(super) fn field(path: &str, key: &str) -> String {
    match (path.is_empty(), key.contains(['.', '/', ' '])) {
        (_, true) => format!("{path}[\"{key}\"]"),
        (true, false) => key.to_owned(),
        (false, false) => format!("{path}.{key}"),
    }
}

/// Whether a field manager has applied the object.
#[must_use]
pub fn is_applied_by(object: &DynamicObject, manager: &str) -> bool {
    owned(object, manager).is_some()
}

/// The fields that a manager owns by server-side apply, in the API server's own form (`FieldsV1`).
fn owned<'o>(object: &'o DynamicObject, manager: &str) -> Option<&'o Value> {
    let entries = object.metadata.managed_fields.iter().flatten();
    let mut own = entries.filter(|e| e.manager.as_deref() == Some(manager) && e.operation.as_deref() == Some("Apply"));
    own.find_map(|e| e.fields_v1.as_ref().map(|fields| &fields.0))
}

/// The object with all that `manager` owns as it was `before`, and owned by it no longer. What `keep` names stays.
pub(super) fn restored(
    live: &DynamicObject,
    manager: &str,
    before: &Value,
    keep: Option<&Value>,
) -> Result<DynamicObject, serde_json::Error> {
    let mut value = serde_json::to_value(live)?;
    if let Some(Value::Object(fields)) = owned(live, manager) {
        put_back(fields, &mut value, Some(before), keep);
    }
    let mut restored: DynamicObject = serde_json::from_value(value)?;
    if let Some(entries) = &mut restored.metadata.managed_fields {
        entries.retain(|e| e.manager.as_deref() != Some(manager));
    }
    Ok(restored)
}

fn put_back(fields: &Map<String, Value>, live: &mut Value, before: Option<&Value>, keep: Option<&Value>) {
    for (key, below) in fields {
        let below = below.as_object();
        let is_leaf = below.is_none_or(Map::is_empty);
        if let Some(name) = key.strip_prefix("f:") {
            let Some(map) = live.as_object_mut() else { continue };
            let (before, keep) = (before.and_then(|b| b.get(name)), keep.and_then(|k| k.get(name)));
            match (below.filter(|_| !is_leaf), before) {
                (None, _) if keep.is_some() => {}
                (None, Some(before)) => _ = map.insert(name.to_owned(), before.clone()),
                (None, None) => _ = map.remove(name),
                (Some(below), before) => {
                    if let (None, Some(before)) = (map.get(name), before) {
                        map.insert(name.to_owned(), before.clone());
                    }
                    let Some(child) = map.get_mut(name) else { continue };
                    put_back(below, child, before, keep);
                    if before.is_none() && is_nothing(child) {
                        map.remove(name);
                    }
                }
            }
        } else if let Some(keys) = key.strip_prefix("k:").and_then(|k| serde_json::from_str::<Value>(k).ok()) {
            let Some(list) = live.as_array_mut() else { continue };
            let of = |list: Option<&Value>| {
                list.and_then(Value::as_array).and_then(|l| l.iter().find(|i| has_keys(i, &keys))).cloned()
            };
            let (before, keep) = (of(before), of(keep));
            let Some(at) = list.iter().position(|item| has_keys(item, &keys)) else { continue };
            let is_own = below.is_some_and(|b| b.contains_key("."));
            if before.is_none() && keep.is_none() && is_own {
                list.remove(at);
            } else if let (Some(below), Some(item)) = (below, list.get_mut(at)) {
                put_back(below, item, before.as_ref(), keep.as_ref());
            }
        } else if let Some(item) = key.strip_prefix("v:").and_then(|v| serde_json::from_str::<Value>(v).ok()) {
            let has = |list: Option<&Value>| list.and_then(Value::as_array).is_some_and(|l| l.contains(&item));
            if let Some(list) = live.as_array_mut().filter(|_| !has(before) && !has(keep)) {
                list.retain(|i| *i != item);
            }
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether an element of a list is the one that these keys name. A key that it leaves out has its default, which only the server knows.
pub(super) fn has_keys(item: &Value, keys: &Value) -> bool {
    keys.as_object().is_some_and(|keys| keys.iter().all(|(key, value)| item.get(key).is_none_or(|v| v == value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    fn told(before: Value, after: Value) -> Vec<String> {
        changes(&object(before), &object(after)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_an_object_does_not_name_is_left_of_what_differs() {
        let object = |data: Value| -> DynamicObject {
            serde_json::from_value(
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data }),
            )
            .expect("an object")
        };
        let gone = changes(&object(json!({ "a": "1", "ab": "2", "b": "3" })), &object(json!({})));
        let left = unnamed(gone, &object(json!({ "a": "1" })));
        assert_eq!(left.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["data.ab", "data.b"]);
    }

    #[test]
    fn what_differs_is_told_by_field() {
        let map = |labels: Value, data: Value| {
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "labels": labels,
                "resourceVersion": "7", "managedFields": [] }, "data": data })
        };
        let before = map(json!({ "team": "a", "a.b/tier": "web" }), json!({ "a": "1", "b": "2" }));
        let mut after = map(json!({ "team": "b" }), json!({ "a": "1", "c": "3" }));
        after["metadata"]["resourceVersion"] = json!("8");
        assert_eq!(
            told(before.clone(), after),
            [
                "metadata.labels[\"a.b/tier\"] removed",
                "metadata.labels.team a -> b",
                "data.b removed",
                "data.c added: 3"
            ]
        );
        assert_eq!(told(before.clone(), before), Vec::<String>::new());
    }

    #[test]
    fn lists_are_told_by_name_or_place() {
        let of = |containers: Value, hosts: Value| {
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
                "spec": { "containers": containers, "hosts": hosts } })
        };
        let before = of(json!([{ "name": "web", "image": "a" }, { "name": "old" }]), json!(["a", "b"]));
        let after = of(json!([{ "name": "web", "image": "b" }]), json!(["a"]));
        assert_eq!(
            told(before, after),
            ["spec.containers[web].image a -> b", "spec.containers[old] removed", "spec.hosts changed"]
        );
    }

    #[test]
    fn values_of_a_secret_are_not_told() {
        let of = |value: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" }, "data": { "key": value } });
        assert_eq!(told(of("b25l"), of("dHdv")), ["data.key changed"]);
        let json = serde_json::to_string(&changes(&object(of("b25l")), &object(of("dHdv")))).expect("JSON");
        assert!(!json.contains("dHdv") && !json.contains("b25l"), "{json}");
    }

    /// A live `ConfigMap` of which the scenario owns one key that was there, one that was not, and a label.
    fn patched() -> DynamicObject {
        object(json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "coredns", "namespace": "kube-system", "labels": { "team": "a", "later": "x" },
                "managedFields": [
                    { "manager": "lab-scenario", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {
                        "f:metadata": { "f:labels": { "f:team": {} } },
                        "f:data": { "f:Corefile": {}, "f:extra": {} } } },
                    { "manager": "kubeadm", "operation": "Update" } ] },
            "data": { "Corefile": "new", "extra": "1", "others": "2" } }))
    }

    #[test]
    fn what_was_there_comes_back_and_what_others_added_stays() {
        let before = json!({ "metadata": { "name": "coredns" }, "data": { "Corefile": "old" } });
        let back = restored(&patched(), "lab-scenario", &before, None).expect("an object");
        assert_eq!(back.data["data"], json!({ "Corefile": "old", "others": "2" }));
        assert_eq!(back.metadata.labels, Some([("later".to_owned(), "x".to_owned())].into()));
        let managers: Vec<_> = back.metadata.managed_fields.iter().flatten().map(|e| e.manager.clone()).collect();
        assert_eq!(managers, [Some("kubeadm".to_owned())]);
    }

    #[test]
    fn what_is_still_wanted_stays() {
        let before = json!({ "metadata": { "name": "coredns" }, "data": { "Corefile": "old" } });
        let keep = json!({ "metadata": { "name": "coredns" }, "data": { "extra": "1" } });
        let back = restored(&patched(), "lab-scenario", &before, Some(&keep)).expect("an object");
        assert_eq!(back.data["data"], json!({ "Corefile": "old", "extra": "1", "others": "2" }));
    }

    #[test]
    fn elements_of_lists_go_by_their_keys() {
        let live = object(json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "coredns", "finalizers": ["a", "mine"], "managedFields": [
                { "manager": "lab-scenario", "operation": "Apply", "fieldsV1": {
                    "f:metadata": { "f:finalizers": { "v:\"mine\"": {} } },
                    "f:spec": { "f:containers": {
                        "k:{\"name\":\"coredns\"}": { ".": {}, "f:name": {}, "f:image": {} },
                        "k:{\"name\":\"mine\"}": { ".": {}, "f:name": {} } } } } }] },
            "spec": { "containers": [{ "name": "coredns", "image": "b", "tty": true }, { "name": "mine", "tty": false }] } }));
        let before = json!({ "metadata": { "finalizers": ["a"] },
            "spec": { "containers": [{ "name": "coredns", "image": "a" }] } });
        let back = restored(&live, "lab-scenario", &before, None).expect("an object");
        assert_eq!(back.data["spec"]["containers"], json!([{ "name": "coredns", "image": "a", "tty": true }]));
        assert_eq!(back.metadata.finalizers, Some(vec!["a".to_owned()]));
    }
}
