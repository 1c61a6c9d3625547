//! Objects of kinds that are known only when lab runs.

use std::time::Duration;

use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::Value;

use super::wait::Listener;
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
    pub async fn until_so(
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
            Ok(Err(error)) => Err(KubeError::Timeout { what, seconds: 0, last: format!("; {error}") }),
            Err(_) => Err(KubeError::Timeout { what, seconds: limit.as_secs(), last: String::new() }),
        }
    }

    /// Whether there is a namespace of that name.
    pub async fn has_namespace(&self, name: &str) -> Result<bool, KubeError> {
        let identity = serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        Ok(self.read(&identity).await?.is_some())
    }

    /// Whether every Deployment of a namespace, of which there must be `count` at least, has rolled out; otherwise the first that has not.
    pub async fn deployments_out(&self, namespace: &str, count: usize) -> Result<Result<(), String>, KubeError> {
        let api: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(self.client.clone(), namespace);
        let all = api
            .list(&ListParams::default())
            .await
            .map_err(KubeError::request(format!("list Deployments of {namespace}")))?
            .items;
        if all.len() < count {
            return Ok(Err(format!("only {} of {count} Deployments are in {namespace}", all.len())));
        }
        let waiting = all.iter().find(|d| !super::workload::deployed(d));
        Ok(waiting.map_or(Ok(()), |d| {
            Err(format!("Deployment {namespace}/{} is not available", d.metadata.name.as_deref().unwrap_or("?")))
        }))
    }
}

/// Whether an object's status has a condition of that type with the value `True`.
#[must_use]
pub fn is_condition_true(object: &DynamicObject, kind: &str) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}
