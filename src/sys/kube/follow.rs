//! What the pods of a workload write, those that come later too.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, LogParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Cluster;

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodLine {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The line.
    pub text: String,
}

impl Cluster {
    /// Sends what these containers of the pods that have the labels write from `since` on, those of pods that come later and of containers that start
    /// again too. Ends with the receiver, and when it is dropped.
    pub async fn follow(
        &self,
        namespace: &str,
        selector: &str,
        containers: &BTreeSet<String>,
        since: Timestamp,
        to: mpsc::Sender<PodLine>,
    ) {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        // One stream a start of a container.
        let mut followed: BTreeMap<(String, String), i32> = BTreeMap::new();
        let mut streams = JoinSet::new();
        let config = watcher::Config::default().labels(selector);
        let mut events = watcher(api.clone(), config).default_backoff().boxed();
        loop {
            tokio::select! {
                () = to.closed() => return,
                Some(_) = streams.join_next() => {}
                event = events.next() => {
                    let pod = match event {
                        Some(Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod))) => pod,
                        // After an error it begins again by itself.
                        Some(_) => continue,
                        None => return,
                    };
                    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
                    for status in statuses.filter(|s| containers.contains(&s.name) && has_started(s)) {
                        let key = (pod.uid().unwrap_or_default(), status.name.clone());
                        if followed.insert(key, status.restart_count) != Some(status.restart_count) {
                            let (api, to) = (api.clone(), to.clone());
                            streams.spawn(send(api, pod.name_any(), status.name.clone(), since, to));
                        }
                    }
                }
            }
        }
    }
}

fn has_started(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

/// Sends one container's log to its end. A log that cannot be read is one that has gone with its pod.
async fn send(api: Api<Pod>, pod: String, container: String, since: Timestamp, to: mpsc::Sender<PodLine>) {
    let params =
        LogParams { container: Some(container.clone()), follow: true, since_time: Some(since), ..LogParams::default() };
    let Ok(stream) = api.log_stream(&pod, &params).await else { return };
    let mut lines = pin!(stream.lines().into_stream());
    while let Ok(Some(text)) = lines.try_next().await {
        if to.send(PodLine { pod: pod.clone(), container: container.clone(), text }).await.is_err() {
            return;
        }
    }
}
