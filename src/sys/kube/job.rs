//! Jobs: whether they have done what they are for.

use std::time::{Duration, Instant};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::wait::await_condition;

use super::dead_end::never_starts;
use super::manifest::kind;
use super::wait::{LOOK, Listener, broken_wait};
use super::{Cluster, KubeError, describe};

/// How far a Job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It has done what it is for, or it waits for somebody who starts it.
    Done,
    /// It runs, or it will.
    Running,
    /// It has given up: Kubernetes' reason and message.
    Failed(String),
}

/// Whether an object is a Job of Kubernetes itself.
#[must_use]
pub fn is_job(object: &DynamicObject) -> bool {
    object.types.as_ref().is_some_and(|t| t.api_version == "batch/v1") && kind(object) == "Job"
}

/// How far a Job is. One that is gone was removed after its end, as `ttlSecondsAfterFinished` wants it.
fn state(job: Option<&Job>) -> JobState {
    let Some(job) = job else { return JobState::Done };
    let spec = job.spec.as_ref();
    if spec.is_some_and(|s| s.suspend == Some(true) || s.parallelism == Some(0)) {
        return JobState::Done;
    }
    let conditions = job.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    let ended = |kinds: [&str; 2]| conditions.iter().find(|c| kinds.contains(&c.type_.as_str()) && c.status == "True");
    if let Some(failed) = ended(["Failed", "FailureTarget"]) {
        let texts = [failed.reason.as_deref(), failed.message.as_deref()];
        return JobState::Failed(texts.into_iter().flatten().collect::<Vec<_>>().join(": "));
    }
    if ended(["Complete", "SuccessCriteriaMet"]).is_some() { JobState::Done } else { JobState::Running }
}

/// What ended or holds up the containers of a Job's pods, as "pod seed-x: seed ended with exit code 1"; the newest pod that has anything.
fn trouble(pods: &[Pod]) -> Option<String> {
    let mut pods: Vec<&Pod> = pods.iter().collect();
    pods.sort_by_key(|p| std::cmp::Reverse(p.creation_timestamp().map(|t| t.0)));
    pods.iter().find_map(|pod| {
        let status = pod.status.as_ref()?;
        let first = status.init_container_statuses.as_deref().unwrap_or_default();
        let mut all = first.iter().chain(status.container_statuses.as_deref().unwrap_or_default());
        let why = all.find_map(container_trouble);
        let why = why.or_else(|| {
            Some(format!("{}: {}", status.reason.as_deref()?, status.message.as_deref().unwrap_or_default()))
        })?;
        Some(format!("pod {}: {why}", pod.name_any()))
    })
}

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let name = &container.name;
    let ended = |state: Option<&k8s_openapi::api::core::v1::ContainerState>| {
        let ended = state?.terminated.as_ref().filter(|t| t.exit_code != 0)?;
        let reason = ended.reason.as_deref().filter(|r| *r != "Error").map_or_else(String::new, |r| format!(", {r}"));
        let said = ended.message.as_deref().map_or_else(String::new, |m| format!(": {}", m.trim()));
        Some(format!("{name} ended with exit code {}{reason}{said}", ended.exit_code))
    };
    let waiting = || {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|r| !matches!(*r, "PodInitializing" | "ContainerCreating"))?;
        Some(format!("{name} waits, {reason} of image {}", container.image))
    };
    ended(container.state.as_ref()).or_else(|| ended(container.last_state.as_ref())).or_else(waiting)
}

impl Cluster {
    /// Why a Job's pods that have not ended will never start.
    ///
    /// # Errors
    /// The API server cannot be asked.
    async fn job_never_starts(
        &self,
        namespace: &str,
        name: &str,
        waited: Duration,
    ) -> Result<Option<String>, KubeError> {
        let pods = self.all_pods(namespace, &format!("batch.kubernetes.io/job-name={name}")).await?;
        let waits = |pod: &&Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Pending");
        if !pods.iter().any(|pod| waits(&pod)) {
            return Ok(None);
        }
        let events = self.events(namespace).await?;
        Ok(pods.iter().filter(waits).find_map(|pod| never_starts(pod, &events, waited)))
    }

    /// How far a Job is now.
    pub async fn job_state(&self, job: &DynamicObject) -> Result<JobState, KubeError> {
        let (namespace, name) = place(job);
        let live: Option<Job> = self.get(namespace, name).await?;
        Ok(state(live.as_ref()))
    }

