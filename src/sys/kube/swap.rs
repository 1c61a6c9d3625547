//! Gives running pods another image in place: the container starts again, while the pod, its address and its sidecar stay.
//!
//! Kubernetes lets the image of a running pod's container change, and a `ReplicaSet`'s template too, which makes no new pods. A Deployment makes a new
//! `ReplicaSet` only when none has its template. So the Deployment is paused with the new template, its `ReplicaSet` gets the same, the pods get the
//! images, and the Deployment goes on: it finds all as it wants it. Where anything else than images differs it rolls out as ever.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, LogParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};

use super::manifest::kind;
use super::{Cluster, How, KubeError, describe};

/// The label by which a Deployment tells its `ReplicaSet`s apart.
const HASH: &str = "pod-template-hash";

/// How long a controller may take to see what was changed.
const KNOWN: Duration = Duration::from_secs(5);

/// Images by container.
pub type Images = BTreeMap<String, String>;

/// Pods that were given other images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swapped {
    namespace: String,
    selector: String,
    images: Images,
    /// How many pods there are.
    count: usize,
}

impl Cluster {
    /// Applies a Deployment that differs from what runs in the images of its containers only, and gives its pods these. `None`: more differs, or it is
    /// rolling out just now, and nothing was done. What is begun is ended, whether anybody still waits for it or not, and `held` is kept until then.
    ///
    /// # Errors
    /// The API server does not take it.
    pub async fn swap(
        &self,
        wanted: &DynamicObject,
        how: How,
        held: impl Send + 'static,
    ) -> Result<Option<Swapped>, KubeError> {
        let (cluster, object) = (self.clone(), wanted.clone());
        let whole = tokio::spawn(async move {
            let swapped = cluster.swap_to_the_end(&object, how).await;
            drop(held);
            swapped
        });
        whole.await.unwrap_or_else(|e| Err(KubeError::Manifest(format!("{}: {e}", describe(wanted)))))
    }

