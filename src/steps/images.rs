//! `images`: the tools and the node image are on this machine.

use super::step::{Custom, Step};
use crate::context::{RunContext, StepError, files};
use crate::exec::Progress;
use crate::images::Prepared;

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, _| Box::pin(is_satisfied(ctx)),
    run: |ctx, _, progress| Box::pin(run(ctx, progress)),
});

async fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
    match crate::images::is_prepared(ctx.choice, &ctx.lab.images, &ctx.engine).await {
        Some(prepared) => {
            remember(ctx, &prepared)?;
            ctx.set_prepared(prepared);
            Ok(true)
        }
        None => Ok(false),
    }
}

async fn run(ctx: &RunContext, progress: &Progress) -> Result<bool, StepError> {
    let prepared = crate::images::prepare(ctx.choice, &ctx.lab.images, &ctx.engine, progress).await?;
    remember(ctx, &prepared)?;
    ctx.set_prepared(prepared);
    Ok(true)
}

/// A lab keeps its source: Istio's settings depend on it, and the images of its nodes do not change.
fn remember(ctx: &RunContext, prepared: &Prepared) -> Result<(), StepError> {
    Ok(ctx.state.write_json(files::SOURCE, &prepared.source)?)
}
