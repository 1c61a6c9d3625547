//! `locality`: region, zone and subzone on every node, before pods start, because sidecars read them once.

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use serde_json::json;

use super::applied;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render;
use crate::plan::{Action, LabCluster};
use crate::sys::kube::{Cluster, Manifest};

fn action(cluster: &LabCluster) -> Action {
    Action::Locality { cluster: cluster.name.clone() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    applied::is_satisfied(ctx, &client, &action(cluster), &labels(&client, cluster).await?).await
}

pub(super) async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    applied::apply(ctx, &client, &action(cluster), &labels(&client, cluster).await?, progress).await
}

/// What is applied to each node: its name and its labels.
pub(crate) async fn labels(client: &Cluster, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let labels = render::locality_labels(cluster);
    if labels.is_empty() {
        return Ok(Manifest::default());
    }
    let nodes: Vec<Node> = client.list().await?;
    let objects = nodes.iter().map(|node| {
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": node.name_any(), "labels": labels },
        })
    });
    Ok(Manifest::from_values(objects)?)
}
