//! What the app writes, in all clusters.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::event::{DevEvent, Happened};
use super::objects::pods_of;
use super::{Dev, Tell};
use crate::sys::kube::PodLine;

/// Lines that may wait for whoever reads them.
const WAITING: usize = 256;

/// The logs that are followed. They are let go of when this is dropped.
#[derive(Default)]
pub struct Logs {
    followed: BTreeSet<Place>,
    tasks: JoinSet<()>,
}

/// Whose logs: cluster, namespace, labels of pods, containers.
type Place = (String, String, String, BTreeSet<String>);

impl Logs {
    /// Follows what the pods write that run the image, as far as nobody does so yet.
    pub async fn follow(&mut self, dev: &Dev<'_>, since: Timestamp) {
        for ((cluster, _), object) in &dev.applied {
            let repository = dev.project.repository(&dev.ctx.lab.name);
            if !object.to_string().contains(&format!("\"{repository}:")) {
                continue;
            }
            let Some((selector, containers)) = pods_of(object) else { continue };
            let namespace = object.pointer("/metadata/namespace").and_then(|n| n.as_str()).unwrap_or("default");
            let place = (cluster.clone(), namespace.to_owned(), selector, containers);
            if self.followed.contains(&place) {
                continue;
            }
            let Ok(client) = dev.ctx.client(cluster).await else { continue };
            self.followed.insert(place.clone());
            let (sender, lines) = mpsc::channel(WAITING);
            let (cluster, namespace, selector, containers) = place;
            self.tasks.spawn(async move { client.follow(&namespace, &selector, &containers, since, sender).await });
            self.tasks.spawn(hand_on(cluster, lines, dev.tell.clone()));
        }
    }
}

async fn hand_on(cluster: String, mut lines: mpsc::Receiver<PodLine>, tell: Tell) {
    while let Some(PodLine { pod, container, text }) = lines.recv().await {
        tell.send(DevEvent {
            clusters: vec![cluster.clone()],
            pod: Some(pod),
            container: Some(container),
            line: Some(text),
            ..DevEvent::of(Happened::Log)
        });
    }
}
