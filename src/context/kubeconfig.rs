//! How the API server of a cluster is reached: by the kubeconfig in the lab's state or, where that is lost or of a cluster that is no more, by what
//! the node says; of a cluster that lab did not make, by the context that the scenario names.

use std::path::Path;

use super::{LabContext, StepError};
use crate::plan::{LabCluster, reached_at};
use crate::sys::kube::{Cluster, KubeError, one_context};
use crate::sys::state::LabState;

/// Where a node has it.
const IN_NODE: &str = "/etc/kubernetes/admin.conf";
/// Port of the API server in a node.
const PORT: u16 = 6443;

fn path(cluster: &str) -> String {
    format!("kubeconfigs/{cluster}.yaml")
}

/// The kubeconfig of a cluster, if there is one.
///
/// # Errors
/// The context of a cluster that lab did not make is not there, or the state cannot be read.
pub(crate) fn text(state: &LabState, cluster: &LabCluster) -> Result<Option<String>, StepError> {
    match existing(cluster)? {
        Some(text) => Ok(Some(text)),
        None => Ok(state.read(&path(&cluster.name))?),
    }
}

/// That of a cluster that lab did not make. It is read each time, since what it lets in with may change.
pub(super) fn existing(cluster: &LabCluster) -> Result<Option<String>, StepError> {
    let Some((kubeconfig, context)) = cluster.place() else { return Ok(None) };
    Ok(Some(one_context(Path::new(kubeconfig), context, &cluster.name)?))
}

/// A client by the file in the lab's state or, where that is no kubeconfig, by what the node says.
pub(super) async fn client(ctx: &LabContext, cluster: &str) -> Result<Cluster, StepError> {
    let planned = ctx.cluster(cluster)?;
    if let Some(text) = text(&ctx.state, planned)? {
        match (Cluster::connect(&text).await, planned.place()) {
            (Ok(client), _) => return Ok(client),
            (Err(error), Some((file, context))) => return Err(unusable(error, file, context)),
            (Err(_), None) => {}
        }
    }
    ask(ctx, cluster).await
}

/// The same of a kubeconfig that is not lab's.
pub(crate) fn unusable(error: KubeError, file: &str, context: &str) -> StepError {
    match error {
        KubeError::Kubeconfig(why) => StepError::Machine {
            problem: format!("context {context} of {file} cannot be used: {why}"),
            remedy: format!("correct it until `kubectl --kubeconfig {file} --context {context} version` works"),
        },
        error => error.into(),
    }
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
