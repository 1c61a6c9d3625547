//! Server-side apply, with retries for what a young cluster refuses for a moment.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};

use super::manifest::{kind, rank};
use super::{Cluster, KubeError, Manifest, covers, describe};

/// Field manager of everything that lab applies.
pub const FIELD_MANAGER: &str = "lab";

/// How many requests are under way at once to one API server.
const CONCURRENCY: usize = 16;

/// How long an admission webhook or a new kind may refuse before the refusal counts. Nothing can be watched here: a webhook's Service
/// answers some time after its pod is ready, when kube-proxy has written the rules.
const PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    /// Whether every object exists and has all that the manifest asks for.
    pub async fn has(&self, manifest: &Manifest) -> Result<bool, KubeError> {
        stream::iter(&manifest.objects)
            .map(|object| async move { Ok(self.live(object).await?.is_some_and(|live| is_covered(&live, object))) })
            .buffer_unordered(CONCURRENCY)
            .try_all(|has| async move { has })
            .await
    }

    pub(super) async fn live(&self, object: &DynamicObject) -> Result<Option<DynamicObject>, KubeError> {
        let api = match self.api_for(object).await {
            Err(KubeError::UnknownKind { .. }) => return Ok(None),
            api => api?,
        };
        let name = object.metadata.name.as_deref().unwrap_or_default();
        api.get_opt(name).await.map_err(KubeError::request(format!("read {}", describe(object))))
    }

    /// Applies the objects, each rank after the one before. Tells whether anything changed.
    pub async fn apply(&self, manifest: &Manifest) -> Result<bool, KubeError> {
        let mut changed = false;
        for objects in manifest.objects.chunk_by(|a, b| rank(kind(a)) == rank(kind(b))) {
            changed |= stream::iter(objects)
                .map(|object| self.apply_one(object))
                .buffer_unordered(CONCURRENCY)
                .try_fold(false, |any, one| async move { Ok(any || one) })
                .await?;
            self.await_established(objects).await?;
        }
        Ok(changed)
    }

    async fn apply_one(&self, object: &DynamicObject) -> Result<bool, KubeError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            match self.apply_once(object).await {
                Err(error) if is_transient(&error) && start.elapsed() < PATIENCE => {
                    tracing::debug!(object = describe(object), %error, "refused for now");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                result => return result,
            }
        }
    }

    async fn apply_once(&self, object: &DynamicObject) -> Result<bool, KubeError> {
        let live = self.live(object).await?;
        if live.as_ref().is_some_and(|live| is_covered(live, object)) {
            return Ok(false);
        }
        let api = self.api_for(object).await?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let applied = api
            .patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(object))
            .await
            .map_err(KubeError::request(format!("apply {}", describe(object))))?;
        Ok(live.is_none_or(|live| live.metadata.resource_version != applied.metadata.resource_version))
    }

    async fn await_established(&self, objects: &[DynamicObject]) -> Result<(), KubeError> {
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

    /// Deletes an object by what it applies to; that it is gone already is well.
    pub async fn delete(&self, object: &DynamicObject) -> Result<(), KubeError> {
        let api = self.api_for(object).await?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        match api.delete(name, &kube::api::DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(|_| ()).map_err(KubeError::request(format!("delete {}", describe(object)))),
        }
    }
}

fn is_covered(live: &DynamicObject, wanted: &DynamicObject) -> bool {
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

/// Whether the API server may accept the same request in a moment: a webhook that does not answer yet, a kind that is not served yet,
/// an API server that is busy or restarting.
fn is_transient(error: &KubeError) -> bool {
    match error {
        KubeError::UnknownKind { .. } => true,
        KubeError::Request { source, .. } => match &**source {
            kube::Error::Api(status) => {
                status.message.contains("failed calling webhook")
                    || status.message.contains("unable to create new content in namespace")
                    || matches!(status.code, 404 | 409 | 429 | 500..=599)
            }
            kube::Error::HyperError(_) | kube::Error::Service(_) => true,
            _ => false,
        },
        _ => false,
    }
}
