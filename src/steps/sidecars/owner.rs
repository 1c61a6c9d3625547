//! What makes pods.

use serde_json::json;

/// Kind of a pod, where it is its own owner.
pub(super) const POD: &str = "Pod";

/// What makes pods of a template: kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) namespace: String,
    pub(super) kind: String,
    pub(super) name: String,
}

impl Owner {
    pub(crate) fn identity(&self) -> serde_json::Value {
        let version = if self.kind == POD { "v1" } else { "apps/v1" };
        json!({ "apiVersion": version, "kind": self.kind, "metadata": { "namespace": self.namespace, "name": self.name } })
    }

    /// Whether it is in that namespace.
    pub(crate) fn is_in(&self, namespace: &str) -> bool {
        self.namespace == namespace
    }

    /// Whether it is that one.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
