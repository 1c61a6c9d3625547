//! Objects of kinds that are known only when lab runs.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::Value;

use super::wait::{Listener, broken_wait};
use super::{Cluster, KubeError, Manifest, describe};

impl Cluster {
    /// Reads the object that `identity` names by apiVersion, kind, namespace and name, if it exists.
    pub async fn read(&self, identity: &Value) -> Result<Option<DynamicObject>, KubeError> {
        let manifest = Manifest::from_values([identity.clone()])?;
        match manifest.objects.first() {
            Some(object) => self.live(object).await,
            None => Ok(None),
        }
    }

    /// Watches the object that `identity` names until `condition` holds. `state` completes the sentence "Kind name ..." for a user, as "is not ready".
    pub async fn until_condition(
        &self,
        identity: &Value,
        state: &str,
        limit: Duration,
        listener: &impl Listener,
        condition: impl Fn(&DynamicObject) -> bool + Send,
    ) -> Result<(), KubeError> {
        let manifest = Manifest::from_values([identity.clone()])?;
        let Some(object) = manifest.objects.first() else { return Ok(()) };
        let api: Api<DynamicObject> = self.api_for(object).await?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let what = format!("{} {state}", describe(object));
        listener.say(format!("waiting, {what}"));
        let holds = |object: Option<&DynamicObject>| object.is_some_and(&condition);
        let wait = Box::pin(tokio::time::timeout(limit, await_condition(api, name, holds)));
        match wait.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(broken_wait(&what, error)),
            Err(_) => Err(KubeError::Timeout { what, seconds: limit.as_secs(), last: String::new() }),
        }
    }

    /// Whether there is a namespace of that name.
    pub async fn has_namespace(&self, name: &str) -> Result<bool, KubeError> {
        let identity = serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        Ok(self.read(&identity).await?.is_some())
    }

    /// Whether every Deployment of a namespace, of which there must be `count` at least, runs and has rolled out; otherwise the first that does not.
    pub async fn deployments_out(&self, namespace: &str, count: usize) -> Result<Result<(), String>, KubeError> {
        let all = self.deployments(namespace).await?;
        if all.len() < count {
            return Ok(Err(format!("only {} of {count} Deployments are in {namespace}", all.len())));
        }
        let name = |d: &Deployment| d.metadata.name.clone().unwrap_or_default();
        if let Some(stopped) = all.iter().find(|d| is_stopped(d)) {
            return Ok(Err(format!("Deployment {namespace}/{} has 0 replicas", name(stopped))));
        }
        let waiting = all.iter().find(|d| !super::workload::deployed(d));
        Ok(waiting.map_or(Ok(()), |d| Err(format!("Deployment {namespace}/{} is not available", name(d)))))
    }

    /// Gives every Deployment of a namespace that was scaled to zero one replica. Whether there was any.
    pub async fn start_stopped(&self, namespace: &str) -> Result<bool, KubeError> {
        let mut any = false;
        for stopped in self.deployments(namespace).await?.iter().filter(|d| is_stopped(d)) {
            self.scale(namespace, stopped.metadata.name.as_deref().unwrap_or_default(), 1).await?;
            any = true;
        }
        Ok(any)
    }

    async fn deployments(&self, namespace: &str) -> Result<Vec<Deployment>, KubeError> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let all = api.list(&ListParams::default()).await;
        Ok(all.map_err(KubeError::request(format!("list Deployments of {namespace}")))?.items)
    }
}

fn is_stopped(deployment: &Deployment) -> bool {
    deployment.spec.replicas == Some(0)
}

/// What an object's status says of one thing, in Kubernetes' own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, for programs and for people.
    pub why: String,
}

impl Condition {
    /// Whether it is so.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.status, self.why)
    }
}

/// The condition of that type in an object's status.
#[must_use]
pub fn condition(object: &DynamicObject, kind: &str) -> Option<Condition> {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let condition = conditions.into_iter().flatten().find(|c| c["type"] == kind)?;
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    Some(Condition { status: text("status").to_owned(), why: format!("{}: {}", text("reason"), text("message")) })
}
