//! `karmada-images`: what a federation needs is on this machine.

use super::{Context, StepError};
use crate::exec::Progress;
use crate::images::karmada;

pub(super) async fn is_satisfied(ctx: &Context) -> Result<bool, StepError> {
    match karmada::here(ctx.prepared()?, &ctx.engine).await? {
        Some(karmada) => {
            ctx.set_karmada(karmada);
            Ok(true)
        }
        None => Ok(false),
    }
}

pub(super) async fn run(ctx: &Context, progress: &Progress) -> Result<bool, StepError> {
    ctx.set_karmada(karmada::prepare(ctx.prepared()?, &ctx.engine, progress).await?);
    Ok(true)
}
