//! Restarts of workloads, as `kubectl rollout restart` does them.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
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

    /// Whether any pod that has the labels is being deleted and not gone yet.
    pub async fn is_terminating(&self, namespace: &str, selector: &str) -> Result<bool, KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pods = api.list(&ListParams::default().labels(selector)).await;
        let pods = pods.map_err(KubeError::request(format!("list pods in {namespace} with {selector}")))?;
        Ok(pods.items.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()))
    }
}
