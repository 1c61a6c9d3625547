//! `pause`, `resume` and the first half of `restart`: a lab's nodes as containers.

use crate::context::{LabContext, StepError};

/// Pauses the nodes that run; gives their names.
pub async fn pause(ctx: &LabContext) -> Result<Vec<String>, StepError> {
    let nodes = ctx.engine.nodes(Some(&ctx.lab.name)).await?;
    let names: Vec<String> = nodes.into_iter().filter(|n| n.running).map(|n| n.name).collect();
    futures::future::try_join_all(names.iter().map(|n| ctx.engine.pause(n))).await?;
    Ok(names)
}

/// Lets the paused nodes go on; gives their names.
pub async fn unpause(ctx: &LabContext) -> Result<Vec<String>, StepError> {
    let nodes = ctx.engine.nodes(Some(&ctx.lab.name)).await?;
    let names: Vec<String> = nodes.into_iter().filter(|n| n.paused).map(|n| n.name).collect();
    futures::future::try_join_all(names.iter().map(|n| ctx.engine.unpause(n))).await?;
    Ok(names)
}

/// Stops the nodes of one cluster; `lab up` starts them.
pub async fn stop(ctx: &LabContext, cluster: &str) -> Result<(), StepError> {
    let mut nodes = ctx.engine.nodes(Some(&ctx.lab.name)).await?;
    nodes.retain(|n| n.cluster == cluster && (n.running || n.paused));
    for node in nodes.iter().filter(|n| n.paused) {
        ctx.engine.unpause(&node.name).await?;
    }
    futures::future::try_join_all(nodes.iter().map(|n| ctx.engine.stop(&n.name))).await?;
    Ok(())
}
