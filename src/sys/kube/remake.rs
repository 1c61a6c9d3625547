//! What cannot be changed in place: made anew where only that can be meant, refused where something of the user's would be lost.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, PropagationPolicy};
use kube::core::response::StatusCause;
use kube::runtime::wait::{await_condition, conditions};
use serde_json::Value;

use super::manifest::kind;
use super::refusal::{cause, causes};
use super::{Cluster, How, KubeError, Sent, covers, describe};

/// How long an object that is made anew may take to be gone, its pods included.
const GONE: Duration = Duration::from_secs(120);

/// Kinds that hold nothing but what the manifest says, by API group: one that is made anew is as good as the one before.
const REMADE: [(&str, &[&str]); 8] = [
    ("", &["ConfigMap", "Pod", "Secret", "Service"]),
    ("apps", &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("batch", &["Job"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("networking.k8s.io", &["IngressClass"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("rbac.authorization.k8s.io", &["ClusterRoleBinding", "RoleBinding"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
];

/// How the API server says that a field keeps the value that it was created with.
const FIXED: [&str; 8] = [
    "immutable",
    "may not change once set",
    "cannot change roleRef",
    "updates to statefulset spec for fields other than",
    "pod updates may not change fields other than",
    "may not be changed in an update",
    "may not be updated",
    "cannot be changed",
];

/// What a refusal says of fields that cannot be changed in place; nothing when it is about anything else too, since then the object would be
/// refused as a new one as well.
pub(super) fn fixed_fields(error: &kube::Error) -> Option<String> {
    let kube::Error::Api(status) = error else { return None };
    let is_fixed = |c: &StatusCause| FIXED.iter().any(|words| c.message.contains(words));
    let causes = causes(status);
    if status.code != 422 || causes.is_empty() || !causes.iter().all(is_fixed) {
        return None;
    }
    let fields: Vec<String> = causes.iter().map(cause).collect();
    Some(fields.join("; "))
}

/// A change that the API server takes without a word and does not make: a headless Service stays one when its manifest no longer says so.
pub(super) fn kept_in_silence(live: &DynamicObject, wanted: &DynamicObject) -> Option<String> {
    let text =
        |object: &DynamicObject, pointer| object.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let was_headless = kind(live) == "Service" && text(live, "/spec/clusterIP").as_deref() == Some("None");
    let is_ordinary = text(wanted, "/spec/clusterIP").is_none_or(|address| address.is_empty())
        && text(wanted, "/spec/type").as_deref() != Some("ExternalName");
    (was_headless && is_ordinary).then(|| "spec.clusterIP: None stays once it is set".to_owned())
}

/// What would be lost with an object if it were deleted and made anew.
fn loss(live: &DynamicObject, wanted: &DynamicObject) -> Option<&'static str> {
    if !is_remade(wanted) {
        return Some(match kind(wanted) {
            "PersistentVolumeClaim" | "PersistentVolume" => "what is stored in it would be lost",
            "CustomResourceDefinition" => "all objects of its kind would be lost",
            _ => "what belongs to it might be lost",
        });
    }
    if kind(wanted) != "StatefulSet" {
        return None;
    }
    let claims =
        |object: &DynamicObject| object.data.pointer("/spec/volumeClaimTemplates").cloned().unwrap_or(Value::Null);
    if !covers(&claims(live), &claims(wanted)) || !covers(&names(&claims(wanted)), &names(&claims(live))) {
        return Some("its claims keep what they were made with, and what is stored in them would be lost");
    }
    let when_deleted = live.data.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted");
    (when_deleted.is_some_and(|w| w == "Delete"))
        .then_some("its claims, with what is stored in them, are deleted with it")
}

/// The names of claims.
fn names(claims: &Value) -> Value {
    let all = claims.as_array().into_iter().flatten().map(|claim| claim["metadata"]["name"].clone());
    Value::Array(all.collect())
}

/// Whether an object of this kind may be deleted and made anew.
fn is_remade(object: &DynamicObject) -> bool {
    let version = object.types.as_ref().map_or("", |t| t.api_version.as_str());
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    REMADE.iter().any(|(of, kinds)| *of == group && kinds.contains(&kind(object)))
}

/// Whether a change of such an object may be refused, rather than made.
#[must_use]
pub fn may_be_refused(object: &DynamicObject) -> bool {
    !is_remade(object) || kind(object) == "StatefulSet"
}

/// The refusal of a change by which something would be lost.
fn refuse(object: &DynamicObject, fields: String, loss: &'static str) -> KubeError {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let namespace = object.metadata.namespace.as_ref().map_or_else(String::new, |n| format!(" -n {n}"));
    let delete = format!("kubectl delete{namespace} {} {name}", kind(object).to_lowercase());
    KubeError::Fixed { what: describe(object), fields, loss, delete }
}

impl Cluster {
    /// Makes an object anew that cannot be changed in place, and says what of it could not: it is deleted with all that belongs to it, waited for,
    /// and applied. A dry run tells what would be.
    ///
    /// # Errors
    /// Something would be lost with it: then nothing is done.
    pub(super) async fn remake(&self, object: &DynamicObject, how: How, fields: String) -> Result<Sent, KubeError> {
        let live = self.live(object).await?;
        if let Some(loss) = live.as_ref().and_then(|live| loss(live, object)) {
            return Err(refuse(object, fields, loss));
        }
        let after = if how.dry_run {
            object.clone()
        } else {
            if let Some(live) = &live {
                self.clear(live).await?;
            }
            self.patch(object, how).await?
        };
        Ok(Sent::anew(live, after, fields))
    }

    /// Deletes an object with all that belongs to it, and waits until it is gone.
    async fn clear(&self, live: &DynamicObject) -> Result<(), KubeError> {
        let api = self.api_for(live).await?;
        let what = describe(live);
        let name = live.metadata.name.as_deref().unwrap_or_default();
        // In the foreground: pods of a Deployment whose selector changes would outlive it, and answer beside the new ones.
        let foreground = Some(PropagationPolicy::Foreground);
        match api.delete(name, &DeleteParams { propagation_policy: foreground, ..DeleteParams::default() }).await {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            result => _ = result.map_err(KubeError::request(format!("delete {what}")))?,
        }
        let uid = live.metadata.uid.as_deref().unwrap_or_default();
        let gone = Box::pin(await_condition(api, name, conditions::is_deleted(uid)));
        match tokio::time::timeout(GONE, gone).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(KubeError::Timeout {
                what: format!("{what}, which cannot be changed in place, is deleted and not gone"),
                seconds: GONE.as_secs(),
                last: String::new(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::refusal::tests::refused;
    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn what_is_fixed_is_told_apart_from_what_is_wrong() {
        let of = |causes: &[(&str, &str)]| fixed_fields(&refused(422, "X is invalid", causes));
        assert_eq!(
            of(&[("spec.template", "Invalid value: 1: field is immutable")]).as_deref(),
            Some("spec.template: Invalid value: 1: field is immutable")
        );
        for message in [
            "Invalid value: [\"None\"]: may not change once set",
            "Invalid value: {}: cannot change roleRef",
            "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
            "Forbidden: spec is immutable after creation except resources.requests for bound claims",
            "Forbidden: field is immutable when `immutable` is set",
        ] {
            assert!(of(&[("spec", message)]).is_some(), "{message}");
        }
        // Deleting it would leave nothing: the new one would be refused too.
        assert_eq!(of(&[("spec.selector", "field is immutable"), ("spec.replicas", "must be positive")]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(fixed_fields(&refused(409, "X", &[("a", "field is immutable")])), None);
    }

    #[test]
    fn what_holds_data_is_not_made_anew() {
        let of = |version: &str, kind: &str| {
            let object = object(json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "a" } }));
            loss(&object, &object)
        };
        for (version, kind) in [("batch/v1", "Job"), ("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "Secret")] {
            assert_eq!(of(version, kind), None, "{kind}");
        }
        assert_eq!(of("v1", "PersistentVolumeClaim"), Some("what is stored in it would be lost"));
        assert!(of("apiextensions.k8s.io/v1", "CustomResourceDefinition").is_some());
        // Another API's kind of the same name.
        assert!(of("batch.example.org/v1", "Job").is_some());
    }

    #[test]
    fn a_stateful_set_is_made_anew_only_with_the_same_claims() {
        let set = |claims: Value, when_deleted: &str| {
            object(json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "a" }, "spec": {
                "volumeClaimTemplates": claims, "persistentVolumeClaimRetentionPolicy": { "whenDeleted": when_deleted } } }))
        };
        let claim = |size: &str, more: &str| json!([{ "metadata": { "name": "data" }, "spec": { "volumeMode": more, "resources": { "requests": { "storage": size } } } }]);
        let live = set(claim("1Gi", "Filesystem"), "Retain");
        assert_eq!(loss(&live, &set(claim("1Gi", "Filesystem"), "Retain")), None);
        assert!(loss(&live, &set(claim("2Gi", "Filesystem"), "Retain")).is_some());
        assert!(loss(&live, &set(Value::Null, "Retain")).is_some());
        assert!(loss(&set(claim("1Gi", "a"), "Delete"), &set(claim("1Gi", "a"), "Delete")).is_some());
        assert_eq!(loss(&set(Value::Null, "Retain"), &set(Value::Null, "Retain")), None);
    }

    #[test]
    fn a_service_does_not_get_an_address_in_place() {
        let service = |spec: Value| {
            object(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a" }, "spec": spec }))
        };
        let headless = service(json!({ "clusterIP": "None", "type": "ClusterIP" }));
        assert!(kept_in_silence(&headless, &service(json!({ "ports": [] }))).is_some());
        assert!(kept_in_silence(&headless, &service(json!({ "clusterIP": "None" }))).is_none());
        assert!(kept_in_silence(&headless, &service(json!({ "type": "ExternalName" }))).is_none());
        assert!(kept_in_silence(&service(json!({ "clusterIP": "10.0.0.1" })), &service(json!({}))).is_none());
    }
}
