//! `apps`: helloworld and sleep, until they are available.

use super::{Context, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render;
use crate::sys::kube::Manifest;

pub(super) async fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let manifest = manifest(ctx, cluster)?;
    if !client.has(&manifest).await? {
        return Ok(false);
    }
    for (namespace, name) in deployments(&manifest) {
        if !client.is_available(namespace, name).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let manifest = manifest(ctx, cluster)?;
    let changed = client.apply(&manifest).await?;
    let waits =
        deployments(&manifest).map(|(namespace, name)| client.until_available(namespace, name, ctx.patience, progress));
    futures::future::try_join_all(waits).await?;
    Ok(changed)
}

fn manifest(ctx: &Context, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::apps(&ctx.lab, cluster, &ctx.prepared()?.images))?;
    manifest.label(&[("dev.lab.lab", &ctx.lab.name)]);
    Ok(manifest)
}

/// Namespace and name of each Deployment.
fn deployments(manifest: &Manifest) -> impl Iterator<Item = (&str, &str)> {
    manifest
        .objects
        .iter()
        .filter(|o| o.types.as_ref().is_some_and(|t| t.kind == "Deployment"))
        .filter_map(|o| Some((o.metadata.namespace.as_deref()?, o.metadata.name.as_deref()?)))
}
