//! `exec`: which container of a cluster an app's name stands for.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::context::{LabContext, StepError};
use crate::sys::kube::Cluster;

/// The annotation by which a pod says which of its containers is meant, as injection sets it.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// What is found under a name.
pub enum Found {
    /// A container that runs.
    Container {
        /// Its cluster.
        client: Cluster,
        /// Its pod.
        pod: String,
        /// Its name.
        container: String,
    },
    /// There is no such app; these are there.
    NoApp(Vec<String>),
    /// The pod has no such container; it has these.
    NoContainer(Vec<String>),
}

/// The container of that name in the newest running pod with that label `app`; without a name the one that the pod itself means.
pub async fn find(
    ctx: &LabContext,
    cluster: &str,
    namespace: &str,
    app: &str,
    container: Option<&str>,
) -> Result<Found, StepError> {
    let client = ctx.client(cluster).await?;
    let pods = client.pods(namespace, "app").await?;
    let Some(pod) = pods.iter().rfind(|p| p.labels()["app"] == app) else {
        let mut apps: Vec<String> = pods.iter().map(|p| p.labels()["app"].clone()).collect();
        apps.sort();
        apps.dedup();
        return Ok(Found::NoApp(apps));
    };
    let names = containers(pod);
    let meant = container.map(str::to_owned).or_else(|| meant(pod, app, &names));
    Ok(match meant.filter(|m| names.contains(m)) {
        Some(container) => Found::Container { client, pod: pod.name_any(), container },
        None => Found::NoContainer(names),
    })
}

/// Containers of a pod that run on, sidecars among them.
fn containers(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars).map(|c| c.name.clone()).collect()
}

fn meant(pod: &Pod, app: &str, names: &[String]) -> Option<String> {
    let said = pod.annotations().get(DEFAULT_CONTAINER);
    let same = names.iter().find(|n| *n == app);
    same.or(said).or_else(|| names.first()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_of_the_app_is_meant_and_not_its_sidecar() {
        let pod = |annotation: &str| -> Pod {
            serde_json::from_value(serde_json::json!({
                "metadata": { "annotations": { DEFAULT_CONTAINER: annotation } },
                "spec": {
                    "initContainers": [{ "name": "setup" }, { "name": "istio-proxy", "restartPolicy": "Always" }],
                    "containers": [{ "name": "log" }, { "name": "web" }],
                },
            }))
            .expect("a pod")
        };
        let names = containers(&pod(""));
        assert_eq!(names, ["log", "web", "istio-proxy"]);
        let of = |app: &str, annotation: &str| meant(&pod(annotation), app, &names).expect("one");
        assert_eq!(of("web", "log"), "web");
        assert_eq!(of("shop", "web"), "web");
        assert_eq!(meant(&Pod::default(), "shop", &names).as_deref(), Some("log"));
        assert_eq!(meant(&Pod::default(), "shop", &[]), None);
    }
}
