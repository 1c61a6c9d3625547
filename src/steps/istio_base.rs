//! `istio-base`: all that istiod and the other clusters need before istiod starts.

use k8s_openapi::api::core::v1::Secret;

use super::{applied, root_ca};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render::{self, ISTIO_NAMESPACE, token_name};
use crate::plan::{Action, LabCluster};
use crate::sys::kube::Manifest;

fn action(cluster: &LabCluster) -> Action {
    Action::IstioBase { cluster: cluster.name.clone() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    applied::is_satisfied(ctx, &client, &action(cluster), &manifest(ctx, cluster)?).await
}

pub(super) async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let changed = applied::apply(ctx, &client, &action(cluster), &manifest(ctx, cluster)?, progress).await?;
    if let Some(account) = render::lent_account(&ctx.lab, cluster) {
        let is_filled = |secret: &Secret| {
            secret.data.as_ref().is_some_and(|data| data.contains_key("token") && data.contains_key("ca.crt"))
        };
        let name = token_name(account);
        client.until(ISTIO_NAMESPACE, &name, "has no token", ctx.patience, progress, is_filled).await?;
    }
    Ok(changed)
}

pub(crate) fn manifest(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut own = vec![render::istio_namespace(&ctx.lab, cluster)];
    if cluster.runs_istiod() {
        own.push(render::cacerts(&root_ca::intermediate(ctx, &cluster.name)?));
    }
    own.extend(render::lent_account(&ctx.lab, cluster).into_iter().map(render::account_token));
    let mut manifest = ctx.rendered(cluster)?.base.clone();
    manifest.extend(Manifest::from_values(own)?);
    Ok(manifest)
}
