//! Whose an object is that stands where lab would put one of its own.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde::Serialize;

use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::describe;

/// An object that exists and is not the lab's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Kind, namespace and name.
    pub object: String,
    /// Who has made it, as far as it tells.
    pub owner: String,
}

impl Taken {
    pub(super) fn of(live: &DynamicObject) -> Self {
        Self { object: describe(live), owner: owner(live) }
    }
}

/// What an object tells of who has made it: a lab, a Helm release, what its labels name; and the field managers in any case.
fn owner(live: &DynamicObject) -> String {
    let (labels, annotations) = (live.labels(), live.annotations());
    let release = annotations.get("meta.helm.sh/release-name").map(|release| {
        let namespace = annotations.get("meta.helm.sh/release-namespace").map_or("default", String::as_str);
        format!("Helm release {namespace}/{release}")
    });
    let istioctl = labels.keys().any(|key| key.starts_with("install.operator.istio.io/"));
    let named = labels.get("app.kubernetes.io/managed-by").map(|by| format!("managed by {by}"));
    let lab = labels.get(LAB_LABEL).map(|lab| format!("a lab {lab} that this state does not know"));
    let known = lab.or(release).or(istioctl.then(|| "istioctl install".to_owned())).or(named);
    let mut managers: Vec<&str> = Vec::new();
    for manager in live.managed_fields().iter().filter_map(|m| m.manager.as_deref()) {
        if !managers.contains(&manager) {
            managers.push(manager);
        }
    }
    let managers = if managers.is_empty() {
        "no field manager".to_owned()
    } else {
        format!("field managers: {}", managers.join(", "))
    };
    known.map_or_else(|| managers.clone(), |known| format!("{known}; {managers}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_owner_is_what_the_object_tells() {
        let of = |metadata: serde_json::Value| {
            let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
            owner(&serde_json::from_value(object).expect("an object"))
        };
        assert_eq!(of(json!({ "name": "a" })), "no field manager");
        let managed = json!([{ "manager": "kubectl-create" }, { "manager": "helm" }, { "manager": "helm" }]);
        assert_eq!(of(json!({ "name": "a", "managedFields": managed })), "field managers: kubectl-create, helm");
        assert_eq!(
            of(json!({ "name": "a", "managedFields": [{ "manager": "helm" }],
                "annotations": { "meta.helm.sh/release-name": "istiod", "meta.helm.sh/release-namespace": "istio-system" } })),
            "Helm release istio-system/istiod; field managers: helm"
        );
        assert!(of(json!({ "name": "a", "labels": { LAB_LABEL: "x" } })).starts_with("a lab x that this state"));
        assert!(
            of(json!({ "name": "a", "labels": { "install.operator.istio.io/owning-resource": "x" } }))
                .starts_with("istioctl install")
        );
    }
}
