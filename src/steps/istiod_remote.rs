//! `istiod-remote`: the webhooks of a cluster whose control plane is elsewhere, until a pod that is created now gets its sidecar. That proves
//! that the other cluster's istiod has taken this cluster on, has written its certificate here, and is reached from here.

use super::{applied, istiod};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::{Action, LabCluster};

fn action(cluster: &LabCluster) -> Action {
    Action::IstiodRemote { cluster: cluster.name.clone() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    Ok(applied::is_satisfied(ctx, &client, &action(cluster), &ctx.rendered(cluster)?.istiod).await?
        && istiod::injects(&client).await?)
}

pub(super) async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let changed = applied::apply(ctx, &client, &action(cluster), &ctx.rendered(cluster)?.istiod, progress).await?;
    let of = format!("istiod of {}", cluster.primary);
    istiod::await_injection(&client, &of, ctx.patience, progress).await?;
    Ok(changed)
}
