//! `federated-apps`: what the scenario gives to Karmada, until it runs in the members.

use super::{Context, StepError, apps, karmada};
use crate::exec::Progress;
use crate::plan::Action;
use crate::plan::render;
use crate::sys::kube::Manifest;

fn action(ctx: &Context) -> Action {
    let cluster = ctx.lab.federation.as_ref().map(|f| f.manager.clone()).unwrap_or_default();
    Action::FederatedApps { cluster }
}

pub(super) async fn is_satisfied(ctx: &Context) -> Result<bool, StepError> {
    apps::is_applied(ctx, &karmada::client(ctx).await?, &action(ctx), &manifest(ctx)?).await
}

pub(super) async fn run(ctx: &Context, progress: &Progress) -> Result<bool, StepError> {
    apps::apply(ctx, &karmada::client(ctx).await?, &action(ctx), &manifest(ctx)?, progress).await
}

pub(super) fn manifest(ctx: &Context) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::federated(&ctx.lab, &ctx.prepared()?.images))?;
    manifest.label(&[("dev.lab.lab", &ctx.lab.name)]);
    Ok(manifest)
}
