//! Server-side apply, with retries for what a young cluster refuses for a moment.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::Value;

use super::by_hand::{defaulted, without};
use super::fields::{bare, changes, restored};
use super::manifest::kind;
use super::remake::{fixed_fields, kept_in_silence};
use super::{ByHand, Cluster, FieldChange, KubeError, Manifest, covers, describe};

/// How many requests are under way at once to one API server.
const CONCURRENCY: usize = 16;

/// How long an admission webhook or a new kind may refuse before the refusal counts. Nothing can be watched here: a webhook's Service
/// answers some time after its pod is ready, when kube-proxy has written the rules.
const PATIENCE: Duration = Duration::from_secs(60);

/// Field manager of a [`restored`] object's values: none that applies.
const RESTORER: &str = "lab-restore";

/// Who applies: the API server keeps apart what each field manager has named, and takes out what it names no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Lab itself: the mesh, load balancers, labels of nodes.
    Lab,
    /// The scenario: its apps and manifests.
    Scenario,
    /// Who develops something in the lab (`lab dev`).
    Developer,
}

impl Manager {
    /// Name of the field manager.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Scenario => "lab-scenario",
            Self::Developer => "lab-dev",
        }
    }
}

/// How an object is applied.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Who applies.
    pub manager: Manager,
    /// Whether a field that lab itself sets to another value is an error, rather than taken over.
    pub yields: bool,
    /// Whether the API server only says what would be.
    pub dry_run: bool,
}

impl How {
    /// As lab applies its own.
    pub const OWN: Self = Self { manager: Manager::Lab, yields: false, dry_run: false };
}

/// An object before and after a request.
#[derive(Clone, Debug)]
pub struct Sent {
    before: Option<DynamicObject>,
    after: DynamicObject,
    /// What could not be changed in place, so that the object was made anew.
    remade: Option<String>,
}

impl Sent {
    /// Whether the request changed anything, be it only who owns a field.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.before
            .as_ref()
            .is_none_or(|before| before.metadata.resource_version != self.after.metadata.resource_version)
    }

    /// Whether the object was not there before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// An object that was made anew, since these fields cannot be changed in place.
    pub(super) fn anew(before: Option<DynamicObject>, after: DynamicObject, fields: String) -> Self {
        Self { before, after, remade: Some(fields) }
    }

    /// What of the object could not be changed in place, where it was made anew.
    #[must_use]
    pub fn remade(&self) -> Option<&str> {
        self.remade.as_deref()
    }

    /// The same, counted from before another request.
    #[must_use]
    pub fn since(self, first: Option<Self>) -> Self {
        match first {
            Some(first) => Self { before: first.before, after: self.after, remade: self.remade.or(first.remade) },
            None => self,
        }
    }

    /// The fields that differ; none for a new object.
    #[must_use]
    pub fn fields(&self) -> Vec<FieldChange> {
        self.before.as_ref().map(|before| changes(before, &self.after)).unwrap_or_default()
    }
}

impl Cluster {
    /// Whether every object exists and has all that the manifest asks for.
    pub async fn has(&self, manifest: &Manifest) -> Result<bool, KubeError> {
        let live = self.live_all(manifest).await?;
        Ok(manifest.objects.iter().zip(live).all(|(object, live)| live.is_some_and(|live| is_covered(&live, object))))
    }

    pub(super) async fn live(&self, object: &DynamicObject) -> Result<Option<DynamicObject>, KubeError> {
        let api = match self.api_for(object).await {
            Err(KubeError::UnknownKind { .. }) => return Ok(None),
            api => api?,
        };
        let name = object.metadata.name.as_deref().unwrap_or_default();
        api.get_opt(name).await.map_err(KubeError::request(format!("read {}", describe(object))))
    }

    /// The objects as they are in the cluster, in the manifest's order; nothing for one that is not there.
    pub async fn live_all(&self, manifest: &Manifest) -> Result<Vec<Option<DynamicObject>>, KubeError> {
        stream::iter(&manifest.objects).map(|object| self.live(object)).buffered(CONCURRENCY).try_collect().await
    }

    /// Applies the objects as lab's own, each rank after the one before, where they are not there or lack something. Tells whether anything changed.
    pub async fn apply(&self, manifest: &Manifest) -> Result<bool, KubeError> {
        let mut changed = false;
        for objects in manifest.ranks() {
            let sent = self.side_by_side(objects.iter().map(|object| async {
                let live = self.live(object).await?;
                if live.as_ref().is_some_and(|live| is_covered(live, object)) {
                    return Ok(false);
                }
                Ok(self.apply_object(object, live, How::OWN).await?.is_change())
            }));
            changed |= sent.await?.contains(&true);
            self.until_established(objects).await?;
        }
        Ok(changed)
    }

