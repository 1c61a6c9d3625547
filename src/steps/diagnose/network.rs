//! What lies between two clusters: gateways between networks, routes on one network.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;

use crate::plan::render::{self, EAST_WEST_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::steps::{Context, StepError, node_network};
use crate::sys::kube::{Manifest, load_balancer_addresses};
use crate::verdict::Finding;

/// Whether the east-west gateway of a cluster runs, is where other networks look for it, and listens.
pub(super) async fn gateway(ctx: &Context, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    let client = ctx.client(&to.name).await?;
    let remedy = format!("lab up {} (it applies the gateway again)", ctx.lab.name);
    let deployment: Option<Deployment> = client.get(ISTIO_NAMESPACE, EAST_WEST_GATEWAY).await?;
    let wanted = deployment.as_ref().map_or(0, |d| d.spec.replicas.unwrap_or(1));
    let available = deployment.and_then(|d| d.status).and_then(|s| s.available_replicas).unwrap_or(0);
    if available == 0 {
        return Ok(Some(Finding {
            cause: format!("the east-west gateway of {} does not run, so nothing from other networks gets in", to.name),
            evidence: format!(
                "Deployment {ISTIO_NAMESPACE}/{EAST_WEST_GATEWAY} in {}: {available} of {wanted} replicas available",
                to.name
            ),
            remedy,
        }));
    }
    let service: Option<Service> = client.get(ISTIO_NAMESPACE, EAST_WEST_GATEWAY).await?;
    let found = service.as_ref().map(load_balancer_addresses).unwrap_or_default();
    let Some(planned) = to.addresses.get(&Gateway::EastWestGateway).map(ToString::to_string) else {
        return published(ctx, to, service.as_ref(), remedy).await;
    };
    if found.contains(&planned) {
        return listens(ctx, to, remedy).await;
    }
    Ok(Some(Finding {
        cause: format!("the east-west gateway of {} does not have its address", to.name),
        evidence: format!(
            "Service {ISTIO_NAMESPACE}/{EAST_WEST_GATEWAY} in {}: planned {planned}, found {found:?}",
            to.name
        ),
        remedy,
    }))
}

/// Whether a gateway that the host publishes has its node port.
async fn published(
    ctx: &Context,
    to: &LabCluster,
    service: Option<&Service>,
    remedy: String,
) -> Result<Option<Finding>, StepError> {
    let Some(endpoint) = to.published_gateway else { return Ok(None) };
    let ports = service.and_then(|s| s.spec.as_ref()).and_then(|s| s.ports.as_ref());
    let found: Vec<i32> = ports.into_iter().flatten().filter_map(|p| p.node_port).collect();
    if found.contains(&i32::from(endpoint.port())) {
        return listens(ctx, to, remedy).await;
    }
    Ok(Some(Finding {
        cause: format!("the east-west gateway of {} does not have the node port that meshNetworks names", to.name),
        evidence: format!(
            "Service {ISTIO_NAMESPACE}/{EAST_WEST_GATEWAY} in {}: planned {}, found {found:?}",
            to.name,
            endpoint.port()
        ),
        remedy,
    }))
}

/// Whether Istio's configuration gives the gateway its listeners.
async fn listens(ctx: &Context, to: &LabCluster, remedy: String) -> Result<Option<Finding>, StepError> {
    let config = ctx.lab.config_cluster(to);
    let wanted = Manifest::from_values(render::east_west_resources(&ctx.lab, config))?;
    let client = ctx.client(&config.name).await?;
    let mut missing = Vec::new();
    for object in &wanted.objects {
        if !client.has(&Manifest { objects: vec![object.clone()] }).await? {
            let kind = object.types.as_ref().map_or("", |t| t.kind.as_str());
            missing.push(format!("{kind} {}", object.metadata.name.as_deref().unwrap_or_default()));
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    Ok(Some(Finding {
        cause: format!("the east-west gateway of {} has no listener for what comes to it", to.name),
        evidence: format!(
            "in namespace {ISTIO_NAMESPACE} of {}, missing or not as planned: {}",
            config.name,
            missing.join(", ")
        ),
        remedy,
    }))
}

/// Whether the nodes of two clusters on one network have routes to each other's pods.
pub(super) async fn routes(ctx: &Context, from: &LabCluster, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    for cluster in [from, to] {
        if let Some(evidence) = node_network::difference(ctx, cluster).await? {
            return Ok(Some(Finding {
                cause: format!(
                    "{} and {} are on one network, but the nodes of {} do not route to it as they must",
                    from.name, to.name, cluster.name
                ),
                evidence,
                remedy: format!("lab up {} (it sets the routes again)", ctx.lab.name),
            }));
        }
    }
    Ok(None)
}
