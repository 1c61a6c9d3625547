//! `external-istiod`: the control plane of other clusters, until it is ready at its planned address.

use sha2::{Digest as _, Sha256};

use super::gateway;
use super::step::{Applied, Sends, Step};
use crate::context::{RunContext, StepError};
use crate::plan::render;
use crate::plan::{Gateway, LabCluster};
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |_, cluster| gateway::waits(cluster, Gateway::Istiod, "istiod"),
    before: |ctx, action, client| Box::pin(gateway::refuse_taken(ctx, action, client, Gateway::Istiod)),
    ..Applied::of(Sends::Rendered(manifest))
});

fn manifest(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let rendered = ctx.rendered(cluster)?;
    let digest = digest(&rendered.base);
    let mut manifest = rendered.istiod.clone();
    let is_deployment = |kind: Option<&str>| kind == Some("Deployment");
    for object in manifest.objects.iter_mut().filter(|o| is_deployment(o.types.as_ref().map(|t| t.kind.as_str()))) {
        render::mount_mesh_configuration(&mut object.data, &digest);
    }
    manifest.extend(Manifest::from_values([render::istiod_service(&ctx.lab, cluster)])?);
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
