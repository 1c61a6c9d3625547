//! Waits that watch, and that name what they wait for.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Event, Service};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::wait::await_condition;
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::workload::{WORKLOADS, api_version_of};
use super::{Cluster, KubeError};

/// Who is told what a wait waits for.
pub trait Listener: Sync {
    /// One line for a user.
    fn say(&self, message: String);
}

/// Between two looks at what cannot be watched.
const PAUSE: Duration = Duration::from_secs(1);

/// So often a wait looks whether waiting helps.
pub(super) const LOOK: Duration = Duration::from_secs(2);

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
        let wait = Wait { cluster: self, namespace, name, kind: K::kind(&()).into_owned(), state, limit, listener };
        // On the heap: a watch is a large future, and every step that waits would carry it.
        Box::pin(wait.run(condition)).await
    }

    /// Waits until every replica of a Deployment is up to date and available, and runs steadily.
    pub async fn until_available(
        &self,
        namespace: &str,
        name: &str,
        limit: Duration,
        listener: &impl Listener,
    ) -> Result<(), KubeError> {
        self.until_steady::<Deployment>(namespace, name, "is not available", limit, listener, is_available).await
    }

    /// Waits until a `DaemonSet` is ready on every node, and runs steadily.
    pub async fn until_on_every_node(
        &self,
        namespace: &str,
        name: &str,
        limit: Duration,
        listener: &impl Listener,
    ) -> Result<(), KubeError> {
        let state = "is not ready on every node";
        self.until_steady::<DaemonSet>(namespace, name, state, limit, listener, is_on_every_node).await
    }

    /// Watches a workload until `condition` holds and none of its containers has just crashed: what was ready for an instant is not ready.
    pub(super) async fn until_steady<K>(
        &self,
        namespace: &str,
        name: &str,
        state: &str,
        limit: Duration,
        listener: &impl Listener,
        condition: impl Fn(&K) -> bool + Send + Sync,
    ) -> Result<(), KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize
            + Send
            + 'static,
    {
        let (start, end) = (Instant::now(), Instant::now() + limit);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let ready: K = self.until(namespace, name, state, left, listener, &condition).await?;
            let object = serde_json::to_value(&ready).unwrap_or_default();
            let kind = K::kind(&());
            let Some(unsteady) = self.unsteady(&kind, &object).await? else { return Ok(()) };
            let what = format!("{kind} {namespace}/{name} {state}");
            if let Some(reason) = self.lost_cause(&kind, &object, start.elapsed()).await? {
                return Err(KubeError::Hopeless { what, reason });
            }
            if Instant::now() + PAUSE > end {
                return Err(KubeError::Timeout { what, seconds: limit.as_secs(), last: format!("; {unsteady}") });
            }
            listener.say(format!("waiting, {unsteady}"));
            tokio::time::sleep(PAUSE).await;
        }
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

    /// Whether a Deployment exists, every replica is available, and none has just crashed.
    pub async fn is_available(&self, namespace: &str, name: &str) -> Result<bool, KubeError> {
        self.is_steady(namespace, name, is_available).await
    }

    /// Whether a `DaemonSet` exists, is ready on every node, and has not just crashed on any.
    pub async fn is_on_every_node(&self, namespace: &str, name: &str) -> Result<bool, KubeError> {
        self.is_steady(namespace, name, is_on_every_node).await
    }

    /// Whether a workload exists, is as the condition wants it, and runs steadily.
    pub(super) async fn is_steady<K>(
        &self,
        namespace: &str,
        name: &str,
        condition: fn(&K) -> bool,
    ) -> Result<bool, KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
    {
        let Some(object) = self.get::<K>(namespace, name).await?.filter(condition) else { return Ok(false) };
        let object = serde_json::to_value(&object).unwrap_or_default();
        Ok(self.unsteady(&K::kind(&()), &object).await?.is_none())
    }

    /// The last event about an object or the pods that belong to it, as "Reason: message".
    pub async fn last_event(&self, namespace: &str, name: &str) -> Option<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let events = api.list(&ListParams::default()).await.ok()?;
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

/// When an event was seen last.
pub(super) fn time(event: &Event) -> Option<k8s_openapi::jiff::Timestamp> {
    let seen = event.last_timestamp.as_ref().map(|t| t.0);
    seen.or_else(|| event.event_time.as_ref().map(|t| t.0)).or_else(|| event.creation_timestamp().map(|t| t.0))
}

/// What is waited for, and who is told.
struct Wait<'a, L> {
    cluster: &'a Cluster,
    namespace: &'a str,
    name: &'a str,
    kind: String,
    state: &'a str,
    limit: Duration,
    listener: &'a L,
}

