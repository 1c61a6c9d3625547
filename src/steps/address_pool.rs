//! `address-pool`: MetalLB's pools, as soon as its webhook takes them, and a speaker on every node that announces them.

use std::error::Error;
use std::time::{Duration, Instant};

use super::applied;
use super::metallb::NAMESPACE;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render;
use crate::plan::{Action, LabCluster};
use crate::sys::kube::{Cluster, Manifest};

/// How long MetalLB's webhook may see an address in the pool that it has just left.
const PATIENCE: Duration = Duration::from_secs(20);

fn action(cluster: &LabCluster) -> Action {
    Action::AddressPool { cluster: cluster.name.clone() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    for empty in render::empty_pools(cluster) {
        if client.has(&Manifest::from_values([empty])?).await? {
            return Ok(false);
        }
    }
    Ok(applied::is_satisfied(ctx, &client, &action(cluster), &pool(cluster)?).await?
        && client.is_on_every_node(NAMESPACE, "speaker").await?)
}

pub(super) async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    if !ctx.is_new(&cluster.name) {
        for empty in Manifest::from_values(render::empty_pools(cluster))?.objects {
            client.delete(&empty).await?;
        }
    }
    let changed = apply(ctx, &client, cluster, progress).await?;
    client.until_on_every_node(NAMESPACE, "speaker", ctx.patience, progress).await?;
    Ok(changed)
}

/// Applies the pools, again while one has an address that another is still to lose: the webhook looks at a copy that lags behind.
async fn apply(
    ctx: &RunContext,
    client: &Cluster,
    cluster: &LabCluster,
    progress: &Progress,
) -> Result<bool, StepError> {
    let start = Instant::now();
    let mut again = false;
    loop {
        match applied::apply(ctx, client, &action(cluster), &pool(cluster)?, progress).await {
            Err(error) if overlaps(&error) && start.elapsed() < PATIENCE => again = true,
            changed => return Ok(changed? || again),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether MetalLB refused a pool because another one has an address of it.
fn overlaps(error: &StepError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.to_string().contains("overlaps with already defined") {
            return true;
        }
        cause = error.source();
    }
    false
}

pub(crate) fn pool(cluster: &LabCluster) -> Result<Manifest, StepError> {
    Ok(Manifest::from_values(render::address_pool(cluster))?)
}
