//! `karmada-images`: what a federation needs is on this machine.

use super::step::{Custom, Step};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::images::karmada;

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, _| Box::pin(is_satisfied(ctx)),
    run: |ctx, _, progress| Box::pin(run(ctx, progress)),
});

async fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
    match karmada::here(ctx.prepared()?, &ctx.engine).await? {
        Some(karmada) => {
            ctx.set_karmada(karmada);
            Ok(true)
        }
        None => Ok(false),
    }
}

async fn run(ctx: &RunContext, progress: &Progress) -> Result<bool, StepError> {
    ctx.set_karmada(karmada::prepare(ctx.prepared()?, &ctx.engine, progress).await?);
    Ok(true)
}
