//! The kubeconfig of a cluster, asked from its node: the file in the lab's state may be lost, or that of a cluster that is no more.

use super::{LabContext, StepError};
use crate::plan::reached_at;
use crate::sys::kube::Cluster;

/// Where a node has it.
const IN_NODE: &str = "/etc/kubernetes/admin.conf";
/// Port of the API server in a node.
const PORT: u16 = 6443;

pub(super) fn path(cluster: &str) -> String {
    format!("kubeconfigs/{cluster}.yaml")
}

/// A client by the file in the lab's state or, where that is no kubeconfig, by what the node says.
pub(super) async fn client(ctx: &LabContext, cluster: &str) -> Result<Cluster, StepError> {
    if let Some(text) = ctx.state.read(&path(cluster))?
        && let Ok(client) = Cluster::connect(&text).await
    {
        return Ok(client);
    }
    ask(ctx, cluster).await
}

/// Asks the node, and keeps what it says.
///
/// # Errors
/// The node does not run.
pub(super) async fn ask(ctx: &LabContext, cluster: &str) -> Result<Cluster, StepError> {
    let node = ctx.cluster(cluster)?.control_plane_node();
    if !ctx.nodes_of(cluster).await?.iter().any(|n| n.name == node && n.running) {
        return Err(StepError::Failed {
            problem: format!(
                "cluster {cluster} cannot be asked: there is no kubeconfig of it, and its node {node} does not run"
            ),
            remedy: format!("run `lab up {}`", ctx.lab.name),
        });
    }
    let told = ctx.engine.exec(&node, &["cat", IN_NODE], None).await?;
    let unusable = |reason: String| StepError::Failed {
        problem: format!("cannot read the kubeconfig of {cluster} in its node: {reason}"),
        remedy: format!("make the lab again: `lab down {}`", ctx.lab.name),
    };
    let server =
        ctx.engine.published(&node, PORT).await?.ok_or_else(|| unusable("no port of it is published".into()))?;
    let text = reached_at(&told.text, &format!("https://{server}")).map_err(unusable)?;
    // Where the state cannot be written, this run does without the file.
    let _ = ctx.state.write(&path(cluster), &text);
    Ok(Cluster::connect(&text).await?)
}
