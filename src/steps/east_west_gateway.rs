//! `east-west-gateway`: the gateway, until it is ready at its planned address.

use k8s_openapi::api::core::v1::Service;

use super::{Context, StepError};
use crate::exec::Progress;
use crate::plan::render::{self, EAST_WEST_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::sys::kube::{Manifest, load_balancer_addresses};

pub(super) async fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    if !client.has(&manifest(ctx, cluster)?).await? || !client.is_available(ISTIO_NAMESPACE, EAST_WEST_GATEWAY).await? {
        return Ok(false);
    }
    let service: Option<Service> = client.get(ISTIO_NAMESPACE, EAST_WEST_GATEWAY).await?;
    Ok(service.is_some_and(|s| has_address(&s, cluster)))
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let changed = client.apply(&manifest(ctx, cluster)?).await?;
    client
        .until::<Service>(ISTIO_NAMESPACE, EAST_WEST_GATEWAY, "has no address", ctx.patience, progress, |s| {
            has_address(s, cluster)
        })
        .await?;
    client.until_available(ISTIO_NAMESPACE, EAST_WEST_GATEWAY, ctx.patience, progress).await?;
    Ok(changed)
}

fn has_address(service: &Service, cluster: &LabCluster) -> bool {
    let planned = cluster.addresses.get(&Gateway::EastWestGateway).map(ToString::to_string);
    planned.is_some_and(|planned| load_balancer_addresses(service).contains(&planned))
}

fn manifest(ctx: &Context, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut manifest = ctx.rendered(cluster)?.east_west_gateway.clone();
    manifest.extend(Manifest::from_values([render::cross_network_gateway()])?);
    Ok(manifest)
}
