//! Waits that watch, and that name what they wait for.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Event, Service};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::wait::await_condition;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::{Cluster, KubeError};

/// Who is told what a wait waits for.
pub trait Listener: Sync {
    /// One line for a user.
    fn say(&self, message: String);
}

/// After this long a wait says what it waits for, and says it again as often.
const PATIENCE: Duration = Duration::from_secs(4);

impl Cluster {
    /// Watches a namespaced object until `condition` holds; gives it back.
    ///
    /// `state` completes the sentence "Kind namespace/name ..." for a user, as "is not available".
    pub async fn until<K>(
        &self,
        namespace: &str,
        name: &str,
        state: &str,
        limit: Duration,
        listener: &impl Listener,
        condition: impl Fn(&K) -> bool + Send,
    ) -> Result<K, KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("{} {namespace}/{name}", K::kind(&()));
        let holds = |object: Option<&K>| object.is_some_and(&condition);
        // On the heap: a watch is a large future, and every step that waits would carry it.
        let mut wait = Box::pin(tokio::time::timeout(limit, await_condition(api, name, holds)));
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, PATIENCE);
        loop {
            tokio::select! {
                result = &mut wait => return match result {
                    Ok(Ok(Some(object))) => Ok(object),
                    Ok(Ok(None)) | Err(_) => Err(KubeError::Timeout {
                        what: format!("{what} {state}"),
                        seconds: limit.as_secs(),
                        last: self.last_event(namespace, name).await.map(|e| format!("; last event: {e}")).unwrap_or_default(),
                    }),
                    Ok(Err(kube::runtime::wait::Error::ProbeFailed(kube::runtime::watcher::Error::InitialListFailed(e)
                        | kube::runtime::watcher::Error::WatchStartFailed(e)
                        | kube::runtime::watcher::Error::WatchFailed(e)))) => Err(KubeError::request(format!("watch {what}"))(e)),
                    Ok(Err(e)) => Err(KubeError::Pod { pod: what, reason: e.to_string() }),
                },
                _ = tick.tick() => {
                    let event = self.last_event(namespace, name).await.map(|e| format!(": {e}")).unwrap_or_default();
                    listener.say(format!("waiting, {what} {state}{event}"));
                }
            }
        }
    }

    /// Waits until every replica of a Deployment is up to date and available.
    pub async fn until_available(
        &self,
        namespace: &str,
        name: &str,
        limit: Duration,
        listener: &impl Listener,
    ) -> Result<(), KubeError> {
        self.until::<Deployment>(namespace, name, "is not available", limit, listener, is_available).await.map(|_| ())
    }

    /// Waits until a `DaemonSet` is ready on every node.
    pub async fn until_on_every_node(
        &self,
        namespace: &str,
        name: &str,
        limit: Duration,
        listener: &impl Listener,
    ) -> Result<(), KubeError> {
        self.until::<DaemonSet>(namespace, name, "is not ready on every node", limit, listener, is_on_every_node)
            .await
            .map(|_| ())
    }

    /// Changes the number of a Deployment's replicas.
    pub async fn scale(&self, namespace: &str, name: &str, replicas: i32) -> Result<(), KubeError> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let patch = serde_json::json!({ "spec": { "replicas": replicas } });
        api.patch_scale(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map(|_| ())
            .map_err(KubeError::request(format!("scale Deployment {namespace}/{name}")))
    }

    /// Whether a Deployment exists and every replica is available.
    pub async fn is_available(&self, namespace: &str, name: &str) -> Result<bool, KubeError> {
        Ok(self.get(namespace, name).await?.as_ref().is_some_and(is_available))
    }

    /// Whether a `DaemonSet` exists and is ready on every node.
    pub async fn is_on_every_node(&self, namespace: &str, name: &str) -> Result<bool, KubeError> {
        Ok(self.get(namespace, name).await?.as_ref().is_some_and(is_on_every_node))
    }

    /// The last event about an object or the pods that belong to it, as "Reason: message".
    async fn last_event(&self, namespace: &str, name: &str) -> Option<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let events = api.list(&ListParams::default()).await.ok()?;
        let time = |e: &Event| {
            let seen = e.last_timestamp.as_ref().map(|t| t.0);
            seen.or_else(|| e.event_time.as_ref().map(|t| t.0)).or_else(|| e.creation_timestamp().map(|t| t.0))
        };
        let belongs = |e: &&Event| {
            let object = e.involved_object.name.as_deref().unwrap_or_default();
            object == name || object.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
        };
        let event = events.items.iter().filter(belongs).max_by_key(|e| time(e))?;
        Some(format!(
            "{}: {}",
            event.reason.as_deref().unwrap_or("event"),
            event.message.as_deref().unwrap_or_default().trim()
        ))
    }
}

/// Whether the controller has seen the last change and every replica wanted, at least one, is available.
fn is_available(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        wanted > 0
            && status.observed_generation >= deployment.metadata.generation
            && status.updated_replicas.unwrap_or(0) >= wanted
            && status.available_replicas.unwrap_or(0) >= wanted
            && status.unavailable_replicas.unwrap_or(0) == 0
    })
}

pub(super) fn is_on_every_node(set: &DaemonSet) -> bool {
    set.status.as_ref().is_some_and(|status| {
        status.desired_number_scheduled > 0
            && status.observed_generation >= set.metadata.generation
            && status.number_ready >= status.desired_number_scheduled
            && status.updated_number_scheduled.unwrap_or(0) >= status.desired_number_scheduled
    })
}

/// The load-balancer addresses that a Service has been given.
#[must_use]
pub fn load_balancer_addresses(service: &Service) -> Vec<String> {
    let ingress = service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
    ingress.into_iter().flatten().filter_map(|i| i.ip.clone()).collect()
}
