//! `images`: the tools and the node image are on this machine.

use super::{Context, StepError};
use crate::exec::Progress;
use crate::images::Prepared;

/// File in the lab's state that tells the source of its images.
pub const SOURCE_FILE: &str = "source.json";

pub(super) async fn is_satisfied(ctx: &Context) -> Result<bool, StepError> {
    match crate::images::is_prepared(ctx.choice, &ctx.lab.images, &ctx.engine).await {
        Some(prepared) => {
            remember(ctx, &prepared)?;
            ctx.set_prepared(prepared);
            Ok(true)
        }
        None => Ok(false),
    }
}

pub(super) async fn run(ctx: &Context, progress: &Progress) -> Result<bool, StepError> {
    let prepared = crate::images::prepare(ctx.choice, &ctx.lab.images, &ctx.engine, progress).await?;
    remember(ctx, &prepared)?;
    ctx.set_prepared(prepared);
    Ok(true)
}

/// A lab keeps its source: Istio's settings depend on it, and the images of its nodes do not change.
fn remember(ctx: &Context, prepared: &Prepared) -> Result<(), StepError> {
    Ok(ctx.state.write_json(SOURCE_FILE, &prepared.source)?)
}
