//! Fields of an object that a person has set with kubectl and that the object, as it is wanted, leaves to its default. Pure.

use kube::api::DynamicObject;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::fields::{bare, field, has_keys};

/// How kubectl calls itself as a field manager: `kubectl-patch`, `kubectl-edit`, `kubectl-client-side-apply`, `kubectl` and so on.
const KUBECTL: &str = "kubectl";
/// Annotations in which kubectl keeps what it has done.
const KEPT_BY_KUBECTL: [&str; 2] =
    ["f:kubectl.kubernetes.io/last-applied-configuration", "f:kubectl.kubernetes.io/restartedAt"];

/// A field that a person has set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ByHand {
    /// Who has set it, as the API server names it.
    pub manager: String,
    /// Where it is, as `spec.ports[http].targetPort`.
    pub field: String,
    /// What it is now; nothing for a value of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The steps to it, as the API server has them (`FieldsV1`).
    #[serde(skip)]
    path: Vec<String>,
}

impl std::fmt::Display for ByHand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.value.as_ref().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        let value = value.filter(|v| !v.contains('\n') && v.chars().count() <= 60);
        let said = value.map_or_else(String::new, |v| format!(": {v}"));
        write!(f, "changed by {}: {}{said}", self.manager, self.field)
    }
}

/// The fields of a live object that kubectl owns and that `wanted` does not name.
#[must_use]
pub fn set_by_hand(live: &DynamicObject, wanted: &DynamicObject) -> Vec<ByHand> {
    let (object, wanted) = (bare(live), bare(wanted));
    let is_secret = live.types.as_ref().is_some_and(|t| t.kind == "Secret");
    let mut found = Vec::new();
    for entry in live.metadata.managed_fields.iter().flatten() {
        // A controller's own fields are in the status.
        let manager = entry.manager.as_deref().filter(|m| m.starts_with(KUBECTL));
        let (Some(manager), Some(fields)) = (manager, &entry.fields_v1) else { continue };
        let mut paths = Vec::new();
        leaves(&fields.0, &mut Vec::new(), &mut paths);
        for path in paths {
            let Some(value) = at(&object, &path).filter(|_| at(&wanted, &path).is_none()) else { continue };
            let is_told = !is_secret || path.first().is_some_and(|p| p == "f:metadata");
            let value = is_told.then(|| value.clone());
            found.push(ByHand { manager: manager.to_owned(), field: in_words(&object, &path), value, path });
        }
    }
    found
}

/// The object without these fields, as far as they are there: the API server gives them their defaults.
pub(super) fn without(live: &DynamicObject, fields: &[ByHand]) -> Result<DynamicObject, serde_json::Error> {
    let mut value = serde_json::to_value(live)?;
    for field in fields {
        let Some((last, before)) = field.path.split_last() else { continue };
        if let (Some(parent), Some(name)) = (at_mut(&mut value, before), last.strip_prefix("f:"))
            && let Some(map) = parent.as_object_mut()
        {
            map.remove(name);
        }
    }
    serde_json::from_value(value)
}

/// Of these fields those that are in an object again, with another value: their defaults.
pub(super) fn defaulted(fields: &[ByHand], live: &DynamicObject, after: &DynamicObject) -> Vec<ByHand> {
    let (live, after) = (bare(live), bare(after));
    let is_default = |f: &&ByHand| at(&after, &f.path).is_some_and(|value| at(&live, &f.path) != Some(value));
    fields.iter().filter(is_default).cloned().collect()
}

/// The paths of fields that are owned for themselves: single values, and lists and maps that are owned as a whole.
fn leaves(fields: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let below: Vec<(&String, &Value)> = fields.as_object().into_iter().flatten().filter(|(k, _)| *k != ".").collect();
    if below.is_empty() && path.last().is_some_and(|key| key.starts_with("f:")) {
        found.push(path.clone());
    }
    for (key, fields) in below {
        if KEPT_BY_KUBECTL.contains(&key.as_str()) {
            continue;
        }
        path.push(key.clone());
        leaves(fields, path, found);
        path.pop();
    }
}

fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| match key.strip_prefix("f:") {
        Some(name) => value.get(name),
        None => value.as_array()?.get(position(value, key)?),
    })
}

