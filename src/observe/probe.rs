//! Calls that go on whatever becomes of the cluster that they come from: its node makes them in the namespaces of the calling pod, so no API server is
//! needed while they last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::traffic::{Replies, collect};
use crate::context::{LabContext, StepError};
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::{FAULT_PATIENCE, FAULT_RATE, ServiceUrl};
use crate::sys::kube::KubeError;
use crate::verdict::{Answer, Moment, REPLY_FORMAT, Reply};

/// Who calls; its container has that name too.
const CALLER: &str = "sleep";
/// How long one request may take.
const PATIENCE: Duration = Duration::from_millis(FAULT_PATIENCE);
/// So many callers share the requests of one source, each one after the other: one that hangs holds back the tenth part of them. Who has no answer at all still
/// sends three a second, which is enough to tell whether anybody answers.
const CALLERS: u32 = 10;
/// Runs the rest of its words in the namespaces of a container, so many times at once, begun evenly in half a second; before each line stands whose it is.
/// All of them end with it.
const ENTER: &str = r#"id=$1 callers=$2
shift 2
trap 'trap - TERM; kill 0' TERM
pid=$(ctr --namespace k8s.io task ls | sed -n "s/^$id  *\([0-9]*\) .*/\1/p")
caller=0
while [ "$caller" -lt "$callers" ]; do
    nsenter --target "$pid" --mount --net -- "$@" | sed -u "s/^/$caller /" &
    caller=$((caller + 1))
    sleep 0.05
done
wait"#;

/// A steady stream of calls.
pub(super) struct Probe {
    answers: UnboundedReceiver<(Instant, Answer)>,
    /// When each answer came, and how many microseconds it took.
    times: Arc<Mutex<Vec<(Instant, u64)>>>,
}

/// Where replies go.
struct Taker {
    sender: UnboundedSender<(Instant, Answer)>,
    times: Arc<Mutex<Vec<(Instant, u64)>>>,
}

impl Taker {
    /// Takes a reply that has come now; tells whether anybody still wants it.
    fn take(&self, reply: &Reply) -> bool {
        let (now, answer) = (Instant::now(), Answer::of(reply));
        if matches!(answer, Answer::Version(_)) {
            self.times.lock().unwrap_or_else(PoisonError::into_inner).push((now, reply.micros));
        }
        self.sender.send((now, answer)).is_ok()
    }
}

impl Probe {
    /// Begins to call from the newest pod of sleep in a cluster, until this is dropped.
    pub async fn begin(ctx: &LabContext, cluster: &str, service: &ServiceUrl) -> Result<Self, StepError> {
        let selector = format!("app={CALLER}");
        let pod = ctx.client(cluster).await?.pods(APP_NAMESPACE, &selector).await?.pop();
        let pod = pod.ok_or_else(|| KubeError::NoPod { namespace: APP_NAMESPACE.to_owned(), selector })?;
        let lost = || StepError::Missing(format!("the container of {CALLER} in {cluster}"));
        let (node, id) = place(&pod).ok_or_else(lost)?;
        let of = ctx.cluster(cluster)?;
        let node = of.nodes().find(|container| of.node_name(container) == node).ok_or_else(lost)?;
        let (rate, limit) = (format!("{}/s", FAULT_RATE / CALLERS), PATIENCE.as_secs().to_string());
        let callers = CALLERS.to_string();
        let url = format!("http://{service}#[1-1000000]");
        let command = [
            "sh",
            "-c",
            ENTER,
            "sh",
            &id,
            &callers,
            "curl",
            "-sN",
            "--rate",
            &rate,
            "-m",
            &limit,
            "-w",
            REPLY_FORMAT,
            &url,
        ];
        let mut lines = ctx.engine.exec_lines(&node, &command).await?;
        let (probe, taker) = Self::taking();
        tokio::spawn(async move {
            let mut replies: BTreeMap<String, Replies> = BTreeMap::new();
            while let Some(line) = lines.next().await {
                let Some((caller, line)) = line.split_once(' ') else { continue };
                let Some(reply) = replies.entry(caller.to_owned()).or_default().line(line) else { continue };
                if !taker.take(&reply) {
                    break;
                }
            }
        });
        Ok(probe)
    }

    /// Begins to call from this process, as often and as patiently, and whatever hangs, until this is dropped.
    pub fn by<F>(call: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Reply> + Send,
    {
        let (probe, taker) = Self::taking();
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(Duration::from_secs(1) / FAULT_RATE);
            turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut under_way = FuturesUnordered::new();
            loop {
                let reply = tokio::select! {
                    _ = turns.tick() => {
                        under_way.push(tokio::time::timeout(PATIENCE, call()));
                        continue;
                    }
                    Some(reply) = under_way.next() => reply,
                };
                let late =
                    |_| Reply { error: format!("no answer within {} s", PATIENCE.as_secs()), ..Reply::default() };
                if !taker.take(&reply.unwrap_or_else(late)) {
                    break;
                }
            }
        });
        probe
    }

    fn taking() -> (Self, Taker) {
        let (sender, answers) = unbounded_channel();
        let times: Arc<Mutex<Vec<(Instant, u64)>>> = Arc::default();
        (Self { answers, times: Arc::clone(&times) }, Taker { sender, times })
    }

    /// Ends the calls. Gives each answer that nobody has collected, with the time at which it came.
    pub fn end(mut self) -> Vec<(Instant, Answer)> {
        std::iter::from_fn(|| self.answers.try_recv().ok()).collect()
    }

    /// Within how many microseconds 95 of 100 answers came that came between two moments.
    pub fn most_within(&self, from: Instant, to: Instant) -> Option<u64> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<u64> = times.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, took)| *took).collect();
        all.sort_unstable();
        all.get((all.len() * 95).div_ceil(100).saturating_sub(1)).copied()
    }

    /// Answers with their times since `start`, until it is enough or time is up.
    pub async fn collect(
        &mut self,
        start: Instant,
        limit: Duration,
        enough: impl Fn(&[Moment]) -> bool,
    ) -> Vec<Moment> {
        collect(&mut self.answers, start, limit, enough).await
    }
}

/// The node of a pod, and what its runtime calls the container of the caller.
fn place(pod: &Pod) -> Option<(String, String)> {
    let node = pod.spec.as_ref()?.node_name.clone()?;
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let id = statuses.iter().find(|s| s.name == CALLER)?.container_id.as_ref()?;
    let (_, id) = id.split_once("://")?;
    // It is a word of a pattern.
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric())).then(|| (node, id.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_container_of_the_caller_is_found_among_others() {
        let pod = |id: &str| -> Pod {
            let sidecar = json!({ "name": "istio-proxy", "containerID": "containerd://b1", "image": "", "imageID": "", "ready": true, "restartCount": 0 });
            let sleep = json!({ "name": "sleep", "containerID": id, "image": "", "imageID": "", "ready": true, "restartCount": 0 });
            let pod = json!({ "spec": { "nodeName": "n", "containers": [] }, "status": { "containerStatuses": [sidecar, sleep] } });
            serde_json::from_value(pod).expect("a pod")
        };
        assert_eq!(place(&pod("containerd://a0")), Some(("n".into(), "a0".into())));
        assert_eq!(place(&pod("containerd://a/b")), None);
        assert_eq!(place(&Pod::default()), None);
    }
}
