//! Objects that run pods: whether they are as their own specification wants them.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Resource, ResourceExt};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::manifest::kind;
use super::wait::{Listener, is_on_every_node};
use super::{Cluster, KubeError, Manifest, describe};

/// Workloads that are waited for at once.
const CONCURRENCY: usize = 8;

/// Whether an object runs pods, or is one, that can be waited for.
#[must_use]
pub fn is_workload(object: &DynamicObject) -> bool {
    let api_version = object.types.as_ref().map_or("", |t| t.api_version.as_str());
    api_version == api_version_of(kind(object)) && WORKLOADS.contains(&kind(object))
}

/// The kinds that run pods and are waited for.
pub(super) const WORKLOADS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "Pod"];

/// Where Kubernetes has a kind that is waited for.
pub(super) fn api_version_of(kind: &str) -> &'static str {
    if matches!(kind, "Pod" | "Service") { "v1" } else { "apps/v1" }
}

impl Cluster {
    /// Whether a workload has rolled out; anything else has, once it exists.
    pub async fn is_rolled_out(&self, object: &DynamicObject) -> Result<bool, KubeError> {
        if !is_workload(object) {
            return Ok(true);
        }
        let (namespace, name) = place(object);
        match kind(object) {
            "Deployment" => self.is_steady(namespace, name, deployed).await,
            "StatefulSet" => self.is_steady(namespace, name, stateful).await,
            "Pod" => self.is_steady(namespace, name, alone).await,
            _ => self.is_steady(namespace, name, on_nodes).await,
        }
    }

    /// Watches a workload until it has rolled out; anything else is not waited for.
    pub async fn until_rolled_out(
        &self,
        object: &DynamicObject,
        limit: Duration,
        listener: &impl Listener,
    ) -> Result<(), KubeError> {
        if !is_workload(object) {
            return Ok(());
        }
        let (namespace, name) = place(object);
        match kind(object) {
            "Deployment" => self.until_steady(namespace, name, "is not available", limit, listener, deployed).await,
            "StatefulSet" => self.until_steady(namespace, name, "is not ready", limit, listener, stateful).await,
            "Pod" => self.until_steady(namespace, name, "is not ready", limit, listener, alone).await,
            _ => self.until_steady(namespace, name, "is not ready on every node", limit, listener, on_nodes).await,
        }
    }

