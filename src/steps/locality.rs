//! `locality`: region, zone and subzone on every node, before pods start, because sidecars read them once.

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use serde_json::json;

use super::step::{self, Applied, Sends, Step};
use crate::context::StepError;
use crate::plan::LabCluster;
use crate::plan::render;
use crate::sys::kube::{Cluster, Manifest};

pub(super) const STEP: Step = Step::Applied(Applied::of(Sends::Asked(|ctx, action| {
    Box::pin(async move {
        let client = step::client(ctx, action).await?;
        labels(&client, &*step::cluster(ctx, action)?).await.map(Some)
    })
})));

/// What is applied to each node: its name and its labels.
async fn labels(client: &Cluster, cluster: &LabCluster) -> Result<Manifest, StepError> {
    if cluster.locality.is_none() {
        return Ok(Manifest::default());
    }
    let nodes: Vec<Node> = client.list().await?;
    let objects = nodes.iter().map(|node| {
        let name = node.name_any();
        let labels = render::locality_labels(cluster, &name);
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels } })
    });
    Ok(Manifest::from_values(objects)?)
}
