//! What `up` keeps by itself: a lab that it has built, under the digest of everything that went into it, for the next `up` of the same scenario.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{About, Saved, save};
use crate::context::{RunContext, StepError};
use crate::images::{Choice, Inputs, having, identity, is_prepared};
use crate::plan::Lab;
use crate::scenario::Check;
use crate::steps::{cluster, docker_network};
use crate::sys::docker::Engine;
use crate::sys::state::{Snapshot, Snapshots};

/// Between the name of the lab and the digest. No name that a user gives has it.
const MARK: char = '@';
/// What is older is not used. The certificates in it hold for a year, and those of a scenario's own authority were looked at when it was kept; and what is
/// restored every day for months is no longer what a machine builds.
const OLDEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most bytes of all that is kept; the oldest goes first. A lab of three clusters has less than 10 MB.
const ROOM: u64 = 1_000_000_000;

/// Whether `up` has kept a snapshot of that name by itself.
#[must_use]
pub fn is_kept(name: &str) -> bool {
    name.contains(MARK)
}

/// The name under which a lab is kept; none while its images are not prepared, and where its nodes pull their images from a mirror.
///
/// # Errors
/// The engine does not answer; the stack is not valid.
pub async fn name_of(lab: &Lab, engine: &Engine, choice: Choice) -> Result<Option<String>, StepError> {
    if lab.images.mirror.is_some() {
        return Ok(None);
    }
    let choice = having(choice, lab.versions())?;
    let facts = engine.facts().await?;
    let mut inputs = vec![
        env!("CARGO_PKG_VERSION").to_owned(),
        identity()?.digest,
        as_json(&(facts.version, facts.cgroup_version, facts.runtime, facts.rootless)),
        docker_network::mtu(engine, lab).await?.to_string(),
        as_json(&(cluster::proxies(lab, engine), cluster::authorities()?)),
    ];
    for of in &lab.clusters {
        let Some(prepared) = is_prepared(choice, &lab.images, of.versions, engine).await else { return Ok(None) };
        let Some(layers) = engine.layers(&prepared.node_image).await? else { return Ok(None) };
        inputs.push(cluster::config(lab, of, false).to_string());
        inputs.push(prepared.node_image);
        inputs.extend(layers);
    }
    Ok(Some(name(lab, inputs)))
}

fn name(lab: &Lab, mut inputs: Vec<String>) -> String {
    inputs.push(as_json(lab));
    // Of these files a stored lab knows the names only.
    for own in lab.mesh.ca.iter().flat_map(|ca| ca.intermediates.values()) {
        inputs.push(own.chain.0.clone());
    }
    format!("{}{MARK}{}", lab.name, Inputs::of("kept 1").all(inputs).digest().short())
}

/// What cannot be written as JSON, which nothing here is, is the same as nothing.
fn as_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What is kept under a name, if it can be read and is young enough.
#[must_use]
pub fn find(snapshots: &Snapshots, name: &str) -> Option<Snapshot<About>> {
    snapshots.get::<About>(name).ok().filter(|kept| is_young(&kept.about.taken, Timestamp::now()))
}

fn is_young(taken: &str, now: Timestamp) -> bool {
    // What was taken in the future was taken by a clock that was wrong, as its certificates were.
    let age = taken.parse::<Timestamp>().ok().and_then(|taken| Duration::try_from(now.duration_since(taken)).ok());
    age.is_some_and(|age| age <= OLDEST)
}

/// Why a lab that has just been built is not kept.
///
/// # Errors
/// A cluster does not answer.
pub async fn obstacle(ctx: &RunContext) -> Result<Option<String>, StepError> {
    if ctx.lab.checks.iter().any(changes) {
        return Ok(Some("its checks have changed it".to_owned()));
    }
    for cluster in &ctx.lab.clusters {
        let own = &ctx.prepared_for(cluster)?.images;
        let pods: Vec<Pod> = ctx.client(&cluster.name).await?.everywhere().await?;
        if let Some(image) = pods.iter().flat_map(images).find(|image| !is_settled(own.values(), image)) {
            return Ok(Some(format!("what its image {image} is may change: name it by its digest")));
        }
    }
    Ok(None)
}

/// Whether a check leaves something else behind than it found.
fn changes(check: &Check) -> bool {
    match check {
        Check::Failover(check) => !check.exercise.is_empty(),
        Check::Federation(check) => !check.exercise.is_empty(),
        Check::Request(check) => {
            check.method.as_ref().is_some_and(|m| !["GET", "HEAD", "OPTIONS"].contains(&m.as_str()))
        }
        Check::Rotation { .. } | Check::Reachability => false,
    }
}

/// Images of a pod that the node image need not bring.
fn images(pod: &Pod) -> Vec<&str> {
    let is_nodes_own = matches!(pod.metadata.namespace.as_deref(), Some("kube-system" | "local-path-storage"));
    let Some(spec) = pod.spec.as_ref().filter(|_| !is_nodes_own) else { return Vec::new() };
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    all.filter_map(|c| c.image.as_deref()).collect()
}

/// Whether an image is the same for ever: it is one of the node image's `own`, or named by its digest.
fn is_settled<'a>(mut own: impl Iterator<Item = &'a String>, image: &str) -> bool {
    image.contains("@sha256:") || own.any(|own| own == image)
}

/// Keeps a lab, whose lock the caller holds, in the place of what was kept under this name. `None` if it is interrupted: then nothing is kept of it.
///
/// # Errors
/// As of [`save`].
pub async fn keep(
    ctx: &RunContext,
    snapshots: &Snapshots,
    name: &str,
    taken: String,
    interrupt: &CancellationToken,
) -> Result<Option<Saved>, StepError> {
    forget(snapshots, name);
    let saved = save(ctx, snapshots, name, taken, interrupt).await?;
    let all = snapshots.names()?.into_iter().filter(|name| is_kept(name));
    let all = all.map(|name| match snapshots.get::<About>(&name) {
        Ok(kept) => (kept.about.taken.clone(), kept.bytes(), name),
        Err(_) => (String::new(), 0, name),
    });
    for name in superfluous(all.collect(), Timestamp::now()) {
        forget(snapshots, &name);
    }
    Ok(saved)
}

/// Removes what was kept under a name. That it is gone is well, and what cannot be removed stays.
pub fn forget(snapshots: &Snapshots, name: &str) {
    let _ = snapshots.remove(name);
}

/// What is too old, and the oldest of what is too much. Each is a time, bytes and a name.
fn superfluous(mut all: Vec<(String, u64, String)>, now: Timestamp) -> Vec<String> {
    // RFC 3339 in UTC, so the order of the texts is that of the times.
    all.sort_by(|a, b| b.cmp(a));
    let mut sum = 0;
    all.retain(|(taken, bytes, _)| {
        sum += bytes;
        sum > ROOM || !is_young(taken, now)
    });
    all.into_iter().map(|(.., name)| name).collect()
}

#[cfg(test)]
mod tests;
