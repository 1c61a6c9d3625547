//! `federated-apps`: what the scenario gives to Karmada, until it runs in the members.

use super::{Context, StepError, apps, karmada};
use crate::exec::Progress;
use crate::plan::render;
use crate::sys::kube::Manifest;

/// What lab has applied to Karmada, in the lab's state. No cluster has this name.
const RECORD: &str = "applied/karmada/api.json";

pub(super) async fn is_satisfied(ctx: &Context) -> Result<bool, StepError> {
    apps::is_applied(ctx, &karmada::client(ctx).await?, &manifest(ctx)?, RECORD).await
}

pub(super) async fn run(ctx: &Context, progress: &Progress) -> Result<bool, StepError> {
    apps::apply(ctx, &karmada::client(ctx).await?, &manifest(ctx)?, RECORD, progress).await
}

fn manifest(ctx: &Context) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::federated(&ctx.lab, &ctx.prepared()?.images))?;
    manifest.label(&[("dev.lab.lab", &ctx.lab.name)]);
    Ok(manifest)
}
