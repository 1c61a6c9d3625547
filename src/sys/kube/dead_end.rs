//! What cannot get better: why a wait for a workload or a Service would never end, told by its pods and its events.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::Value;

use super::workload::WORKLOADS;
use super::{Cluster, KubeError};

/// Pods may be unschedulable, refused, or lack what they mount, while what they need is still being made beside them.
const PATIENCE: Duration = Duration::from_secs(30);
/// So often a container has been started again when its end is no accident any more.
const CRASHES: i32 = 3;
/// Who has not been started again for so long is held back for 40 s or more, which a kubelet does from the third crash on that it has seen itself: at first
/// 10 s, and twice as long each time. How often a container has been started counts the starts of its node as well.
const HELD_BACK: Duration = Duration::from_secs(25);
/// So often an image has been pulled in vain when it is not the network's mood.
const PULLS: i32 = 2;

impl Cluster {
    /// Why waiting for an object does not help; nothing while it may. `waited` is how long it has been waited for.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub(super) async fn lost_cause(
        &self,
        kind: &str,
        object: &Value,
        waited: Duration,
    ) -> Result<Option<String>, KubeError> {
        let text = |field: &str| object.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        if !WORKLOADS.contains(&kind) && kind != "Service" {
            return Ok(None);
        }
        let events = self.events(&namespace).await?;
        if kind == "Service" {
            return Ok(without_address(&events, &name, waited));
        }
        let pods = self.current_pods(kind, &namespace, object).await?;
        let refused = refusal(kind, object, &events, &pods, waited);
        Ok(refused.or_else(|| pods.iter().find_map(|pod| stuck(pod, &events, waited))))
    }

    /// What of a workload that has rolled out does not run steadily: a container that has ended, waits to be started again, or has just been.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub(super) async fn unsteady(&self, kind: &str, object: &Value) -> Result<Option<String>, KubeError> {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        let pods = self.current_pods(kind, namespace, object).await?;
        let now = Timestamp::now();
        Ok(pods.iter().find_map(|pod| crashing(pod, now)))
    }

    /// The same of a workload that nobody has waited for: how long its pods have been there counts.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub(super) async fn lost(&self, kind: &str, object: &Value) -> Result<Option<String>, KubeError> {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
        let pods = self.current_pods(kind, namespace, object).await?;
        let now = Timestamp::now();
        let age = |pod: &Pod| {
            let since = pod.metadata.creation_timestamp.as_ref()?.0;
            Duration::try_from(now.duration_since(since)).ok()
        };
        // Without any pod there is nothing that might still come up, but for what refuses it.
        let waited = pods.iter().filter_map(age).min().unwrap_or(PATIENCE);
        self.lost_cause(kind, object, waited).await
    }

    pub(super) async fn events(&self, namespace: &str) -> Result<Vec<Event>, KubeError> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let all = api.list(&ListParams::default()).await;
        Ok(all.map_err(KubeError::request(format!("list events in {namespace}")))?.items)
    }
}

/// The last event about an object for one of these reasons, with how often it came.
fn last<'a>(events: &'a [Event], name: &str, reasons: &[&str]) -> Option<&'a Event> {
    let is_it = |e: &&Event| {
        e.involved_object.name.as_deref() == Some(name) && e.reason.as_deref().is_some_and(|r| reasons.contains(&r))
    };
    events.iter().filter(is_it).max_by_key(|e| super::wait::time(e))
}

fn times(event: &Event) -> i32 {
    event.count.or_else(|| event.series.as_ref().and_then(|s| s.count)).unwrap_or(1)
}

fn message(event: &Event) -> &str {
    event.message.as_deref().unwrap_or_default().trim()
}

/// A Service for which no load balancer has an address.
fn without_address(events: &[Event], name: &str, waited: Duration) -> Option<String> {
    let event = last(events, name, &["AllocationFailed", "IPAllocated"])?;
    let failed = event.reason.as_deref() == Some("AllocationFailed") && waited >= PATIENCE / 2;
    failed.then(|| format!("AllocationFailed: {}", message(event)))
}

/// A workload whose pods the API server does not take.
fn refusal(kind: &str, object: &Value, events: &[Event], pods: &[Pod], waited: Duration) -> Option<String> {
    let told = if kind == "Deployment" {
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let failure = conditions.into_iter().flatten().find(|c| c["type"] == "ReplicaFailure" && c["status"] == "True");
        failure.and_then(|c| c["message"].as_str()).map(str::to_owned)
    } else {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let event = last(events, name, &["FailedCreate", "SuccessfulCreate"]);
        event.filter(|e| e.reason.as_deref() == Some("FailedCreate") && pods.is_empty()).map(|e| message(e).to_owned())
    }?;
    // A webhook that is not up yet refuses everything, and then no more.
    let may_pass = told.contains("failed calling webhook") || told.contains("no endpoints available");
    (!may_pass && waited >= PATIENCE).then(|| format!("its pods are refused: {told}"))
}

