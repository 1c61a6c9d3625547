//! `east-west-gateway` and `ingress-gateway`: a gateway, until it is ready at its planned address.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Service;

use super::step::{self, Applied, Sends, Step};
use crate::context::{RunContext, StepError};
use crate::plan::render::{self, EAST_WEST_GATEWAY, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Action, Gateway, LabCluster, Wait};
use crate::sys::kube::{Cluster, Manifest, load_balancer_addresses};

pub(super) const EAST_WEST: Step = Step::Applied(Applied {
    waits: |_, cluster| waits(cluster, Gateway::EastWestGateway, EAST_WEST_GATEWAY),
    before: |ctx, action, client| Box::pin(refuse_taken(ctx, action, client, Gateway::EastWestGateway)),
    after: |_, _, client| Box::pin(remove_bare(client, Gateway::EastWestGateway)),
    ..Applied::of(Sends::Rendered(|ctx, cluster| manifest(ctx, cluster, Gateway::EastWestGateway)))
});

pub(super) const INGRESS: Step = Step::Applied(Applied {
    waits: |_, cluster| waits(cluster, Gateway::IngressGateway, INGRESS_GATEWAY),
    before: |ctx, action, client| Box::pin(refuse_taken(ctx, action, client, Gateway::IngressGateway)),
    after: |_, _, client| Box::pin(remove_bare(client, Gateway::IngressGateway)),
    ..Applied::of(Sends::Rendered(|ctx, cluster| manifest(ctx, cluster, Gateway::IngressGateway)))
});

/// The address of a Service, unless the host publishes it by a node port, and the Deployment behind it. Nothing in a cluster that only has
/// the routes of gateways elsewhere.
pub(super) fn waits(cluster: &LabCluster, gateway: Gateway, deployment: &'static str) -> Vec<Wait> {
    let (namespace, service) = (ISTIO_NAMESPACE, name(gateway));
    let is_balanced = cluster.awaited.contains(&gateway) || cluster.addresses.contains_key(&gateway);
    let planned = cluster.asked_address(gateway).copied();
    let address = is_balanced.then_some(Wait::Address { namespace, service, address: planned });
    let is_published = gateway == Gateway::EastWestGateway && cluster.published_gateway.is_some();
    let available =
        (address.is_some() || is_published).then(|| Wait::Available { namespace, deployment: deployment.into() });
    address.into_iter().chain(available).collect()
}

/// Removes pods that were made while nothing filled in their image: they never get one. Tells whether there were any.
async fn remove_bare(client: &Cluster, gateway: Gateway) -> Result<bool, StepError> {
    let mut changed = false;
    for bare in client.waiting(ISTIO_NAMESPACE, selector(gateway)).await?.iter().filter(|w| w.image == PLACEHOLDER) {
        client.delete_pod(ISTIO_NAMESPACE, &bare.pod).await?;
        changed = true;
    }
    Ok(changed)
}

/// Says at once who has the address that is planned for a gateway: neither gives way to the other.
pub(super) async fn refuse_taken(
    ctx: &RunContext,
    action: &Action,
    client: &Cluster,
    gateway: Gateway,
) -> Result<(), StepError> {
    let cluster = &*step::cluster(ctx, action)?;
    let Some(planned) = cluster.asked_address(gateway).filter(|_| !ctx.is_new(&cluster.name)) else { return Ok(()) };
    let services: Vec<Service> = client.everywhere().await?;
    match holder(&services, *planned, name(gateway)) {
        None => Ok(()),
        Some((namespace, name)) => Err(StepError::AddressTaken {
            address: *planned,
            gateway,
            cluster: cluster.name.clone(),
            context: ctx.lab.context(cluster),
            namespace,
            name,
        }),
    }
}

/// Namespace and name of the Service that has an address, unless it is the gateway's own.
fn holder(services: &[Service], address: Ipv4Addr, own: &str) -> Option<(String, String)> {
    let address = address.to_string();
    let names =
        |s: &Service| (s.metadata.namespace.clone().unwrap_or_default(), s.metadata.name.clone().unwrap_or_default());
    let is_own = |(namespace, name): &(String, String)| namespace == ISTIO_NAMESPACE && name == own;
    services.iter().filter(|s| load_balancer_addresses(s).contains(&address)).map(names).find(|n| !is_own(n))
}

/// Name of a gateway's Service and Deployment.
fn name(gateway: Gateway) -> &'static str {
    match gateway {
        Gateway::EastWestGateway => EAST_WEST_GATEWAY,
        Gateway::IngressGateway => INGRESS_GATEWAY,
        Gateway::Istiod => render::EXTERNAL_ISTIOD,
    }
}

/// Image of a gateway's pod before istiod's webhook has filled it in, as Istio's charts have it.
pub(crate) const PLACEHOLDER: &str = "auto";

/// Labels of a gateway's pods.
pub(crate) fn selector(gateway: Gateway) -> &'static str {
    match gateway {
        Gateway::EastWestGateway => "istio=eastwestgateway",
        Gateway::IngressGateway => "istio=ingressgateway",
        Gateway::Istiod => "app=istiod",
    }
}

fn manifest(ctx: &RunContext, cluster: &LabCluster, gateway: Gateway) -> Result<Manifest, StepError> {
    let rendered = ctx.rendered(cluster)?;
    let (mut manifest, resources) = match gateway {
        Gateway::EastWestGateway => {
            (rendered.east_west_gateway.clone(), render::east_west_resources(&ctx.lab, cluster))
        }
        _ => (rendered.ingress_gateway.clone(), render::ingress_resources(&ctx.lab, cluster)),
    };
    manifest.extend(Manifest::from_values(resources)?);
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(namespace: &str, name: &str, address: &str) -> Service {
        serde_json::from_value(json!({
            "metadata": { "namespace": namespace, "name": name },
            "status": { "loadBalancer": { "ingress": [{ "ip": address }] } },
        }))
        .expect("a Service")
    }

    #[test]
    fn who_has_a_gateways_address_is_named_and_the_gateway_itself_is_not() {
        let planned = Ipv4Addr::new(172, 30, 255, 10);
        let gateway = service("istio-system", EAST_WEST_GATEWAY, "172.30.255.10");
        let edge = service("shop", "edge", "172.30.255.10");
        let other = service("shop", "other", "172.30.255.12");
        let found = |services: &[Service]| holder(services, planned, EAST_WEST_GATEWAY);
        assert_eq!(found(&[gateway.clone(), other.clone()]), None);
        assert_eq!(found(&[gateway, other, edge]), Some(("shop".to_owned(), "edge".to_owned())));
    }
}