    /// Runs requests side by side, as many as an API server bears, and gives their results in order.
    pub async fn side_by_side<T, E>(
        &self,
        requests: impl IntoIterator<Item = impl Future<Output = Result<T, E>>>,
    ) -> Result<Vec<T>, E> {
        stream::iter(requests).buffered(CONCURRENCY).try_collect().await
    }

    /// Applies one object, which was `live` a moment ago. What is refused for a moment only is tried again.
    pub async fn apply_object(
        &self,
        object: &DynamicObject,
        live: Option<DynamicObject>,
        how: How,
    ) -> Result<Sent, KubeError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(100);
        let mut before = live;
        loop {
            match self.patch(object, how).await {
                Err(error) if !how.dry_run && is_transient(&error) && start.elapsed() < PATIENCE => {
                    tracing::debug!(object = describe(object), %error, "refused for now");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                    before = self.live(object).await?;
                }
                Err(KubeError::Request { what, source }) => {
                    return match fixed_fields(&source) {
                        Some(fields) => self.remake(object, how, fields).await,
                        None => Err(KubeError::Request { what, source }),
                    };
                }
                after => {
                    let after = after?;
                    return match kept_in_silence(&after, object) {
                        Some(fields) => self.remake(object, how, fields).await,
                        None => Ok(Sent { before, after, remade: None }),
                    };
                }
            }
        }
    }

    /// One request of server-side apply: at first without force, when what lab itself sets has precedence.
    pub(super) async fn patch(&self, object: &DynamicObject, how: How) -> Result<DynamicObject, KubeError> {
        let api = self.api_for(object).await?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let what = || KubeError::request(format!("apply {}", describe(object)));
        let params = PatchParams { dry_run: how.dry_run, ..PatchParams::apply(how.manager.name()) };
        if how.yields {
            match api.patch(name, &params, &Patch::Apply(object)).await {
                Err(kube::Error::Api(status)) if status.code == 409 && is_field_conflict(&status) => {
                    let fields = conflicts(&status, Manager::Lab.name());
                    if !fields.is_empty() {
                        return Err(KubeError::Conflict { object: describe(object), fields: fields.join(", ") });
                    }
                }
                result => return result.map_err(what()),
            }
        }
        api.patch(name, &params.force(), &Patch::Apply(object)).await.map_err(what())
    }

    /// Gives an object back what it had `before` a manager applied to it, except for what `keep` still names, and takes it out of that manager's hands.
    /// `None`: it is not there, or has nothing of that manager.
    pub async fn restore(
        &self,
        object: &DynamicObject,
        before: &Value,
        keep: Option<&DynamicObject>,
        how: How,
    ) -> Result<Option<Sent>, KubeError> {
        let what = || KubeError::request(format!("restore {}", describe(object)));
        let keep = keep.map(bare);
        let start = Instant::now();
        loop {
            let Some(live) = self.live(object).await? else { return Ok(None) };
            if !super::is_applied_by(&live, how.manager.name()) {
                return Ok(None);
            }
            let restored = restored(&live, how.manager.name(), before, keep.as_ref())
                .map_err(|e| KubeError::Manifest(e.to_string()))?;
            let params = PostParams { dry_run: how.dry_run, field_manager: Some(RESTORER.to_owned()) };
            let name = object.metadata.name.as_deref().unwrap_or_default();
            match self.api_for(object).await?.replace(name, &params, &restored).await {
                // Somebody else has changed it in between.
                Err(kube::Error::Api(status)) if status.code == 409 && start.elapsed() < PATIENCE => {}
                after => return Ok(Some(Sent { before: Some(live), after: after.map_err(what())?, remade: None })),
            }
        }
    }

    /// Gives fields of a live object back their defaults, where they have any: that the API server tells, which is asked first. A field without a
    /// default is something that was added, and stays. `None`: nothing is given back.
    pub async fn set_back(
        &self,
        live: &DynamicObject,
        fields: &[ByHand],
        dry_run: bool,
    ) -> Result<Option<Sent>, KubeError> {
        let what = || KubeError::request(format!("set back {}", describe(live)));
        let unusable = |e: serde_json::Error| KubeError::Manifest(e.to_string());
        let (api, name) = (self.api_for(live).await?, live.metadata.name.as_deref().unwrap_or_default());
        let by = |dry_run| PostParams { dry_run, field_manager: Some(RESTORER.to_owned()) };
        // A refusal: the object cannot be without one of them.
        let Ok(bare) = api.replace(name, &by(true), &without(live, fields).map_err(unusable)?).await else {
            return Ok(None);
        };
        let back = defaulted(fields, live, &bare);
        if back.is_empty() {
            return Ok(None);
        }
        let after = api.replace(name, &by(dry_run), &without(live, &back).map_err(unusable)?).await.map_err(what())?;
        Ok(Some(Sent { before: Some(live.clone()), after, remade: None }))
    }

    /// Waits until the definitions among the objects are established.
    pub async fn until_established(&self, objects: &[DynamicObject]) -> Result<(), KubeError> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let waits = objects.iter().filter(|o| kind(o) == "CustomResourceDefinition").map(|object| {
            let api = api.clone();
            async move {
                let name = object.metadata.name.as_deref().unwrap_or_default();
                match tokio::time::timeout(PATIENCE, await_condition(api, name, conditions::is_crd_established())).await
                {
                    Ok(Ok(_)) => Ok(()),
                    _ => Err(KubeError::Timeout {
                        what: format!("{} is not established", describe(object)),
                        seconds: PATIENCE.as_secs(),
                        last: String::new(),
                    }),
                }
            }
        });
        futures::future::try_join_all(waits).await.map(|_| ())
    }

    /// Changes an object by a merge patch (RFC 7386), as somebody would by hand.
    pub async fn merge(&self, object: &DynamicObject, patch: &Value) -> Result<(), KubeError> {
        let api = self.api_for(object).await?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(|_| ()).map_err(KubeError::request(format!("change {}", describe(object))))
    }

    /// Deletes an object by what it applies to, and what belongs to it: left to itself, the API server keeps the pods of a Job. That it is gone
    /// already is well.
    pub async fn delete(&self, object: &DynamicObject) -> Result<(), KubeError> {
        let api = self.api_for(object).await?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        match api.delete(name, &DeleteParams::background()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(|_| ()).map_err(KubeError::request(format!("delete {}", describe(object)))),
        }
    }
}