    async fn swap_to_the_end(&self, wanted: &DynamicObject, how: How) -> Result<Option<Swapped>, KubeError> {
        let (namespace, name) = (wanted.namespace().unwrap_or_else(|| "default".to_owned()), wanted.name_any());
        if kind(wanted) != "Deployment" {
            return Ok(None);
        }
        let Some(live) = self.live(wanted).await? else { return Ok(None) };
        let after = self.patch(wanted, How { dry_run: true, ..how }).await?;
        let Some(images) = only_images(&live.data["spec"], &after.data["spec"]) else { return Ok(None) };
        let deployment: Option<Deployment> = self.get(&namespace, &name).await?;
        let labels = deployment.and_then(|d| d.spec.selector.match_labels).unwrap_or_default();
        let selector = labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
        let Some(set) = self.only_set(&namespace, &selector, &live).await? else { return Ok(None) };
        let pods = self.pods_of(&namespace, &selector, &set).await?;

        let mut paused = wanted.clone();
        if let Some(spec) = paused.data.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("paused".to_owned(), true.into());
        }
        let generation = self.patch(&paused, how).await?.metadata.generation;
        let swapped = self.swap_all(&namespace, &set, &pods, &after.data["spec"]["template"], &images).await;
        if swapped.is_ok() {
            self.until_known(&namespace, &name, generation, pods.len()).await;
        }
        // Whatever became of it, the Deployment goes on, and makes new pods where its set has another template.
        self.patch(wanted, how).await?;
        Ok(swapped.ok().map(|()| Swapped { namespace, selector, images, count: pods.len() }))
    }

    /// Waits until the containers of all pods run with their images and are ready.
    ///
    /// # Errors
    /// One ends instead, with the last of what it wrote; or it takes too long.
    pub async fn until_swapped(&self, swapped: &Swapped, limit: Duration) -> Result<(), KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &swapped.namespace);
        let config = watcher::Config::default().labels(&swapped.selector);
        let watch = async {
            let mut events = watcher(api.clone(), config).default_backoff().boxed();
            let mut pods: HashMap<String, Pod> = HashMap::new();
            while let Some(event) = events.next().await {
                match event {
                    Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                        _ = pods.insert(pod.name_any(), pod);
                    }
                    Ok(watcher::Event::Delete(pod)) => _ = pods.remove(&pod.name_any()),
                    Ok(watcher::Event::Init) => pods.clear(),
                    Ok(watcher::Event::InitDone) => {}
                    Err(_) => continue,
                }
                let there = pods.values().filter(|pod| pod.metadata.deletion_timestamp.is_none());
                let states: Vec<State> = there.map(|pod| state(pod, &swapped.images)).collect();
                if let Some(State::Ended { pod, container, how }) =
                    states.iter().find(|s| matches!(s, State::Ended { .. }))
                {
                    return Err((pod.clone(), container.clone(), how.clone()));
                }
                if states.len() >= swapped.count && states.iter().all(|state| *state == State::Runs) {
                    return Ok(());
                }
            }
            Ok(())
        };
        let what = |pod: &str| format!("Pod {}/{pod}", swapped.namespace);
        match tokio::time::timeout(limit, watch).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((pod, container, how))) => {
                let said = self.last_words(&swapped.namespace, &pod, &container).await;
                Err(KubeError::Hopeless {
                    what: format!("{} does not run", what(&pod)),
                    reason: format!("its container {container} {how}{said}"),
                })
            }
            Err(_) => Err(KubeError::Timeout {
                what: format!("pods in {} with {} are not ready", swapped.namespace, swapped.selector),
                seconds: limit.as_secs(),
                last: String::new(),
            }),
        }
    }

    /// Waits until the controller of Deployments has seen that the set has the template of its Deployment: it would make another one otherwise. It is waited
    /// for no longer than a moment, since a rollout is no harm.
    async fn until_known(&self, namespace: &str, name: &str, generation: Option<i64>, pods: usize) {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let is_known = |deployment: Option<&Deployment>| {
            deployment.and_then(|d| d.status.as_ref()).is_some_and(|status| {
                status.observed_generation >= generation
                    && status.updated_replicas.and_then(|count| usize::try_from(count).ok()).unwrap_or(0) >= pods
            })
        };
        let _ = tokio::time::timeout(KNOWN, await_condition(api, name, is_known)).await;
    }

    /// The last of what a container wrote, or the start of it before.
    async fn last_words(&self, namespace: &str, pod: &str, container: &str) -> String {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        for previous in [false, true] {
            let params = LogParams {
                container: Some(container.to_owned()),
                previous,
                tail_lines: Some(5),
                ..LogParams::default()
            };
            let said = api.logs(pod, &params).await.unwrap_or_default();
            // This too is an answer of the API server, when a log has gone with its container.
            if !said.trim().is_empty() && !said.starts_with("unable to retrieve") {
                return format!("; it wrote:\n{}", said.trim_end());
            }
        }
        String::new()
    }

    /// The one `ReplicaSet` of a Deployment that has pods, if it has the Deployment's template.
    async fn only_set(
        &self,
        namespace: &str,
        selector: &str,
        deployment: &DynamicObject,
    ) -> Result<Option<ReplicaSet>, KubeError> {
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
        let sets = api.list(&ListParams::default().labels(selector)).await;
        let sets = sets.map_err(KubeError::request(format!("list ReplicaSets in {namespace}")))?.items;
        let uid = deployment.uid().unwrap_or_default();
        let has_pods =
            |set: &ReplicaSet| set.spec.replicas != Some(0) || set.status.as_ref().is_some_and(|s| s.replicas > 0);
        let mut used =
            sets.into_iter().filter(|set| set.owner_references().iter().any(|o| o.uid == uid) && has_pods(set));
        let (first, second) = (used.next(), used.next());
        let template = |set: &ReplicaSet| {
            let mut template = serde_json::to_value(&set.spec.template).unwrap_or_default();
            if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
                labels.remove(HASH);
            }
            template
        };
        let wanted: Option<k8s_openapi::api::core::v1::PodTemplateSpec> =
            serde_json::from_value(deployment.data["spec"]["template"].clone()).ok();
        let wanted = serde_json::to_value(wanted).unwrap_or_default();
        Ok(first.filter(|set| second.is_none() && template(set) == wanted))
    }

    /// The pods of a set, without those that are being deleted.
    async fn pods_of(&self, namespace: &str, selector: &str, set: &ReplicaSet) -> Result<Vec<Pod>, KubeError> {
        let uid = set.uid().unwrap_or_default();
        let mut pods = self.all_pods(namespace, selector).await?;
        pods.retain(|pod| pod.owner_references().iter().any(|owner| owner.uid == uid));
        Ok(pods)
    }

    /// Gives a set its template, and pods their images.
    async fn swap_all(
        &self,
        namespace: &str,
        set: &ReplicaSet,
        pods: &[Pod],
        template: &Value,
        images: &Images,
    ) -> Result<(), KubeError> {
        let mut template = template.clone();
        let hash = set.labels().get(HASH).cloned().unwrap_or_default();
        template["metadata"]["labels"][HASH] = hash.into();
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
        let patch = json!({ "spec": { "template": template } });
        let params = PatchParams::default();
        let name = set.name_any();
        api.patch(&name, &params, &Patch::Merge(patch))
            .await
            .map_err(KubeError::request(format!("change ReplicaSet {namespace}/{name}")))?;
        let containers: Vec<Value> =
            images.iter().map(|(name, image)| json!({ "name": name, "image": image })).collect();
        let patch = json!({ "spec": { "containers": containers } });
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut all = Vec::with_capacity(pods.len());
        for pod in pods {
            let (api, patch, name) = (api.clone(), Patch::Strategic(patch.clone()), pod.name_any());
            let what = format!("change Pod {namespace}/{name}");
            all.push(async move {
                let patched = api.patch(&name, &PatchParams::default(), &patch).await;
                patched.map(|_| ()).map_err(KubeError::request(what))
            });
        }
        futures::future::try_join_all(all).await.map(|_| ())
    }
}