    /// Waits until every workload with the label has rolled out and runs steadily. What has been started just now in a
    /// namespace that is `tried` is given `trial`, since it may be ready for an instant and crash.
    ///
    /// # Errors
    /// One does not, with why; or the API server cannot be asked.
    pub async fn until_all_steady(
        &self,
        label: &str,
        trial: Duration,
        tried: impl Fn(&str) -> bool,
        limit: Duration,
        listener: &impl Listener,
    ) -> Result<(), KubeError> {
        let all = self.workloads(label).await?;
        if !trial.is_zero() {
            let pods: Vec<Pod> = self.everywhere().await?;
            let is_ours = |pod: &&Pod| {
                pod.metadata.namespace.as_deref().is_some_and(&tried)
                    && all.objects.iter().any(|o| o.metadata.namespace == pod.metadata.namespace)
            };
            let age = pods.iter().filter(is_ours).filter_map(youngest).min().unwrap_or(Duration::MAX);
            tokio::time::sleep(trial.saturating_sub(age)).await;
        }
        let waits = all.objects.iter().map(|object| self.until_rolled_out(object, limit, listener));
        stream::iter(waits).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Why workloads with the label will never run as they are; nothing where all run, or may yet.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub async fn hopeless(&self, label: &str) -> Result<Vec<String>, KubeError> {
        let all = self.workloads(label).await?;
        let looks = all.objects.iter().map(async |object| {
            let Some(live) = self.live(object).await? else { return Ok(None) };
            if self.is_rolled_out(object).await? {
                return Ok(None);
            }
            self.lost(kind(object), &serde_json::to_value(&live).unwrap_or_default()).await
        });
        let found: Vec<Option<String>> = stream::iter(looks).buffered(CONCURRENCY).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What identifies the workloads with the label.
    async fn workloads(&self, label: &str) -> Result<Manifest, KubeError> {
        let (deployments, stateful, on_nodes, alone) = tokio::try_join!(
            self.labelled::<Deployment>(label),
            self.labelled::<StatefulSet>(label),
            self.labelled::<DaemonSet>(label),
            self.labelled::<Pod>(label)
        )?;
        Manifest::from_values([deployments, stateful, on_nodes, alone].concat())
    }

    /// What identifies the workloads of a kind that have the label.
    async fn labelled<K>(&self, label: &str) -> Result<Vec<Value>, KubeError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let all = Api::<K>::all(self.client.clone()).list(&ListParams::default().labels(label)).await;
        let all = all.map_err(KubeError::request(format!("list {}", K::plural(&()))))?;
        let identity = |object: K| {
            let metadata = json!({ "namespace": object.meta().namespace, "name": object.meta().name });
            json!({ "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": metadata })
        };
        Ok(all.items.into_iter().map(identity).collect())
    }

    /// The pods of a workload that are of its present revision, without those that are being deleted.
    pub(super) async fn current_pods(
        &self,
        kind: &str,
        namespace: &str,
        object: &Value,
    ) -> Result<Vec<Pod>, KubeError> {
        if kind == "Pod" {
            let pod: Option<Pod> = serde_json::from_value(object.clone()).ok();
            return Ok(pod.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect());
        }
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let labels: Vec<String> =
            labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
        let selector = labels.join(",");
        let mut pods = self.all_pods(namespace, &selector).await?;
        let mut owner = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "Deployment" {
            let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
            let sets = api.list(&ListParams::default().labels(&selector)).await;
            let sets = sets.map_err(KubeError::request(format!("list ReplicaSets in {namespace}")))?.items;
            let revision = |annotations: Option<&Value>| {
                annotations.and_then(|a| a["deployment.kubernetes.io/revision"].as_str()).map(str::to_owned)
            };
            let wanted = revision(object.pointer("/metadata/annotations"));
            let is_current = |set: &ReplicaSet| {
                is_owned(set.owner_references(), &owner)
                    && set.annotations().get("deployment.kubernetes.io/revision").cloned() == wanted
            };
            owner = sets.iter().find(|s| is_current(s)).and_then(|s| s.metadata.uid.clone()).unwrap_or_default();
        }
        pods.retain(|pod| is_owned(pod.owner_references(), &owner));
        Ok(pods)
    }

    /// Deletes an object and waits until it is gone. That it, or its whole kind, is gone already is well. Tells whether it was there.
    pub async fn delete_until_gone(&self, object: &DynamicObject, limit: Duration) -> Result<bool, KubeError> {
        let api: Api<DynamicObject> = match self.api_for(object).await {
            Err(KubeError::UnknownKind { .. }) => return Ok(false),
            api => api?,
        };
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let what = describe(object);
        let live = api.get_opt(name).await.map_err(KubeError::request(format!("read {what}")))?;
        let Some(uid) = live.and_then(|o| o.metadata.uid) else { return Ok(false) };
        self.delete(object).await?;
        let gone = Box::pin(await_condition(api, name, conditions::is_deleted(&uid)));
        match tokio::time::timeout(limit, gone).await {
            Ok(Ok(_)) => Ok(true),
            _ => Err(KubeError::Timeout {
                what: format!("{what} is not gone"),
                seconds: limit.as_secs(),
                last: String::new(),
            }),
        }
    }
}

fn is_owned(owners: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference], uid: &str) -> bool {
    owners.iter().any(|owner| owner.uid == uid)
}

/// How long the container of a pod has run that was started last.
fn youngest(pod: &Pod) -> Option<Duration> {
    let containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    let started = containers.filter_map(|c| Some(c.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0));
    let age = started.map(|at| k8s_openapi::jiff::Timestamp::now().duration_since(at));
    age.min().map(|age| Duration::try_from(age).unwrap_or_default())
}

fn place(object: &DynamicObject) -> (&str, &str) {
    let metadata = &object.metadata;
    (metadata.namespace.as_deref().unwrap_or("default"), metadata.name.as_deref().unwrap_or_default())
}

/// Every replica wanted, which may be none, is up to date and available.
pub(super) fn deployed(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation >= deployment.metadata.generation
            && status.replicas.unwrap_or(0) == wanted
            && status.updated_replicas.unwrap_or(0) >= wanted
            && status.available_replicas.unwrap_or(0) >= wanted
    })
}

