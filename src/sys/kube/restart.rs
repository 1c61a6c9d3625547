//! Restarts of workloads, as `kubectl rollout restart` does them, and their sudden end.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;

use super::{Cluster, KubeError, describe};

/// Who owns the annotation by which a restart is asked for. It is nobody who applies: what lab or the user apply then leaves it alone.
const RESTARTER: &str = "lab-restart";

impl Cluster {
    /// Asks for new pods of a Deployment, `StatefulSet` or `DaemonSet`. They come as its own strategy wants it.
    pub async fn restart(&self, workload: &DynamicObject) -> Result<(), KubeError> {
        let api = self.api_for(workload).await?;
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let annotations = json!({ "kubectl.kubernetes.io/restartedAt": now });
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
        let params = PatchParams { field_manager: Some(RESTARTER.to_owned()), ..PatchParams::default() };
        let name = workload.metadata.name.as_deref().unwrap_or_default();
        let restarted = api.patch(name, &params, &Patch::Merge(patch)).await;
        restarted.map(|_| ()).map_err(KubeError::request(format!("restart {}", describe(workload))))
    }

    /// Deletes the pods of a Deployment, none of which is waited for. Gives them: until their kubelets have heard of it, their containers run.
    pub async fn drop_pods(&self, namespace: &str, deployment: &str) -> Result<Vec<Pod>, KubeError> {
        let Some(found) = self.get::<Deployment>(namespace, deployment).await? else { return Ok(Vec::new()) };
        let labels = found.spec.selector.match_labels.unwrap_or_default();
        let selector: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        let selector = selector.join(",");
        let pods = api.list(&ListParams::default().labels(&selector)).await;
        // Those too that are on their way out: they still serve for a while.
        let pods = pods.map_err(KubeError::request(format!("list pods in {namespace} with {selector}")))?.items;
        for pod in &pods {
            let name = pod.name_any();
            match api.delete(&name, &at_once).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                ended => _ = ended.map_err(KubeError::request(format!("delete pod {namespace}/{name}")))?,
            }
        }
        Ok(pods)
    }

    /// Whether any pod that has the labels is being deleted and not gone yet.
    pub async fn is_terminating(&self, namespace: &str, selector: &str) -> Result<bool, KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pods = api.list(&ListParams::default().labels(selector)).await;
        let pods = pods.map_err(KubeError::request(format!("list pods in {namespace} with {selector}")))?;
        Ok(pods.items.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()))
    }
}
