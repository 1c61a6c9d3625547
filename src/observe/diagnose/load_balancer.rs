//! Why a service is not called by its load balancer.

use k8s_openapi::api::core::v1::Service;

use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::scenario::ServiceUrl;
use crate::sys::kube::load_balancer_addresses;
use crate::verdict::{Finding, words};

/// What MetalLB says, in its event, of a Service for which all pools that it may have an address of are used up.
const EXHAUSTED: &str = "no available IPs";

/// What is wrong with the Service itself, or with its address.
pub(super) async fn of(
    ctx: &LabContext,
    cluster: &LabCluster,
    called: &ServiceUrl,
) -> Result<Option<Finding>, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let service: Option<Service> = client.get(&called.namespace, &called.service).await?;
    let event = client.last_event(&called.namespace, &called.service).await;
    let context = ctx.lab.context(cluster);
    Ok(fault(&cluster.name, called, service.as_ref(), event.as_deref()).map(|(cause, evidence, change)| Finding {
        cause,
        evidence,
        remedy: format!(
            "{change}; see it: kubectl --context {context} -n {} describe service {}",
            called.namespace, called.service
        ),
    }))
}

/// Cause, evidence, and what to change.
fn fault(
    cluster: &str,
    called: &ServiceUrl,
    service: Option<&Service>,
    event: Option<&str>,
) -> Option<(String, String, &'static str)> {
    let name = format!("Service {}/{} of {cluster}", called.namespace, called.service);
    let Some(service) = service else {
        return Some((format!("{name} is not there"), "it is called by its load balancer".to_owned(), "apply it"));
    };
    let spec = service.spec.clone().unwrap_or_default();
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    if kind != "LoadBalancer" {
        let cause = format!("{name} has no load balancer");
        return Some((cause, format!("spec.type is {kind}"), "set spec.type to LoadBalancer"));
    }
    let ports: Vec<i32> = spec.ports.iter().flatten().map(|p| p.port).collect();
    if !ports.contains(&i32::from(called.port)) {
        let cause = format!("{name} does not have port {}", called.port);
        return Some((
            cause,
            format!("spec.ports has {}", words::names(ports)),
            "call a port that it has, or add that one",
        ));
    }
    if !load_balancer_addresses(service).is_empty() {
        return None;
    }
    let evidence =
        event.map_or_else(|| "MetalLB has said nothing about it".to_owned(), |e| format!("its last event: {e}"));
    if evidence.contains(EXHAUSTED) {
        let cause = format!("no address is free for {name}");
        return Some((
            cause,
            evidence,
            "enlarge `loadBalancer.pool` of the cluster, or take its address from another Service",
        ));
    }
    Some((format!("{name} has no address of its load balancer"), evidence, "do what the event asks for"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cause(spec: &Value, addresses: &[&str], event: Option<&str>) -> Option<String> {
        let ingress: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
        let object = json!({ "spec": spec, "status": { "loadBalancer": { "ingress": ingress } } });
        let service: Service = serde_json::from_value(object).expect("a Service");
        let called = "web.shop:80/".parse().expect("a service");
        fault("c1", &called, Some(&service), event).map(|(cause, evidence, _)| format!("{cause}: {evidence}"))
    }

    #[test]
    fn what_a_load_balancer_lacks_is_named() {
        let spec = |kind: &str, port: u16| json!({ "type": kind, "ports": [{ "port": port }] });
        assert_eq!(cause(&spec("LoadBalancer", 80), &["172.30.9.1"], None), None);
        let told = |found: Option<String>, what: &str| {
            assert!(found.as_deref().is_some_and(|f| f.contains(what)), "{found:?}");
        };
        told(
            cause(&spec("ClusterIP", 80), &[], None),
            "Service shop/web of c1 has no load balancer: spec.type is ClusterIP",
        );
        told(cause(&spec("LoadBalancer", 81), &["172.30.9.1"], None), "does not have port 80");
        let exhausted = "AllocationFailed: Failed to allocate IP for \"shop/web\": no available IPs";
        told(
            cause(&spec("LoadBalancer", 80), &[], Some(exhausted)),
            "no address is free for Service shop/web of c1: its last event: AllocationFailed",
        );
        told(
            cause(&spec("LoadBalancer", 80), &[], None),
            "has no address of its load balancer: MetalLB has said nothing",
        );
        let called = "web.shop:80/".parse().expect("a service");
        assert!(fault("c1", &called, None, None).is_some_and(|(cause, ..)| cause.ends_with("is not there")));
    }
}
