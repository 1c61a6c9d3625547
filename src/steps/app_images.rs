//! `app-images`: images of lab's own that the apps of a cluster name, and that no node image holds, are in its nodes.

use super::step::{Custom, Step};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::images::own;
use crate::plan::Action;

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(is_satisfied(ctx, action)),
    run: |ctx, action, progress| Box::pin(run(ctx, action, progress)),
});

/// The keys of the images that a step is about, and the nodes.
async fn facts<'a>(ctx: &RunContext, action: &'a Action) -> Result<(&'a [String], Vec<String>), StepError> {
    let Action::AppImages { cluster, images } = action else { return Ok((&[], Vec::new())) };
    let nodes = ctx.nodes_of(cluster).await?.into_iter().map(|node| node.name).collect();
    Ok((images, nodes))
}

async fn is_satisfied(ctx: &RunContext, action: &Action) -> Result<bool, StepError> {
    let (images, nodes) = facts(ctx, action).await?;
    for node in &nodes {
        if !own::is_in_node(images, &ctx.engine, node).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn run(ctx: &RunContext, action: &Action, progress: &Progress) -> Result<bool, StepError> {
    let (images, nodes) = facts(ctx, action).await?;
    own::load(images, &ctx.engine, &nodes, progress).await?;
    Ok(true)
}