/// Why a pod will never run.
fn stuck(pod: &Pod, events: &[Event], waited: Duration) -> Option<String> {
    let loops = || containers(pod).find_map(|c| loops(pod, c, waited, Timestamp::now()));
    ended(pod).or_else(|| never_starts(pod, events, waited)).or_else(loops)
}

/// A pod that has failed and that nothing makes again.
fn ended(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref().filter(|s| s.phase.as_deref() == Some("Failed"))?;
    let is_owned = pod.metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    if is_owned {
        return None;
    }
    let of_container = containers(pod).find_map(|c| {
        let ended = c.state.as_ref()?.terminated.as_ref().filter(|t| t.exit_code != 0)?;
        Some(format!("container {} (image {}) ended with exit code {}", c.name, c.image, ended.exit_code))
    });
    let why = of_container.or_else(|| status.message.clone()).or_else(|| status.reason.clone()).unwrap_or_default();
    Some(format!("pod {} has failed, and nothing starts it again: {why}", place(pod)))
}

/// Why a pod will never start. How often one may crash that has started is up to whoever made it.
pub(super) fn never_starts(pod: &Pod, events: &[Event], waited: Duration) -> Option<String> {
    unschedulable(pod, waited).or_else(|| containers(pod).find_map(|c| halted(pod, c, events, waited)))
}

/// A container that keeps crashing.
fn loops(pod: &Pod, container: &ContainerStatus, waited: Duration, now: Timestamp) -> Option<String> {
    let state = container.state.as_ref()?;
    // A kubelet may leave it at its end for a minute or more before it says that it holds it back.
    let is_down = state.waiting.as_ref().is_some_and(|w| w.reason.as_deref() == Some("CrashLoopBackOff"))
        || state.terminated.as_ref().is_some_and(|t| t.exit_code != 0);
    let last = container.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    let ended = state.terminated.as_ref().or(last).and_then(|t| t.finished_at.as_ref());
    let since = ended.and_then(|at| Duration::try_from(now.duration_since(at.0)).ok());
    let is_held_back = since.is_none_or(|since| since >= HELD_BACK);
    let loops = is_down && is_held_back && container.restart_count >= CRASHES && waited >= PATIENCE;
    let ContainerStatus { name, image, restart_count: times, .. } = container;
    let what = || format!("pod {}: container {name} (image {image}) keeps crashing, {times} times so far", place(pod));
    loops.then(|| what() + &last_end(container))
}

/// How long a node may take until it is ready, on a machine that makes several.
const NODE_READY: Duration = Duration::from_secs(180);

/// A pod that no node takes, for a reason that lasts.
fn unschedulable(pod: &Pod, waited: Duration) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let refused = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    let message = refused.message.as_deref().unwrap_or_default();
    // A node that has just started, and a volume that is still being made, come by themselves.
    let may_pass = message.contains("node.kubernetes.io/") || message.contains("PersistentVolumeClaim");
    // Since Kubernetes 1.36 the scheduler does not name taints: it may be that of a node that has just started.
    let patience = if message.contains("untolerated taint(s)") { NODE_READY } else { PATIENCE };
    (waited >= patience && !may_pass).then(|| format!("pod {} fits on no node: {message}", place(pod)))
}

/// A container that will not start.
fn halted(pod: &Pod, container: &ContainerStatus, events: &[Event], waited: Duration) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let told = waiting.message.as_deref().unwrap_or_default();
    let place = place(pod);
    match reason {
        "InvalidImageName" | "ErrImageNeverPull" => {
            Some(format!("pod {place}: image {} cannot be had: {reason}: {told}", container.image))
        }
        "ErrImagePull" | "ImagePullBackOff" => {
            let pulled_in_vain = |e: &&Event| {
                e.involved_object.name.as_deref() == Some(&pod.name_any())
                    && message(e).starts_with("Failed to pull image")
                    && message(e).contains(&container.image)
            };
            let failures: Vec<&Event> = events.iter().filter(pulled_in_vain).collect();
            let last = failures.iter().max_by_key(|e| super::wait::time(e))?;
            let pulls: i32 = failures.iter().map(|e| times(e)).sum();
            (pulls >= PULLS)
                .then(|| format!("pod {place}: image {} cannot be pulled: {}", container.image, message(last)))
        }
        "CreateContainerConfigError" if waited >= PATIENCE => {
            Some(format!("pod {place}: container {} cannot be made: {told}", container.name))
        }
        _ => None,
    }
}

