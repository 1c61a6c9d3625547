//! `apps`: lab's own apps and the user's objects, until what runs is ready; what is no longer wanted is deleted.

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;

use super::applied;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render;
use crate::plan::{Action, LabCluster};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{Cluster, Manifest};

/// Where each namespace has the root certificate of Kubernetes itself.
const KUBERNETES_ROOT: &str = "kube-root-ca.crt";

fn action(cluster: &LabCluster) -> Action {
    // Which apps are planned does not tell one step from another.
    Action::Apps { cluster: cluster.name.clone(), apps: Vec::new() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    is_applied(ctx, &ctx.client(&cluster.name).await?, &action(cluster), &manifest(ctx, cluster)?).await
}

pub(super) async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    if ctx.lab.has_istio(cluster) {
        ask_for_root(&client).await?;
    }
    apply(ctx, &client, &action(cluster), &manifest(ctx, cluster)?, progress).await
}

/// Has istiod write the root certificate into a namespace of apps that lost it. An istiod that once was not allowed to write there does not try
/// again by itself, but it fills a `ConfigMap` of that name as soon as there is one.
async fn ask_for_root(client: &Cluster) -> Result<(), StepError> {
    let map = async |name: &str| client.get::<ConfigMap>(render::APP_NAMESPACE, name).await;
    // Kubernetes writes its own into every namespace, so that one tells whether the namespace has been there for a while.
    if map(KUBERNETES_ROOT).await?.is_some() && map(render::ROOT_CERT).await?.is_none() {
        let empty = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": render::ROOT_CERT, "namespace": render::APP_NAMESPACE } });
        client.apply(&Manifest::from_values([empty])?).await?;
    }
    Ok(())
}

/// Whether exactly these objects are there, of all that the step has applied, and run.
pub(super) async fn is_applied(
    ctx: &RunContext,
    client: &Cluster,
    action: &Action,
    manifest: &Manifest,
) -> Result<bool, StepError> {
    if !applied::is_satisfied(ctx, client, action, manifest).await? {
        return Ok(false);
    }
    let out = try_join_all(manifest.objects.iter().map(|object| client.is_rolled_out(object))).await?;
    Ok(!out.contains(&false))
}

/// Applies the objects, takes away what the step names no longer, and waits for what runs.
pub(super) async fn apply(
    ctx: &RunContext,
    client: &Cluster,
    action: &Action,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<bool, StepError> {
    let changed = applied::apply(ctx, client, action, manifest, progress).await?;
    let waits = manifest.objects.iter().map(|object| client.until_rolled_out(object, ctx.patience, progress));
    try_join_all(waits).await?;
    Ok(changed)
}

pub(crate) fn manifest(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::apps(&ctx.lab, cluster, &ctx.prepared()?.images))?;
    manifest.label(&[(LAB_LABEL, &ctx.lab.name)]);
    Ok(manifest)
}
