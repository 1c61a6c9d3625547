//! Which pods can call, and in which of their containers.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{PROXY, is_system};
use crate::scenario::CallerPod;
use crate::sys::kube::{Cluster, KubeError};

/// So many pods are asked at most whether they have curl.
const MOST: usize = 12;

/// Whether an Envoy is beside a pod's app. It is an init container that keeps running, or a plain container where the mesh says so.
pub(in crate::observe) fn has_sidecar(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let first = spec.and_then(|s| s.init_containers.as_ref()).into_iter().flatten();
    first.chain(spec.into_iter().flat_map(|s| &s.containers)).any(|c| c.name == PROXY)
}

/// The running pods of an app, oldest first; without any, the pod of that name.
pub(in crate::observe) async fn callers(client: &Cluster, namespace: &str, app: &str) -> Result<Vec<Pod>, KubeError> {
    let pods = client.pods(namespace, &format!("app={app}")).await?;
    if !pods.is_empty() {
        return Ok(pods);
    }
    let mut named = client.pods(namespace, "").await?;
    named.retain(|pod| pod.name_any() == app);
    Ok(named)
}

/// The container that is named like the app, or else the first that is no sidecar.
pub(super) fn container_of(pod: &Pod, app: &str) -> String {
    let all = pod.spec.iter().flat_map(|s| &s.containers).map(|c| c.name.as_str());
    let named = all.clone().find(|name| *name == app);
    named.or_else(|| all.clone().find(|name| *name != PROXY)).unwrap_or(app).to_owned()
}

/// A pod of a cluster that can call, in a mesh of which nobody has said who calls: one with a sidecar and curl or, where none has curl, one with a
/// sidecar, whose Envoy still tells what it knows. Tells whether it has curl.
///
/// # Errors
/// The pods cannot be listed.
pub(in crate::observe) async fn any_caller(
    ctx: &LabContext,
    cluster: &LabCluster,
) -> Result<Option<(CallerPod, bool)>, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let mut pods: Vec<Pod> = client.everywhere().await?;
    let namespace = |pod: &Pod| pod.namespace().unwrap_or_default();
    let runs = |pod: &Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
    pods.retain(|pod| {
        let is_own = namespace(pod) == "default" || !is_system(&namespace(pod));
        is_own && runs(pod) && has_sidecar(pod) && pod.metadata.deletion_timestamp.is_none() && has_app(pod)
    });
    pods.sort_by_key(|pod| (namespace(pod), pod.name_any()));
    let caller = |pod: &Pod| CallerPod { namespace: namespace(pod), app: pod.name_any() };
    // Pods of one owner are alike.
    let mut owners = std::collections::BTreeSet::new();
    let alike = |pod: &&Pod| {
        let owner = pod.owner_references().first().map_or_else(|| pod.name_any(), |o| o.uid.clone());
        owners.insert(owner)
    };
    for pod in pods.iter().filter(alike).take(MOST) {
        let (namespace, name) = (namespace(pod), pod.name_any());
        let ran = client.exec(&namespace, &name, &container_of(pod, &name), &["curl", "--version"]).await;
        match ran {
            Ok(output) if output.success => return Ok(Some((caller(pod), true))),
            // Who may not run commands in pods may not in any.
            Err(error) if error.is_forbidden() => break,
            _ => {}
        }
    }
    Ok(pods.first().map(|pod| (caller(pod), false)))
}

/// Whether there is a container beside the sidecar.
fn has_app(pod: &Pod) -> bool {
    pod.spec.iter().flat_map(|s| &s.containers).any(|c| c.name != PROXY)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_runs_beside_the_sidecar() {
        let pod = |names: &[&str]| -> Pod {
            let containers: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
            serde_json::from_value(json!({ "spec": { "containers": containers } })).expect("a pod")
        };
        assert_eq!(container_of(&pod(&["istio-proxy", "web"]), "shop"), "web");
        assert_eq!(container_of(&pod(&["log", "shop"]), "shop"), "shop");
        assert!(has_sidecar(&pod(&["istio-proxy"])) && !has_app(&pod(&["istio-proxy"])));
    }
}
