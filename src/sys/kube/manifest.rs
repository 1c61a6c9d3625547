//! Manifests: YAML documents as objects, in the order in which a cluster accepts them.

use kube::api::DynamicObject;
use serde_json::Value;

use super::KubeError;

/// Objects to apply, ordered so that what others need comes first.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The objects.
    pub objects: Vec<DynamicObject>,
}

impl Manifest {
    /// Reads YAML documents; empty ones are passed over.
    pub fn parse(yaml: &str) -> Result<Self, KubeError> {
        let documents: Vec<Value> = serde_yaml::from_multiple(yaml).map_err(|e| KubeError::Manifest(e.to_string()))?;
        documents.into_iter().filter(|d| !d.is_null()).map(Self::object).collect::<Result<Vec<_>, _>>().map(Self::of)
    }

    /// The objects given as JSON values.
    pub fn from_values(values: impl IntoIterator<Item = Value>) -> Result<Self, KubeError> {
        values.into_iter().map(Self::object).collect::<Result<Vec<_>, _>>().map(Self::of)
    }

    fn object(value: Value) -> Result<DynamicObject, KubeError> {
        let object: DynamicObject = serde_json::from_value(value).map_err(|e| KubeError::Manifest(e.to_string()))?;
        if object.types.is_none() || object.metadata.name.is_none() {
            return Err(KubeError::Manifest("an object without apiVersion, kind or name".to_owned()));
        }
        Ok(object)
    }

    fn of(mut objects: Vec<DynamicObject>) -> Self {
        objects.sort_by_key(|o| rank(kind(o)));
        Self { objects }
    }

    /// Adds the objects of another manifest, in their places.
    pub fn extend(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.objects.sort_by_key(|o| rank(kind(o)));
    }

    /// Adds those objects of another manifest that this one does not have, in their places.
    pub fn extend_missing(&mut self, other: Self) {
        let identity = |o: &DynamicObject| (kind(o).to_owned(), o.metadata.namespace.clone(), o.metadata.name.clone());
        let own: std::collections::BTreeSet<_> = self.objects.iter().map(identity).collect();
        let (missing, _) = other.split(|o| !own.contains(&identity(o)));
        self.extend(missing);
    }

    /// Splits off the objects for which `matches` holds.
    #[must_use]
    pub fn split(self, mut matches: impl FnMut(&DynamicObject) -> bool) -> (Self, Self) {
        let (yes, no) = self.objects.into_iter().partition(|o| matches(o));
        (Self { objects: yes }, Self { objects: no })
    }

    /// Says how many replicas a Deployment has where it leaves that to Kubernetes. What is not said is not put right again by an apply.
    pub fn state_replicas(&mut self) {
        for object in self.objects.iter_mut().filter(|o| kind(o) == "Deployment") {
            if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
                spec.entry("replicas").or_insert_with(|| 1.into());
            }
        }
    }

    /// The objects by rank: each slice is applied, and its definitions established, before the next.
    pub fn ranks(&self) -> impl Iterator<Item = &[DynamicObject]> {
        self.objects.chunk_by(|a, b| rank(kind(a)) == rank(kind(b)))
    }

    /// The same of what each has an object: those of one rank together, in the order of ranks.
    pub fn ranks_of<T>(all: impl IntoIterator<Item = T>, object: impl Fn(&T) -> &DynamicObject) -> Vec<Vec<T>> {
        let mut ranks: std::collections::BTreeMap<u8, Vec<T>> = std::collections::BTreeMap::new();
        for one in all {
            ranks.entry(rank(kind(object(&one)))).or_default().push(one);
        }
        ranks.into_values().collect()
    }

    /// Adds labels to every object.
    pub fn label(&mut self, labels: &[(&str, &str)]) {
        for object in &mut self.objects {
            let all = object.metadata.labels.get_or_insert_default();
            all.extend(labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        }
    }
}

/// The kind of an object, empty when it has none.
pub(super) fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |t| t.kind.as_str())
}

/// Objects of a lower rank are applied, and definitions established, before those of a higher one.
pub(super) fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        "ServiceAccount" | "ClusterRole" | "Role" | "ConfigMap" => 2,
        // A token Secret whose account does not exist yet is deleted by the controller manager.
        "ClusterRoleBinding" | "RoleBinding" | "Service" | "Secret" => 3,
        "Deployment" | "DaemonSet" | "StatefulSet" => 4,
        _ => 5,
    }
}

/// Whether `live` already has all that `wanted` asks for. Empty values count as absent; what cannot be compared (a quantity written in
/// another way) counts as missing, which costs one apply that changes nothing.
#[must_use]
pub fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, value)| match live.get(key) {
            Some(found) => covers(found, value),
            None => is_empty(value),
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(l, w)| covers(l, w))
        }
        (live, wanted) => live == wanted || (is_empty(live) && is_empty(wanted)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_come_before_what_they_define() {
        let manifest = Manifest::parse(
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a, namespace: b}\n---\n---\n\
             apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n",
        )
        .expect("valid");
        assert_eq!(manifest.objects.iter().map(kind).collect::<Vec<_>>(), ["Namespace", "IPAddressPool"]);
    }

    #[test]
    fn covers_ignores_what_the_server_added_and_sees_what_is_missing() {
        let live = json!({"spec": {"replicas": 1, "paused": false, "list": [{"a": 1, "b": 2}]}, "status": {}});
        assert!(covers(&live, &json!({"spec": {"replicas": 1, "list": [{"a": 1}], "gone": {}}})));
        assert!(!covers(&live, &json!({"spec": {"replicas": 2}})));
        assert!(!covers(&live, &json!({"spec": {"list": []}})));
        assert!(!covers(&live, &json!({"spec": {"new": 1}})));
    }
}