    /// Watches a Job until it is done. One that has failed is an error at once, with what its last pod ended with; so is one whose pod will never start.
    pub async fn until_done(
        &self,
        job: &DynamicObject,
        limit: Duration,
        listener: &impl Listener,
    ) -> Result<(), KubeError> {
        let (namespace, name) = place(job);
        let what = describe(job);
        listener.say(format!("waiting, {what} is not done"));
        let api: Api<Job> = Api::namespaced(self.client.clone(), namespace);
        let ended = |job: Option<&Job>| state(job) != JobState::Running;
        let ended = Box::pin(tokio::time::timeout(limit, await_condition(api, name, ended)));
        let start = Instant::now();
        let look = async {
            loop {
                tokio::time::sleep(LOOK).await;
                // What cannot be asked now may be the next time.
                if let Ok(Some(reason)) = self.job_never_starts(namespace, name, start.elapsed()).await {
                    return reason;
                }
            }
        };
        let ended = tokio::select! {
            ended = ended => ended,
            reason = look => return Err(KubeError::Hopeless { what: format!("{what} is not done"), reason }),
        };
        match ended {
            Ok(Ok(live)) => match state(live.as_ref()) {
                JobState::Failed(reason) => {
                    let pod = self.job_trouble(namespace, name).await.map_or_else(String::new, |t| format!("; {t}"));
                    Err(KubeError::Job {
                        what,
                        reason: format!("{reason}{pod}"),
                        delete: format!("kubectl delete -n {namespace} job {name}"),
                    })
                }
                JobState::Done | JobState::Running => Ok(()),
            },
            Ok(Err(error)) => Err(broken_wait(&what, error)),
            Err(_) => Err(KubeError::Timeout {
                what: format!("{what} is not done"),
                seconds: limit.as_secs(),
                last: self.job_trouble(namespace, name).await.map_or_else(String::new, |t| format!("; {t}")),
            }),
        }
    }

    async fn job_trouble(&self, namespace: &str, name: &str) -> Option<String> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pods =
            api.list(&ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"))).await.ok()?;
        trouble(&pods.items)
    }
}

fn place(object: &DynamicObject) -> (&str, &str) {
    let metadata = &object.metadata;
    (metadata.namespace.as_deref().unwrap_or("default"), metadata.name.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(spec: &Value, conditions: &Value) -> JobState {
        let job = json!({ "metadata": { "name": "seed" }, "spec": spec, "status": { "conditions": conditions } });
        state(Some(&serde_json::from_value(job).expect("a Job")))
    }

    fn spec(more: &Value) -> Value {
        let mut spec = json!({ "template": {} });
        spec.as_object_mut().expect("a mapping").extend(more.as_object().expect("a mapping").clone());
        spec
    }

    #[test]
    fn a_job_is_done_when_it_says_so_and_a_failed_one_is_not() {
        let condition = |kind: &str, status: &str| json!([{ "type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often" }]);
        assert_eq!(of(&spec(&json!({})), &json!([])), JobState::Running);
        assert_eq!(of(&spec(&json!({})), &condition("Complete", "True")), JobState::Done);
        assert_eq!(of(&spec(&json!({})), &condition("Complete", "False")), JobState::Running);
        let failed = JobState::Failed("BackoffLimitExceeded: too often".to_owned());
        assert_eq!(of(&spec(&json!({})), &condition("Failed", "True")), failed);
        assert_eq!(state(None), JobState::Done);
    }

    #[test]
    fn a_job_that_nobody_has_started_is_not_waited_for() {
        assert_eq!(of(&spec(&json!({ "suspend": true })), &json!([])), JobState::Done);
        assert_eq!(of(&spec(&json!({ "parallelism": 0 })), &json!([])), JobState::Done);
        assert_eq!(of(&spec(&json!({ "suspend": false, "parallelism": 2 })), &json!([])), JobState::Running);
    }

    #[test]
    fn the_newest_pod_in_trouble_is_named() {
        let pod = |name: &str, at: &str, statuses: Value| -> Pod {
            serde_json::from_value(json!({ "metadata": { "name": name, "creationTimestamp": at }, "status": statuses }))
                .expect("a pod")
        };
        let container = |state: Value| json!({ "containerStatuses": [{ "name": "seed", "image": "img", "imageID": "", "ready": false, "restartCount": 0, "state": state }] });
        let failed = container(json!({ "terminated": { "exitCode": 3, "reason": "OOMKilled" } }));
        let fine = container(json!({ "running": {} }));
        let pods = [
            pod("seed-a", "2026-01-01T00:00:00Z", container(json!({ "terminated": { "exitCode": 1 } }))),
            pod("seed-b", "2026-01-01T00:00:01Z", failed),
            pod("seed-c", "2026-01-01T00:00:02Z", fine),
        ];
        assert_eq!(trouble(&pods).as_deref(), Some("pod seed-b: seed ended with exit code 3, OOMKilled"));
        let waits = container(json!({ "waiting": { "reason": "ErrImagePull" } }));
        assert_eq!(
            trouble(&[pod("a", "2026-01-01T00:00:00Z", waits)]).as_deref(),
            Some("pod a: seed waits, ErrImagePull of image img")
        );
        assert_eq!(trouble(&pods[2..]), None);
    }
}
