//! Restarts what holds something for as long as it runs: control planes, gateways, pods with sidecars. Each is waited for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::up::{Stopped, Up};
use crate::exec::Progress;
use crate::plan::render::{APP_NAMESPACE, EAST_WEST_GATEWAY, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::steps::sidecars::{self, Owner};
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
    restarted(up, (cluster, &client), &deployment(ISTIO_NAMESPACE, &cluster.istiod()), progress).await
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

/// The namespaces of a cluster in which apps have sidecars of another control plane than the one that they would get now.
pub(super) async fn namespaces_behind(up: &Up, cluster: &LabCluster) -> Result<BTreeSet<String>, Stopped> {
    let owners = sidecars::behind(&up.ctx, cluster).await?;
    Ok(owners.into_iter().filter(|o| !is_caller(o) && !o.is_in(ISTIO_NAMESPACE)).map(|o| o.namespace).collect())
}

/// Restarts such apps of a namespace, one after the other; not the callers.
pub(super) async fn behind(up: &Up, cluster: &LabCluster, namespace: &str, progress: &Progress) -> Result<(), Stopped> {
    let client = up.ctx.client(&cluster.name).await?;
    for owner in sidecars::behind(&up.ctx, cluster).await? {
        if owner.is_in(namespace) && !is_caller(&owner) {
            restarted(up, (cluster, &client), &owner.identity(), progress).await?;
        }
    }
    Ok(())
}

/// Restarts what runs apps with sidecars in a cluster, one after the other.
pub(super) async fn apps(up: &Up, cluster: &LabCluster, which: Apps, progress: &Progress) -> Result<(), Stopped> {
    let client = up.ctx.client(&cluster.name).await?;
    for owner in sidecars::carriers(&up.ctx, cluster).await? {
        if !owner.is_in(ISTIO_NAMESPACE) && is_caller(&owner) == (which == Apps::Callers) {
            restarted(up, (cluster, &client), &owner.identity(), progress).await?;
        }
    }
    Ok(())
}

fn is_caller(owner: &Owner) -> bool {
    owner.is(APP_NAMESPACE, "sleep")
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