impl<L: Listener> Wait<'_, L> {
    /// Watches until `condition` holds, at most as long as the limit, whatever does not answer meanwhile. A watch that breaks off is begun again:
    /// an API server may restart. Ends early when waiting does not help.
    async fn run<K>(&self, condition: impl Fn(&K) -> bool + Send) -> Result<K, KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let what = format!("{} {}/{}", self.kind, self.namespace, self.name);
        let last = Mutex::new(String::new());
        let watch = async {
            loop {
                let api: Api<K> = Api::namespaced(self.cluster.client.clone(), self.namespace);
                let holds = |object: Option<&K>| object.is_some_and(&condition);
                match await_condition(api, self.name, holds).await {
                    Ok(Some(object)) => return Ok(object),
                    Ok(None) => {}
                    Err(kube::runtime::wait::Error::ProbeFailed(error)) => {
                        let error = broken_watch(&what, error);
                        if !may_pass(&error) {
                            return Err(error);
                        }
                        *lock(&last) = format!("; {}", error.cause());
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let start = Instant::now();
        let look = async {
            let mut told_at = start;
            loop {
                tokio::time::sleep(LOOK).await;
                let looked = self.look(start.elapsed()).await;
                let since = match looked {
                    Ok(Look::Hopeless(reason)) => return reason,
                    Ok(Look::Event(event)) => event.map(|event| format!(": {event}")).unwrap_or_default(),
                    Err(error) => format!(": {}", error.cause()),
                };
                if told_at.elapsed() >= PATIENCE {
                    told_at = Instant::now();
                    self.listener.say(format!("waiting, {what} {}{since}", self.state));
                }
                if !since.is_empty() {
                    *lock(&last) = since.replacen(": ", "; last event: ", 1);
                }
            }
        };
        let what = || format!("{what} {}", self.state);
        tokio::select! {
            watched = watch => watched,
            reason = look => Err(KubeError::Hopeless { what: what(), reason }),
            () = tokio::time::sleep(self.limit) => {
                let last = lock(&last).clone();
                Err(KubeError::Timeout { what: what(), seconds: self.limit.as_secs(), last })
            }
        }
    }

    async fn look(&self, waited: Duration) -> Result<Look, KubeError> {
        let identity = serde_json::json!({ "apiVersion": api_version_of(&self.kind), "kind": self.kind,
            "metadata": { "namespace": self.namespace, "name": self.name } });
        if (WORKLOADS.contains(&self.kind.as_str()) || self.kind == "Service")
            && let Some(object) = self.cluster.read(&identity).await?
        {
            let object = serde_json::to_value(&object).unwrap_or_default();
            if let Some(reason) = self.cluster.lost_cause(&self.kind, &object, waited).await? {
                return Ok(Look::Hopeless(reason));
            }
        }
        Ok(Look::Event(self.cluster.last_event(self.namespace, self.name).await))
    }
}

/// What a look at something that is waited for gives.
enum Look {
    /// Waiting does not help.
    Hopeless(String),
    /// The last event.
    Event(Option<String>),
}

/// Why a wait broke off, in words for a person.
pub(super) fn broken_wait(what: &str, error: kube::runtime::wait::Error) -> KubeError {
    match error {
        kube::runtime::wait::Error::ProbeFailed(error) => broken_watch(what, error),
    }
}

fn broken_watch(what: &str, error: watcher::Error) -> KubeError {
    match error {
        watcher::Error::InitialListFailed(e) | watcher::Error::WatchStartFailed(e) | watcher::Error::WatchFailed(e) => {
            KubeError::request(format!("watch {what}"))(e)
        }
        e => KubeError::Pod { pod: what.to_owned(), reason: e.to_string() },
    }
}

/// Whether a watch may work when it is begun again: it is not refused, it only broke off.
fn may_pass(error: &KubeError) -> bool {
    match error {
        KubeError::Request { source, .. } => match &**source {
            kube::Error::Api(status) => matches!(status.code, 404 | 409 | 410 | 429 | 500..=599),
            kube::Error::HyperError(_) | kube::Error::Service(_) => true,
            _ => false,
        },
        // The watch's own protocol: it begins anew.
        _ => true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Whether a load balancer has given a Service an address, be it a name.
#[must_use]
pub fn is_balanced(service: &Service) -> bool {
    let ingress = service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
    ingress.is_some_and(|all| all.iter().any(|i| i.ip.is_some() || i.hostname.is_some()))
}

/// The load-balancer addresses that a Service has been given.
#[must_use]
pub fn load_balancer_addresses(service: &Service) -> Vec<String> {
    let ingress = service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
    ingress.into_iter().flatten().filter_map(|i| i.ip.clone()).collect()
}
