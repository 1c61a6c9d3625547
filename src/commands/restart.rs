//! Restarts what holds something for as long as it runs: control planes, gateways, pods with sidecars. Each is waited for.

use serde_json::{Value, json};

use super::up::{Stopped, Up};
use crate::exec::Progress;
use crate::plan::render::{APP_NAMESPACE, EAST_WEST_GATEWAY, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::steps::sidecars;
use crate::sys::kube::{Cluster, Manifest};

/// Which apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apps {
    /// Those that make the calls while a lab is changed.
    Callers,
    /// All others.
    AllButCallers,
}

/// Restarts the istiod of a cluster.
pub(super) async fn istiod(up: &Up, cluster: &LabCluster, progress: &Progress) -> Result<(), Stopped> {
    let client = up.ctx.client(&cluster.name).await?;
    restarted(up, (cluster, &client), &deployment(ISTIO_NAMESPACE, "istiod"), progress).await
}

/// Restarts the gateways of a cluster, one after the other.
pub(super) async fn gateways(up: &Up, cluster: &LabCluster, progress: &Progress) -> Result<(), Stopped> {
    let client = up.ctx.client(&cluster.name).await?;
    let east_west = cluster.east_west_endpoint().map(|_| EAST_WEST_GATEWAY);
    let ingress = cluster.addresses.get(&Gateway::IngressGateway).map(|_| INGRESS_GATEWAY);
    for name in east_west.into_iter().chain(ingress) {
        restarted(up, (cluster, &client), &deployment(ISTIO_NAMESPACE, name), progress).await?;
    }
    Ok(())
}

/// Restarts what runs apps with sidecars in a cluster, one after the other.
pub(super) async fn apps(up: &Up, cluster: &LabCluster, which: Apps, progress: &Progress) -> Result<(), Stopped> {
    let client = up.ctx.client(&cluster.name).await?;
    for owner in sidecars::carriers(&up.ctx, cluster).await? {
        let is_caller = owner.is(APP_NAMESPACE, "sleep");
        if !owner.is_in(ISTIO_NAMESPACE) && is_caller == (which == Apps::Callers) {
            restarted(up, (cluster, &client), &owner.identity(), progress).await?;
        }
    }
    Ok(())
}

fn deployment(namespace: &str, name: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "namespace": namespace, "name": name } })
}

/// Restarts an object that runs pods, if the cluster has it.
async fn restarted(
    up: &Up,
    (cluster, client): (&LabCluster, &Cluster),
    identity: &Value,
    progress: &Progress,
) -> Result<(), Stopped> {
    let Some(live) = client.read(identity).await? else { return Ok(()) };
    let name = identity["metadata"]["name"].as_str().unwrap_or_default();
    progress.say(format!("{}: restarting {name}", cluster.name));
    client.restart(&live).await?;
    for object in Manifest::from_values([identity.clone()])?.objects {
        client.until_rolled_out(&object, up.ctx.patience, progress).await?;
    }
    Ok(())
}
