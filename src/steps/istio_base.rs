//! `istio-base`: all that istiod and the other clusters need before istiod starts.

use k8s_openapi::api::core::v1::Secret;

use super::{Context, StepError, root_ca};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render::{self, ISTIO_NAMESPACE, READER_TOKEN};
use crate::sys::kube::Manifest;

pub(super) async fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    Ok(ctx.client(&cluster.name).await?.has(&manifest(ctx, cluster)?).await?)
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let changed = client.apply(&manifest(ctx, cluster)?).await?;
    client
        .until::<Secret>(ISTIO_NAMESPACE, READER_TOKEN, "has no token", ctx.patience, progress, |secret| {
            secret.data.as_ref().is_some_and(|data| data.contains_key("token") && data.contains_key("ca.crt"))
        })
        .await?;
    Ok(changed)
}

fn manifest(ctx: &Context, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let own = [
        render::istio_namespace(cluster),
        render::cacerts(&root_ca::intermediate(ctx, &cluster.name)?),
        render::reader_token(),
    ];
    let mut manifest = ctx.rendered(cluster)?.base.clone();
    manifest.extend(Manifest::from_values(own)?);
    Ok(manifest)
}