/// A container that has crashed and has not run for a while since.
fn crashing(pod: &Pod, now: Timestamp) -> Option<String> {
    /// So long a container runs when it has got over its crash.
    const STEADY: f64 = 5.0;
    containers(pod).find_map(|container| {
        let state = container.state.as_ref()?;
        let what = |how: &str| Some(format!("container {} of pod {} {how}", container.name, place(pod)));
        if state.waiting.is_some() {
            return what(&format!("does not run{}", last_end(container)));
        }
        if let Some(ended) = &state.terminated {
            return if ended.exit_code == 0 {
                None
            } else {
                what(&format!("ended with exit code {}", ended.exit_code))
            };
        }
        let ended = container.last_state.as_ref().and_then(|s| s.terminated.as_ref());
        // What was killed from outside, as by a node that stops, has not crashed.
        let crashed = ended.is_some_and(|t| !matches!(t.exit_code, 0 | 137 | 143 | 255));
        let since = state.running.as_ref()?.started_at.as_ref()?.0;
        let is_fresh = now.duration_since(since).as_secs_f64() < STEADY;
        if crashed && is_fresh { what(&format!("was started again a moment ago{}", last_end(container))) } else { None }
    })
}

/// How a container's last run ended, with a leading separator.
fn last_end(container: &ContainerStatus) -> String {
    let ended = container.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    ended.map_or_else(String::new, |t| {
        let why = t.message.as_deref().or(t.reason.as_deref()).unwrap_or_default().trim();
        format!("; the last time with exit code {}, {why}", t.exit_code)
    })
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let first = status.and_then(|s| s.init_container_statuses.as_ref()).into_iter().flatten();
    first.chain(status.and_then(|s| s.container_statuses.as_ref()).into_iter().flatten())
}

