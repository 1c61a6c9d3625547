//! `federated-apps`: what the scenario gives to Karmada, until it runs in the members.

use super::apps;
use crate::context::karmada_api;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::Action;
use crate::plan::render;
use crate::sys::kube::Manifest;

fn action(ctx: &RunContext) -> Action {
    let cluster = ctx.lab.federation.as_ref().map(|f| f.manager.clone()).unwrap_or_default();
    Action::FederatedApps { cluster }
}

pub(super) async fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
    apps::is_applied(ctx, &karmada_api::client(ctx).await?, &action(ctx), &manifest(ctx)?).await
}

pub(super) async fn run(ctx: &RunContext, progress: &Progress) -> Result<bool, StepError> {
    apps::apply(ctx, &karmada_api::client(ctx).await?, &action(ctx), &manifest(ctx)?, progress).await
}

pub(crate) fn manifest(ctx: &RunContext) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::federated(&ctx.lab, &ctx.prepared()?.images))?;
    manifest.label(&[("dev.lab.lab", &ctx.lab.name)]);
    Ok(manifest)
}
