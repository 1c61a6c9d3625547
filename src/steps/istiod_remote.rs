//! `istiod-remote`: the webhooks of a cluster whose control plane is elsewhere, until a pod that is created now gets its sidecar. That proves
//! that the other cluster's istiod has taken this cluster on, has written its certificate here, and is reached from here.

use super::{Context, StepError, istiod};
use crate::exec::Progress;
use crate::plan::LabCluster;

pub(super) async fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    Ok(client.has(&ctx.rendered(cluster)?.istiod).await? && istiod::injects(&client).await?)
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let changed = client.apply(&ctx.rendered(cluster)?.istiod).await?;
    let of = format!("istiod of {}", cluster.primary);
    istiod::await_injection(&client, &of, ctx.patience, progress).await?;
    Ok(changed)
}
