//! `istio-images`: the images of the Istio that a cluster was upgraded to are in its nodes, whose image has those of another.

use std::collections::BTreeSet;

use super::step::{Custom, Step, cluster};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::images::istio;
use crate::plan::LabCluster;
use crate::scenario::Versions;

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(async move { is_satisfied(ctx, &*cluster(ctx, action)?).await }),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

/// What the cluster's control planes run.
fn versions(cluster: &LabCluster) -> BTreeSet<Versions> {
    std::iter::once(cluster.versions).chain(cluster.with_other().map(|other| other.versions)).collect()
}

async fn nodes(ctx: &RunContext, cluster: &LabCluster) -> Result<Vec<String>, StepError> {
    Ok(ctx.nodes_of(&cluster.name).await?.into_iter().map(|node| node.name).collect())
}

async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let source = ctx.prepared()?.source;
    for node in nodes(ctx, cluster).await? {
        for versions in versions(cluster) {
            if !istio::is_in_node(source, versions, &ctx.engine, &node).await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let source = ctx.prepared()?.source;
    let nodes = nodes(ctx, cluster).await?;
    for versions in versions(cluster) {
        istio::load(source, versions, &ctx.engine, &nodes, progress).await?;
    }
    Ok(true)
}
