//! `images`: the tools and the node image are on this machine.

use super::{Context, StepError};
use crate::exec::Progress;

pub(super) async fn is_satisfied(ctx: &Context) -> Result<bool, StepError> {
    match crate::images::is_prepared(ctx.choice, &ctx.lab.images, &ctx.engine.docker).await {
        Some(prepared) => {
            ctx.set_prepared(prepared);
            Ok(true)
        }
        None => Ok(false),
    }
}

pub(super) async fn run(ctx: &Context, progress: &Progress) -> Result<bool, StepError> {
    let prepared = crate::images::prepare(ctx.choice, &ctx.lab.images, &ctx.engine.docker, progress).await?;
    ctx.set_prepared(prepared);
    Ok(true)
}
