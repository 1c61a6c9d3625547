//! Karmada's own API, and how it is reached.

use super::{LabContext, StepError, files};
use crate::plan::render;
use crate::sys::kube::Cluster;

/// Kubeconfig of Karmada's API with the name of the manager's node in it.
const KUBECONFIG: &str = "karmada/kubeconfig.yaml";
/// Deployments of the control plane.
pub(crate) const DEPLOYMENTS: usize = 6;

/// Name of the client of Karmada's API among those of the clusters; none of them can have it.
const CLIENT: &str = "/karmada";

/// A client of Karmada's own API, by the address that the manager's node has now.
pub(crate) async fn client(ctx: &LabContext) -> Result<Cluster, StepError> {
    if let Some(client) = ctx.known_client(CLIENT) {
        return Ok(client);
    }
    let manager = ctx.lab.federation.as_ref().map(|f| f.manager.as_str()).unwrap_or_default();
    let name = ctx.cluster(manager)?.control_plane_node();
    let nodes = ctx.nodes_of(manager).await?;
    let address = nodes.into_iter().find(|n| n.name == name).and_then(|n| n.address);
    let address = address.ok_or_else(|| StepError::Failed {
        problem: format!("the node {name} has no address"),
        remedy: format!("`lab up {}` starts it again", ctx.lab.name),
    })?;
    let text = kubeconfig(ctx)?;
    let text = render::karmada_kubeconfig(&text, &address, &name).map_err(|reason| unusable(ctx, &reason))?;
    ctx.state.write(files::KARMADA_KUBECONFIG, &text)?;
    let client = Cluster::connect(&text).await?;
    ctx.remember_client(CLIENT, &client);
    Ok(client)
}

/// Keeps a kubeconfig of Karmada's API, by which the next client is made.
pub(crate) fn remember(ctx: &LabContext, kubeconfig: &str) -> Result<(), StepError> {
    ctx.state.write(KUBECONFIG, kubeconfig)?;
    forget_client(ctx);
    Ok(())
}

/// Has the next client of Karmada's API ask for the address anew.
pub(crate) fn forget_client(ctx: &LabContext) {
    ctx.forget_client(CLIENT);
}

/// Whether Karmada was installed, so that its API can be asked.
pub(crate) fn is_built(ctx: &LabContext) -> Result<bool, StepError> {
    Ok(ctx.state.read(KUBECONFIG)?.is_some())
}

/// Whether a kubeconfig is kept by which the manager's node is known.
pub(crate) fn has_kubeconfig(ctx: &LabContext, node: &str) -> Result<bool, StepError> {
    Ok(ctx.state.read(KUBECONFIG)?.is_some_and(|text| render::karmada_kubeconfig(&text, node, node).is_ok()))
}

/// The kubeconfig of Karmada's API as nodes and pods of the lab reach it.
pub(crate) fn kubeconfig(ctx: &LabContext) -> Result<String, StepError> {
    ctx.state.read(KUBECONFIG)?.ok_or_else(|| StepError::Missing("the kubeconfig of Karmada".to_owned()))
}

pub(crate) fn unusable(ctx: &LabContext, reason: &str) -> StepError {
    StepError::Failed {
        problem: format!("cannot read the kubeconfig of Karmada: {reason}"),
        remedy: format!("make the lab again: `lab down {}`", ctx.lab.name),
    }
}