fn stateful(set: &StatefulSet) -> bool {
    let spec = &set.spec;
    let wanted = spec.replicas.unwrap_or(1);
    let strategy = spec.update_strategy.as_ref();
    // With `OnDelete` or a partition it is the user who says which replicas are updated, and when.
    let by_user = strategy.is_some_and(|s| {
        s.type_.as_deref() == Some("OnDelete")
            || s.rolling_update.as_ref().is_some_and(|r| r.partition.unwrap_or(0) > 0)
    });
    set.status.as_ref().is_some_and(|status| {
        status.observed_generation >= set.metadata.generation
            && status.replicas == wanted
            && status.ready_replicas.unwrap_or(0) >= wanted
            && (by_user || status.update_revision == status.current_revision)
    })
}

/// A pod that nothing made: it is ready, or it has done what it is for.
fn alone(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod.status.as_ref().is_some_and(|status| {
            let is_ready = |c: &PodCondition| c.type_ == "Ready" && c.status == "True";
            match (status.phase.as_deref(), status.conditions.as_deref().unwrap_or_default()) {
                (Some("Succeeded"), _) => true,
                // Karmada tells of its pods no more than that.
                (Some("Running"), []) => {
                    status.container_statuses.as_ref().is_some_and(|all| all.iter().all(|c| c.ready))
                }
                (_, conditions) => conditions.iter().any(is_ready),
            }
        })
}

/// As for any `DaemonSet`, and one that no node is for is ready too.
fn on_nodes(set: &DaemonSet) -> bool {
    let none = set.status.as_ref().is_some_and(|status| {
        status.desired_number_scheduled == 0 && status.observed_generation >= set.metadata.generation
    });
    none || is_on_every_node(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<K: DeserializeOwned>(value: serde_json::Value) -> K {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn a_deployment_may_want_no_replica() {
        let of = |replicas: i32, status: serde_json::Value| {
            deployed(&read(json!({ "metadata": { "generation": 2 }, "status": status,
                "spec": { "replicas": replicas, "selector": {}, "template": {} } })))
        };
        assert!(of(0, json!({ "observedGeneration": 2 })));
        assert!(!of(0, json!({ "observedGeneration": 2, "replicas": 1 })));
        assert!(!of(
            1,
            json!({ "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 })
        ));
        assert!(of(1, json!({ "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 })));
        assert!(!of(
            1,
            json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1 })
        ));
    }

    #[test]
    fn a_stateful_set_is_ready_at_one_revision() {
        let of = |update: &str, ready: i32| {
            stateful(&read(json!({ "metadata": { "generation": 1 },
                "spec": { "replicas": 2, "selector": {}, "serviceName": "s", "template": {} },
                "status": { "observedGeneration": 1, "replicas": 2, "readyReplicas": ready, "currentRevision": "a",
                    "updateRevision": update } })))
        };
        assert!(of("a", 2));
        assert!(!of("a", 1));
        assert!(!of("b", 2));
    }

    #[test]
    fn a_pod_of_its_own_is_waited_for_until_it_is_ready_or_has_done_its_work() {
        let object = |api_version: &str| {
            let pod = json!({ "apiVersion": api_version, "kind": "Pod", "metadata": { "name": "bare" } });
            is_workload(&read(pod))
        };
        assert!(object("v1") && !object("apps/v1"));
        let of = |status: serde_json::Value| alone(&read(json!({ "metadata": { "name": "bare" }, "status": status })));
        let ready = |is: &str| json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": is }] });
        assert!(of(ready("True")) && of(json!({ "phase": "Succeeded" })));
        assert!(!of(ready("False")) && !of(json!({ "phase": "Pending" })) && !of(json!({ "phase": "Failed" })));
    }

    #[test]
    fn a_daemon_set_for_no_node_is_ready() {
        let of = |desired: i32, ready: i32| {
            on_nodes(&read(json!({ "metadata": { "generation": 1 }, "spec": { "selector": {}, "template": {} },
                "status": { "observedGeneration": 1, "currentNumberScheduled": ready, "desiredNumberScheduled": desired,
                    "numberMisscheduled": 0, "numberReady": ready, "updatedNumberScheduled": ready } })))
        };
        assert!(of(0, 0) && of(2, 2) && !of(2, 1));
    }
}
