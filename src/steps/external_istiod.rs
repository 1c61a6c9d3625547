//! `external-istiod`: the control plane of other clusters, until it is ready at its planned address.

use k8s_openapi::api::core::v1::Service;
use sha2::{Digest as _, Sha256};

use super::{applied, gateway};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render::{self, EXTERNAL_ISTIOD, ISTIO_NAMESPACE};
use crate::plan::{Action, Gateway, LabCluster};
use crate::sys::kube::Manifest;

fn action(cluster: &LabCluster) -> Action {
    Action::ExternalIstiod { cluster: cluster.name.clone() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    if !applied::is_satisfied(ctx, &client, &action(cluster), &manifest(ctx, cluster)?).await?
        || !client.is_available(ISTIO_NAMESPACE, "istiod").await?
    {
        return Ok(false);
    }
    let service: Option<Service> = client.get(ISTIO_NAMESPACE, EXTERNAL_ISTIOD).await?;
    Ok(service.is_some_and(|s| gateway::has_address(&s, cluster, Gateway::Istiod)))
}

pub(super) async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    gateway::refuse_taken(ctx, &client, cluster, Gateway::Istiod).await?;
    let changed = applied::apply(ctx, &client, &action(cluster), &manifest(ctx, cluster)?, progress).await?;
    client
        .until::<Service>(ISTIO_NAMESPACE, EXTERNAL_ISTIOD, "has no address", ctx.patience, progress, |s| {
            gateway::has_address(s, cluster, Gateway::Istiod)
        })
        .await?;
    client.until_available(ISTIO_NAMESPACE, "istiod", ctx.patience, progress).await?;
    Ok(changed)
}

pub(crate) fn manifest(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let rendered = ctx.rendered(cluster)?;
    let digest = digest(&rendered.base);
    let mut manifest = rendered.istiod.clone();
    let is_deployment = |kind: Option<&str>| kind == Some("Deployment");
    for object in manifest.objects.iter_mut().filter(|o| is_deployment(o.types.as_ref().map(|t| t.kind.as_str()))) {
        render::mount_mesh_configuration(&mut object.data, &digest);
    }
    manifest.extend(Manifest::from_values([render::external_istiod_service(cluster)])?);
    Ok(manifest)
}

/// The digest of what istiod mounts of these objects.
fn digest(objects: &Manifest) -> String {
    let mut digest = Sha256::new();
    for object in &objects.objects {
        let is_mounted = object.types.as_ref().is_some_and(|t| t.kind == "ConfigMap")
            && object.metadata.name.as_deref().is_some_and(|name| render::MESH_CONFIGURATION.contains(&name));
        if is_mounted {
            digest.update(object.data.to_string());
        }
    }
    format!("{:x}", digest.finalize())
}