/// Whether the object in the cluster has all that is wanted.
#[must_use]
pub fn is_covered(live: &DynamicObject, wanted: &DynamicObject) -> bool {
    let has_namespace = live.metadata.namespace.is_some();
    let value = |object: &DynamicObject| {
        let mut value = serde_json::to_value(object).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            map.remove("status");
        }
        // A kind without namespaces drops the one that it is given.
        if !has_namespace && let Some(metadata) = value.get_mut("metadata").and_then(|m| m.as_object_mut()) {
            metadata.remove("namespace");
        }
        value
    };
    covers(&value(live), &value(wanted))
}

/// Whether a refusal is about fields that others own, rather than about the object having changed.
fn is_field_conflict(status: &kube::core::Status) -> bool {
    causes(status).next().is_some()
}

fn causes(status: &kube::core::Status) -> impl Iterator<Item = &kube::core::response::StatusCause> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.filter(|cause| cause.reason == "FieldManagerConflict")
}

/// The fields that another manager has set to another value, as the API server names them.
fn conflicts(status: &kube::core::Status, manager: &str) -> Vec<String> {
    let own = causes(status).filter(|cause| cause.message.starts_with(&format!("conflict with \"{manager}\"")));
    own.map(|cause| cause.field.trim_start_matches('.').to_owned()).collect()
}

/// Whether the API server may accept the same request in a moment: a webhook that does not answer yet, a kind that is not served yet,
/// an API server that is busy or restarting.
fn is_transient(error: &KubeError) -> bool {
    match error {
        KubeError::UnknownKind { .. } => true,
        KubeError::Request { source, .. } => match &**source {
            kube::Error::Api(status) => {
                status.message.contains("failed calling webhook")
                    || status.message.contains("unable to create new content in namespace")
                    // What etcd could not do in time, as to allocate an address, may come back as if the object were wrong.
                    || status.message.contains("etcdserver: ")
                    || matches!(status.code, 404 | 409 | 429 | 500..=599)
            }
            kube::Error::HyperError(_) | kube::Error::Service(_) => true,
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_could_not_do_in_time_is_tried_again_and_what_is_wrong_is_not() {
        let refused = |message: &str| {
            let status = kube::core::Status { code: 422, message: message.to_owned(), ..Default::default() };
            KubeError::Request {
                what: "apply Service a/b".to_owned(),
                source: kube::Error::Api(Box::new(status)).into(),
            }
        };
        let slow = "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"\"]: failed to allocate IP: etcdserver: request timed out";
        assert!(is_transient(&refused(slow)));
        assert!(!is_transient(&refused("Service \"b\" is invalid: spec.ports: Required value")));
    }
}
