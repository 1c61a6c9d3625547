//! `address-pool`: MetalLB's pools, as soon as its webhook takes them, and a speaker on every node that announces them.

use std::error::Error;
use std::time::{Duration, Instant};

use super::metallb::NAMESPACE;
use super::{Context, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render;
use crate::sys::kube::{Cluster, KubeError, Manifest};

/// How long MetalLB's webhook may see an address in the pool that it has just left.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    for empty in render::empty_pools(cluster) {
        if client.has(&Manifest::from_values([empty])?).await? {
            return Ok(false);
        }
    }
    Ok(client.has(&pool(cluster)?).await? && client.is_on_every_node(NAMESPACE, "speaker").await?)
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    if !ctx.is_new(&cluster.name) {
        for empty in Manifest::from_values(render::empty_pools(cluster))?.objects {
            client.delete(&empty).await?;
        }
    }
    let changed = apply(&client, pool(cluster)?).await?;
    client.until_on_every_node(NAMESPACE, "speaker", ctx.patience, progress).await?;
    Ok(changed)
}

/// Applies pools one after the other, again while one has an address that another is still to lose: the webhook looks at a copy that lags behind.
async fn apply(client: &Cluster, pools: Manifest) -> Result<bool, StepError> {
    let start = Instant::now();
    let mut changed = false;
    let mut waiting = pools.objects;
    while !waiting.is_empty() {
        let mut refused = Vec::new();
        for object in waiting {
            match client.apply(&Manifest { objects: vec![object.clone()] }).await {
                Ok(is_new) => changed |= is_new,
                Err(error) if overlaps(&error) && start.elapsed() < PATIENCE => refused.push(object),
                Err(error) => return Err(error.into()),
            }
        }
        if !refused.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        waiting = refused;
    }
    Ok(changed)
}

/// Whether MetalLB refused a pool because another one has an address of it.
fn overlaps(error: &KubeError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.to_string().contains("overlaps with already defined") {
            return true;
        }
        cause = error.source();
    }
    false
}

pub(super) fn pool(cluster: &LabCluster) -> Result<Manifest, StepError> {
    Ok(Manifest::from_values(render::address_pool(cluster))?)
}