fn place(pod: &Pod) -> String {
    format!("{}/{}", pod.metadata.namespace.as_deref().unwrap_or_default(), pod.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SOON: Duration = Duration::from_secs(2);
    const LATER: Duration = Duration::from_secs(40);

    fn pod(container: &Value) -> Pod {
        let mut status = json!({ "name": "web", "image": "example.test/web:1", "imageID": "", "ready": false,
            "restartCount": 0 });
        status.as_object_mut().expect("a map").extend(container.as_object().expect("a map").clone());
        serde_json::from_value(json!({ "metadata": { "namespace": "shop", "name": "web-1" },
            "status": { "containerStatuses": [status] } }))
        .expect("a pod")
    }

    fn event(object: &str, reason: &str, message: &str, count: i32) -> Event {
        serde_json::from_value(json!({ "metadata": {}, "involvedObject": { "name": object }, "reason": reason,
            "message": message, "count": count, "lastTimestamp": "2026-01-01T00:00:00Z" }))
        .expect("an event")
    }

    fn waiting(reason: &str) -> Value {
        json!({ "state": { "waiting": { "reason": reason, "message": "it says why" } } })
    }

    #[test]
    fn an_image_that_does_not_exist_is_named_after_the_second_attempt() {
        let failed = |count| {
            let message = "Failed to pull image \"example.test/web:1\": not found";
            vec![event("web-1", "Failed", message, count), event("web-1", "Failed", "Error: ErrImagePull", 9)]
        };
        let stuck = |reason: &str, count| stuck(&pod(&waiting(reason)), &failed(count), SOON);
        assert_eq!(stuck("ErrImagePull", 1), None);
        let of_job = never_starts(&pod(&waiting("ImagePullBackOff")), &failed(2), SOON);
        assert!(of_job.is_some_and(|why| why.contains("image example.test/web:1 cannot be pulled")));
        let named = "pod shop/web-1: image example.test/web:1 cannot be pulled: Failed to pull image \"example.test/web:1\": not found";
        assert_eq!(stuck("ImagePullBackOff", 2).as_deref(), Some(named));
        assert!(stuck("InvalidImageName", 0).is_some_and(|why| why.contains("example.test/web:1")));
        assert_eq!(stuck("ContainerCreating", 5), None);
    }

    #[test]
    fn a_crash_is_an_accident_until_it_comes_again_and_again() {
        let ended = |restarts: i32, seconds: i64| {
            let at =
                Timestamp::now().checked_sub(std::time::Duration::from_secs(seconds.unsigned_abs())).expect("a time");
            let ended = json!({ "terminated": { "exitCode": 7, "reason": "Error", "finishedAt": at.to_string() } });
            let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
            pod(&json!({ "state": waiting, "lastState": ended, "restartCount": restarts }))
        };
        let crashed = |restarts| ended(restarts, 30);
        assert_eq!(stuck(&crashed(2), &[], LATER), None);
        // It was started again with its node, which counts too; a moment ago it has crashed once.
        assert_eq!(stuck(&ended(3, 5), &[], LATER), None);
        // Those of an earlier run say nothing yet.
        assert_eq!(stuck(&crashed(3), &[], SOON), None);
        // How often a pod of a Job may crash is up to the Job.
        assert_eq!(never_starts(&crashed(3), &[], LATER), None);
        let ended = pod(&json!({ "state": { "terminated": { "exitCode": 7 } }, "restartCount": 3 }));
        assert!(stuck(&ended, &[], LATER).is_some_and(|why| why.contains("keeps crashing")));
        let why = stuck(&crashed(3), &[], LATER).expect("a reason");
        assert!(why.contains("keeps crashing, 3 times so far; the last time with exit code 7, Error"), "{why}");
    }

    #[test]
    fn a_pod_that_has_failed_is_told_unless_its_owner_makes_another() {
        let failed = |owner: Value| {
            let mut failed = pod(&json!({ "state": { "terminated": { "exitCode": 3 } } }));
            failed.status.as_mut().expect("a status").phase = Some("Failed".to_owned());
            failed.metadata.owner_references = serde_json::from_value(owner).expect("owners");
            stuck(&failed, &[], SOON)
        };
        let why = failed(Value::Null).expect("a reason");
        assert!(why.contains("container web (image example.test/web:1) ended with exit code 3"), "{why}");
        let owner = json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "1" }]);
        assert_eq!(failed(owner), None);
    }

    #[test]
    fn what_was_ready_for_an_instant_is_not_steady() {
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        let running = |since: &str, last: Value| {
            crashing(&pod(&json!({ "state": { "running": { "startedAt": since } }, "lastState": last })), now)
        };
        let crash = json!({ "terminated": { "exitCode": 1 } });
        assert_eq!(running("2026-01-01T00:00:59Z", json!({})), None);
        assert!(running("2026-01-01T00:00:59Z", crash.clone()).is_some());
        assert_eq!(running("2026-01-01T00:00:40Z", crash.clone()), None);
        let node_stopped = json!({ "terminated": { "exitCode": 255, "reason": "Unknown" } });
        assert_eq!(running("2026-01-01T00:00:59Z", node_stopped), None);
        let back_off = json!({ "state": { "waiting": { "reason": "CrashLoopBackOff" } }, "lastState": crash });
        assert!(crashing(&pod(&back_off), now).is_some_and(|why| why.contains("web of pod shop/web-1 does not run")));
        assert!(crashing(&pod(&json!({ "state": { "terminated": { "exitCode": 2 } } })), now).is_some());
        assert_eq!(crashing(&pod(&json!({ "state": { "terminated": { "exitCode": 0 } } })), now), None);
    }

    #[test]
    fn a_refused_pod_is_told_unless_a_webhook_is_not_up_yet() {
        let refused = |message: &str, waited| {
            let deployment = json!({ "metadata": { "name": "web" }, "status": { "conditions": [
                { "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message }] } });
            refusal("Deployment", &deployment, &[], &[], waited)
        };
        let quota = "pods \"web-1\" is forbidden: exceeded quota: small";
        assert_eq!(refused(quota, SOON), None);
        assert!(refused(quota, LATER).is_some_and(|why| why.contains(quota)));
        assert_eq!(refused("Internal error occurred: failed calling webhook \"x\": refused", LATER), None);
        let set = json!({ "metadata": { "name": "db" } });
        let events = [event("db", "FailedCreate", "create Pod db-0 failed: denied", 3)];
        assert!(refusal("StatefulSet", &set, &events, &[], LATER).is_some_and(|why| why.contains("denied")));
        assert_eq!(refusal("StatefulSet", &set, &[], &[], LATER), None);
    }

    #[test]
    fn a_pod_for_no_node_is_told_with_the_schedulers_words() {
        let unscheduled = |message: &str, waited| {
            let conditions = json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": message }]);
            let pod =
                json!({ "metadata": { "namespace": "shop", "name": "web-1" }, "status": { "conditions": conditions } });
            stuck(&serde_json::from_value(pod).expect("a pod"), &[], waited)
        };
        let port = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
        assert_eq!(unscheduled(port, SOON), None);
        assert_eq!(unscheduled(port, LATER), Some(format!("pod shop/web-1 fits on no node: {port}")));
        let fresh = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.";
        assert_eq!(unscheduled(fresh, LATER), None);
        let unnamed = "0/2 nodes are available: 2 node(s) had untolerated taint(s).";
        assert_eq!(unscheduled(unnamed, LATER), None);
        assert!(unscheduled(unnamed, NODE_READY).is_some());
    }

    #[test]
    fn a_pool_that_has_run_out_is_named() {
        let failed = event("edge", "AllocationFailed", "Failed to allocate IP for \"shop/edge\": no available IPs", 1);
        assert_eq!(without_address(std::slice::from_ref(&failed), "edge", SOON), None);
        let why = without_address(std::slice::from_ref(&failed), "edge", LATER);
        assert!(why.is_some_and(|why| why.contains("no available IPs")));
        assert_eq!(without_address(&[failed], "other", LATER), None);
    }
}