/// How far a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Waits,
    Runs,
    Ended { pod: String, container: String, how: String },
}

fn state(pod: &Pod, images: &Images) -> State {
    let statuses: Vec<&ContainerStatus> =
        pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten()).collect();
    let of = |name: &String| statuses.iter().find(|status| status.name == *name);
    for (name, image) in images {
        let Some(status) = of(name).filter(|status| status.image == *image) else { return State::Waits };
        let ended = |state: Option<&k8s_openapi::api::core::v1::ContainerState>| {
            let ended = state?.terminated.as_ref()?;
            Some(format!("ended with exit code {}", ended.exit_code))
        };
        let waiting = status.state.as_ref().and_then(|s| s.waiting.as_ref()).and_then(|w| w.reason.clone());
        let how = ended(status.state.as_ref()).or_else(|| {
            let again = waiting.is_some_and(|reason| reason == "CrashLoopBackOff");
            if again { ended(status.last_state.as_ref()) } else { None }
        });
        if let Some(how) = how {
            return State::Ended { pod: pod.name_any(), container: name.clone(), how };
        }
        if !status.ready {
            return State::Waits;
        }
    }
    State::Runs
}

/// The images of containers that one spec of a Deployment has and another has not, if nothing else differs but those of its sidecars' and init containers'.
fn only_images(live: &Value, after: &Value) -> Option<Images> {
    let mut same = live.clone();
    let mut images = Images::new();
    let old = same.pointer_mut("/template/spec/containers").and_then(Value::as_array_mut)?;
    let new = after.pointer("/template/spec/containers").and_then(Value::as_array)?;
    for (old, new) in old.iter_mut().zip(new) {
        if old["image"] != new["image"] {
            images.insert(new["name"].as_str()?.to_owned(), new["image"].as_str()?.to_owned());
            old["image"] = new["image"].clone();
        }
    }
    (same == *after && !images.is_empty()).then_some(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(image: &str, env: &str) -> Value {
        json!({ "replicas": 1, "template": { "spec": {
            "initContainers": [{ "name": "first", "image": "first:1" }],
            "containers": [{ "name": "web", "image": image, "env": [{ "name": "A", "value": env }] }] } } })
    }

    #[test]
    fn images_alone_are_swapped() {
        let images = only_images(&spec("web:1", "a"), &spec("web:2", "a")).expect("images");
        assert_eq!(images, [("web".to_owned(), "web:2".to_owned())].into());
        assert_eq!(only_images(&spec("web:1", "a"), &spec("web:2", "b")), None);
        assert_eq!(only_images(&spec("web:1", "a"), &spec("web:1", "a")), None);
        let mut other = spec("web:2", "a");
        other["replicas"] = 2.into();
        assert_eq!(only_images(&spec("web:1", "a"), &other), None);
        other = spec("web:2", "a");
        other["template"]["spec"]["initContainers"][0]["image"] = "first:2".into();
        assert_eq!(only_images(&spec("web:1", "a"), &other), None);
        other = spec("web:2", "a");
        other["template"]["spec"]["containers"].as_array_mut().expect("containers").push(json!({ "name": "more" }));
        assert_eq!(only_images(&spec("web:1", "a"), &other), None);
    }

    #[test]
    fn a_pod_runs_once_its_containers_have_their_images_and_are_ready() {
        let images: Images = [("web".to_owned(), "web:2".to_owned())].into();
        let of = |status: Value| {
            let pod = json!({ "metadata": { "name": "p" }, "status": { "containerStatuses": [
                { "name": "side", "image": "side:1", "imageID": "", "ready": true, "restartCount": 0 }, status] } });
            state(&serde_json::from_value(pod).expect("a pod"), &images)
        };
        let status = |image: &str, ready: bool, state: Value, last: Value| {
            of(
                json!({ "name": "web", "image": image, "imageID": "", "ready": ready, "restartCount": 1, "state": state, "lastState": last }),
            )
        };
        let running = json!({ "running": {} });
        let ended = json!({ "terminated": { "exitCode": 3 } });
        assert_eq!(status("web:2", true, running.clone(), json!({})), State::Runs);
        assert_eq!(status("web:1", true, running.clone(), json!({})), State::Waits);
        assert_eq!(status("web:2", false, running, ended.clone()), State::Waits, "what ended is the old one");
        let told = |state| matches!(state, State::Ended { how, .. } if how == "ended with exit code 3");
        assert!(told(status("web:2", false, ended.clone(), json!({}))));
        assert!(told(status("web:2", false, json!({ "waiting": { "reason": "CrashLoopBackOff" } }), ended)));
    }
}
