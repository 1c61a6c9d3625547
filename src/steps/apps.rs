//! `apps`: lab's own apps and the user's objects, until what runs is ready; what is no longer wanted is deleted.

use k8s_openapi::api::core::v1::ConfigMap;

use super::step::{self, Applied, Sends, Step};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render;
use crate::plan::{Action, LabCluster, Wait};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{Cluster, Manifest};

/// Where each namespace has the root certificate of Kubernetes itself.
const KUBERNETES_ROOT: &str = "kube-root-ca.crt";

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |_, _| vec![Wait::RolledOut { but: Vec::new() }],
    before: |ctx, action, client| {
        Box::pin(async move {
            if ctx.lab.has_istio(&*step::cluster(ctx, action)?) { ask_for_root(client).await } else { Ok(()) }
        })
    },
    ..Applied::of(Sends::Planned(manifest))
});

/// Applies them again while another step runs: something of them was taken away.
pub(super) async fn again(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    // Which apps are planned does not tell one step from another.
    STEP.run(ctx, &Action::Apps { cluster: cluster.name.clone(), apps: Vec::new() }, progress).await
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

pub(super) fn manifest(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::apps(&ctx.lab, cluster, &ctx.prepared_for(cluster)?.images))?;
    manifest.label(&[(LAB_LABEL, &ctx.lab.name)]);
    Ok(manifest)
}
