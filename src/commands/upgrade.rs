//! `upgrade`: Istio becomes another version, cluster by cluster, while every cluster calls every other.
//!
//! What a lab is to be is in its state before anything is done, so that whatever ends an upgrade, the next one goes on from there, in either direction.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::restart;
use super::under_traffic::Change;
use super::up::{Stopped, Up};
use crate::context::StepError;
use crate::exec::Progress;
use crate::images::{having, istio, prepare};
use crate::plan::{Action, LabCluster, Upgrade};
use crate::scenario::{ServiceUrl, Versions};
use crate::verdict::Passage;

/// Has the lab run another version. One that was interrupted, or stopped, goes on from where it was, or back.
///
/// # Errors
/// See [`Stopped`].
pub async fn run(
    up: &Up,
    upgrade: Upgrade,
    service: &ServiceUrl,
    progress: &Progress,
    interrupt: &CancellationToken,
) -> Result<Passage, Stopped> {
    tokio::select! {
        passage = Box::pin(upgraded(up, upgrade, service, progress, interrupt)) => passage,
        () = interrupt.cancelled() => Err(Stopped::Interrupted),
    }
}

async fn upgraded(
    up: &Up,
    upgrade: Upgrade,
    service: &ServiceUrl,
    progress: &Progress,
    interrupt: &CancellationToken,
) -> Result<Passage, Stopped> {
    // Building, and streaming images into nodes, takes the machine's processors, and must not pass for what an upgrade costs.
    have_images(up, upgrade, progress).await?;
    let mut change = if upgrade.is_begun(&up.ctx.lab) {
        // What leads back must work where not all is well.
        Change::go_on(up, service, progress, interrupt).await?
    } else {
        Change::begin(up, service, progress, interrupt).await?
    };
    let mut lab = up.ctx.lab.clone();
    for name in up.ctx.lab.istio_clusters().map(|c| c.name.clone()).collect::<Vec<_>>() {
        lab = upgrade.with_beside(&lab, &name);
        let beside = up.becoming(lab.clone())?;
        let cluster = beside.ctx.cluster(&name)?;
        if cluster.beside.is_none() {
            continue;
        }
        if !upgrade.is_over(cluster) {
            let phase = format!("{name}: istiod {} beside {}", upgrade.to, upgrade.from(cluster));
            change.phase(phase, false, beside.build_only(runs_no_pods, interrupt)).await?;
        }
        lab = upgrade.with_over(&lab, &name);
        cluster_over(&mut change, &up.becoming(lab.clone())?, upgrade, &name).await?;
    }
    let over = up.becoming(lab.clone())?;
    change.hang_up().await;
    change.phase("callers", true, over.build(interrupt)).await?;
    change.until(&over).await?;

    let alone = up.becoming(Upgrade::retired(&lab))?;
    change.call().await?;
    change.phase("the other istiods retired", false, alone.build(interrupt)).await?;
    change.hang_up().await;
    change.until(&alone).await?;
    Ok(change.end(&format!("Istio is {}", upgrade.to)).await)
}

/// Has the pods of a cluster get their sidecars from the control plane that is beside the old one, and what runs already restarted for it.
async fn cluster_over(change: &mut Change<'_>, up: &Up, upgrade: Upgrade, name: &str) -> Result<(), Stopped> {
    let (progress, interrupt) = (change.progress, change.interrupt);
    let cluster = up.ctx.cluster(name)?;
    let phase = format!("{name}: new pods get istiod {}", upgrade.to);
    change.phase(phase, false, up.build_only(runs_no_pods, interrupt)).await?;
    let gateways = up.build_only(|action| !is_late(action), interrupt);
    change.phase(format!("{name}: gateways"), true, gateways).await?;
    for namespace in restart::namespaces_behind(up, cluster).await? {
        let apps = restart::behind(up, cluster, &namespace, progress);
        change.phase(format!("{name}: namespace {namespace}"), true, apps).await?;
    }
    change.until(up).await
}

/// Whether a step leaves all pods of gateways and apps as they are.
fn runs_no_pods(action: &Action) -> bool {
    !is_late(action) && !matches!(action, Action::EastWestGateway { .. } | Action::IngressGateway { .. })
}

/// Whether a step looks at all pods that there are.
fn is_late(action: &Action) -> bool {
    matches!(action, Action::Sidecars { .. } | Action::Jobs { .. })
}

/// Has the images of the version on this machine and in every node.
async fn have_images(up: &Up, upgrade: Upgrade, progress: &Progress) -> Result<(), StepError> {
    let (ctx, of) = (&up.ctx, |c: &LabCluster| Versions { istio: Some(upgrade.to), ..c.versions });
    let all: BTreeSet<Versions> = ctx.lab.istio_clusters().map(of).collect();
    let choice = having(ctx.choice, all.iter().copied())?;
    for cluster in ctx.lab.istio_clusters() {
        let prepared = prepare(choice, &ctx.lab.images, of(cluster), &ctx.engine, progress).await?;
        let nodes: Vec<String> = ctx.nodes_of(&cluster.name).await?.into_iter().map(|node| node.name).collect();
        istio::load(prepared.source, of(cluster), &ctx.engine, &nodes, progress).await?;
    }
    Ok(())
}
