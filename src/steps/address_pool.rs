//! `address-pool`: MetalLB's pool, as soon as its webhook takes it, and a speaker on every node that announces it.

use super::metallb::NAMESPACE;
use super::{Context, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render;
use crate::sys::kube::Manifest;

pub(super) async fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    Ok(client.has(&pool(cluster)?).await? && client.is_on_every_node(NAMESPACE, "speaker").await?)
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let changed = client.apply(&pool(cluster)?).await?;
    client.until_on_every_node(NAMESPACE, "speaker", ctx.patience, progress).await?;
    Ok(changed)
}

pub(super) fn pool(cluster: &LabCluster) -> Result<Manifest, StepError> {
    Ok(Manifest::from_values(render::address_pool(cluster))?)
}