fn at_mut<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, key| {
        if let Some(name) = key.strip_prefix("f:") {
            return value.get_mut(name);
        }
        let at = position(value, key)?;
        value.as_array_mut()?.get_mut(at)
    })
}

/// Where in a list the element is that `k:{...}` names.
fn position(list: &Value, key: &str) -> Option<usize> {
    let keys: Value = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
    list.as_array()?.iter().position(|item| has_keys(item, &keys))
}

/// A path as other messages have it; an element of a list by its name, if it has one.
fn in_words(object: &Value, path: &[String]) -> String {
    let mut words = String::new();
    for (end, key) in path.iter().enumerate() {
        words = if let Some(name) = key.strip_prefix("f:") {
            field(&words, name)
        } else {
            let element = path.get(..=end).and_then(|path| at(object, path));
            let name = element.and_then(|e| e["name"].as_str());
            format!("{words}[{}]", name.unwrap_or_else(|| key.trim_start_matches("k:")))
        };
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    fn service(ports: &Value, managed: &Value) -> DynamicObject {
        object(json!({ "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "web", "namespace": "shop", "labels": { "team": "a" },
                "annotations": { "kubectl.kubernetes.io/restartedAt": "x" }, "managedFields": managed },
            "spec": { "ports": ports, "selector": { "app": "web" } } }))
    }

    fn managed(manager: &str) -> Value {
        json!([{ "manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": { "f:labels": { "f:team": {} }, "f:annotations": { "f:kubectl.kubernetes.io/restartedAt": {} } },
            "f:spec": { "f:ports": { "k:{\"port\":5000,\"protocol\":\"TCP\"}": { "f:targetPort": {} } }, "f:selector": {} } } }])
    }

    fn patched() -> DynamicObject {
        service(
            &json!([{ "name": "http", "port": 5000, "protocol": "TCP", "targetPort": 5001 }]),
            &managed("kubectl-patch"),
        )
    }

    /// As the file has it: it leaves the target port to its default.
    fn wanted() -> DynamicObject {
        object(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "ports": [{ "name": "http", "port": 5000 }], "selector": { "app": "web" } } }))
    }

    #[test]
    fn what_kubectl_has_set_and_the_file_does_not_say_is_told() {
        let found = set_by_hand(&patched(), &wanted());
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "changed by kubectl-patch: metadata.labels.team: a",
                "changed by kubectl-patch: spec.ports[http].targetPort: 5001"
            ]
        );
        // What the file says itself is applied anyway, and what others set is their business.
        let mut says = wanted();
        says.data["spec"]["ports"][0]["targetPort"] = json!(5000);
        says.metadata.labels = Some([("team".to_owned(), "b".to_owned())].into());
        assert_eq!(set_by_hand(&patched(), &says), []);
        let by = |manager: &str| service(&json!([{ "port": 5000, "targetPort": 5001 }]), &managed(manager));
        assert_eq!(set_by_hand(&by("kube-controller-manager"), &wanted()), []);
    }

    #[test]
    fn a_field_with_a_default_can_be_set_back_and_one_that_was_added_cannot() {
        let found = set_by_hand(&patched(), &wanted());
        let bare = without(&patched(), &found).expect("an object");
        assert_eq!(bare.data["spec"]["ports"], json!([{ "name": "http", "port": 5000, "protocol": "TCP" }]));
        assert_eq!(bare.metadata.labels, Some([].into()));
        // As the API server would answer.
        let mut after = bare;
        after.data["spec"]["ports"][0]["targetPort"] = json!(5000);
        let back: Vec<String> = defaulted(&found, &patched(), &after).into_iter().map(|f| f.field).collect();
        assert_eq!(back, ["spec.ports[http].targetPort"]);
    }

    #[test]
    fn values_of_a_secret_are_not_told() {
        let secret = |data: Value, managed: Value| {
            object(
                json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a", "managedFields": managed }, "data": data }),
            )
        };
        let managed =
            json!([{ "manager": "kubectl-edit", "operation": "Update", "fieldsV1": { "f:data": { "f:key": {} } } }]);
        let found = set_by_hand(&secret(json!({ "key": "dHdv" }), managed), &secret(json!({}), json!([])));
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["changed by kubectl-edit: data.key"]);
    }
}
