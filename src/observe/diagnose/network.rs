//! What lies between two clusters: gateways between networks, routes on one network.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;

use super::configuration::differing;
use super::found;
use crate::context::{LabContext, StepError};
use crate::plan::render::{self, EAST_WEST_GATEWAY, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::steps::gateway::{PLACEHOLDER, selector};
use crate::steps::node_network;
use crate::sys::kube::{Manifest, load_balancer_addresses};
use crate::verdict::{Finding, words};

/// Label by which istiod knows the network of a Service.
const NETWORK_LABEL: &str = "topology.istio.io/network";

/// Whether the east-west gateway of a cluster runs, is where other networks look for it, and listens; and whether istiod knows whose it is.
pub(in crate::observe) async fn gateway(ctx: &LabContext, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    if to.existing.is_some() {
        return found::gateway(ctx, to).await;
    }
    let consequence = "so nothing from other networks gets in";
    let found = one(ctx, to, Gateway::EastWestGateway, EAST_WEST_GATEWAY, consequence).await?;
    if found.is_some() || ctx.lab.mesh.mesh_networks || !ctx.lab.is_multi_network() {
        return Ok(found);
    }
    unlabelled(ctx, to).await
}

/// A network that istiod does not know, because a label is missing or says something else.
async fn unlabelled(ctx: &LabContext, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    let client = ctx.client(&to.name).await?;
    let service: Option<Service> = client.get(ISTIO_NAMESPACE, EAST_WEST_GATEWAY).await?;
    let label = service.and_then(|s| s.metadata.labels).unwrap_or_default().remove(NETWORK_LABEL);
    let namespace = Manifest::from_values([render::istio_namespace(&ctx.lab, to)])?;
    let what = if label.as_deref() != Some(to.network.as_str()) {
        let said = label.map_or_else(|| "not there".to_owned(), |label| format!("`{label}`"));
        format!("Service {ISTIO_NAMESPACE}/{EAST_WEST_GATEWAY} in {}: label {NETWORK_LABEL} is {said}", to.name)
    } else if !client.has(&namespace).await? {
        format!("Namespace {ISTIO_NAMESPACE} in {}: label {NETWORK_LABEL} is not {}", to.name, to.network)
    } else {
        return Ok(None);
    };
    Ok(Some(Finding {
        cause: format!(
            "istiod does not know that {} is on network {}, and gives out addresses of its pods",
            to.name, to.network
        ),
        evidence: what,
        remedy: format!("lab up {} (it sets the label again)", ctx.lab.name),
    }))
}

/// The same for the ingress gateway.
pub(in crate::observe) async fn ingress(ctx: &LabContext, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    one(ctx, to, Gateway::IngressGateway, INGRESS_GATEWAY, "so nothing from outside gets in").await
}

async fn one(
    ctx: &LabContext,
    to: &LabCluster,
    kind: Gateway,
    name: &str,
    consequence: &str,
) -> Result<Option<Finding>, StepError> {
    let client = ctx.client(&to.name).await?;
    let title = kind.title();
    let remedy = format!("lab up {} (it applies the gateway again)", ctx.lab.name);
    let deployment: Option<Deployment> = client.get(ISTIO_NAMESPACE, name).await?;
    let wanted = deployment.as_ref().map_or(0, |d| d.spec.replicas.unwrap_or(1));
    let available = deployment.and_then(|d| d.status).and_then(|s| s.available_replicas).unwrap_or(0);
    if available == 0 {
        let waiting = client.waiting(ISTIO_NAMESPACE, selector(kind)).await?;
        let bare = waiting.iter().any(|w| w.image == PLACEHOLDER);
        let why = if bare { ": istiod's webhook did not fill in its image" } else { "" };
        let waiting: Vec<String> =
            waiting.iter().map(|w| format!("; pod {} with image {}: {}", w.pod, w.image, w.reason)).collect();
        return Ok(Some(Finding {
            cause: format!("the {title} of {} does not run, {consequence}{why}", to.name),
            evidence: format!(
                "Deployment {ISTIO_NAMESPACE}/{name} in {}: {available} of {wanted} replicas available{}",
                to.name,
                waiting.concat()
            ),
            remedy,
        }));
    }
    let service: Option<Service> = client.get(ISTIO_NAMESPACE, name).await?;
    let found = service.as_ref().map(load_balancer_addresses).unwrap_or_default();
    let Some(planned) = to.addresses.get(&kind) else {
        return published(ctx, to, service.as_ref(), remedy).await;
    };
    let planned = ctx.lab.docker_network.with_twin(*planned);
    if planned.split(',').all(|address| found.iter().any(|f| f == address)) {
        return listens(ctx, to, kind, remedy).await;
    }
    Ok(Some(Finding {
        cause: format!("the {title} of {} does not have its address", to.name),
        evidence: format!(
            "Service {ISTIO_NAMESPACE}/{name} in {}: planned {planned}, found {}",
            to.name,
            words::names(found)
        ),
        remedy,
    }))
}

/// Whether a gateway that the host publishes has its node port.
async fn published(
    ctx: &LabContext,
    to: &LabCluster,
    service: Option<&Service>,
    remedy: String,
) -> Result<Option<Finding>, StepError> {
    let ports = service.and_then(|s| s.spec.as_ref()).and_then(|s| s.ports.as_ref());
    let found: Vec<i32> = ports.into_iter().flatten().filter_map(|p| p.node_port).collect();
    let planned = ctx.lab.published_ports(to);
    let Some((host, missing)) = planned.iter().find(|(_, node)| !found.contains(&i32::from(*node))) else {
        return if planned.is_empty() { Ok(None) } else { listens(ctx, to, Gateway::EastWestGateway, remedy).await };
    };
    Ok(Some(Finding {
        cause: format!(
            "the east-west gateway of {} does not have the node port behind port {host} of the host",
            to.name
        ),
        evidence: format!(
            "Service {ISTIO_NAMESPACE}/{EAST_WEST_GATEWAY} in {}: planned {missing}, found {}",
            to.name,
            words::names(found)
        ),
        remedy,
    }))
}

/// Whether Istio's configuration gives the gateway its listeners.
async fn listens(
    ctx: &LabContext,
    to: &LabCluster,
    gateway: Gateway,
    remedy: String,
) -> Result<Option<Finding>, StepError> {
    let config = ctx.lab.config_cluster(to);
    let planned = match gateway {
        Gateway::IngressGateway => render::ingress_resources(&ctx.lab, config),
        _ => render::east_west_resources(&ctx.lab, config),
    };
    let missing = differing(&ctx.client(&config.name).await?, planned).await?;
    if missing.is_empty() {
        return Ok(None);
    }
    Ok(Some(Finding {
        cause: format!("the {} of {} has no listener for what comes to it", gateway.title(), to.name),
        evidence: format!("in {}, missing or changed: {}", config.name, missing.join(", ")),
        remedy,
    }))
}

/// Whether the nodes of two clusters on one network have routes to each other's pods.
pub(in crate::observe) async fn routes(
    ctx: &LabContext,
    from: &LabCluster,
    to: &LabCluster,
) -> Result<Option<Finding>, StepError> {
    // Of machines that lab did not make nothing tells their routes.
    for cluster in [from, to].into_iter().filter(|c| c.is_made()) {
        if let Some(evidence) = node_network::difference(ctx, cluster).await? {
            return Ok(Some(Finding {
                // Said of the cluster alone, so that it is one finding from either side.
                cause: format!(
                    "the nodes of {} do not route to the other clusters of network {}",
                    cluster.name, cluster.network
                ),
                evidence,
                remedy: format!("lab up {} (it sets the routes again)", ctx.lab.name),
            }));
        }
    }
    Ok(None)
}
