//! `karmada-images`: what a federation needs is on this machine.

use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::images::karmada;

pub(super) async fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
    match karmada::here(ctx.prepared()?, &ctx.engine).await? {
        Some(karmada) => {
            ctx.set_karmada(karmada);
            Ok(true)
        }
        None => Ok(false),
    }
}

pub(super) async fn run(ctx: &RunContext, progress: &Progress) -> Result<bool, StepError> {
    ctx.set_karmada(karmada::prepare(ctx.prepared()?, &ctx.engine, progress).await?);
    Ok(true)
}
