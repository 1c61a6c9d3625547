//! Istio's installation of one cluster as an `IstioOperator` file, and the resources that link networks.
//!
//! The values follow Istio's multicluster installation guides for the 1.31 line.

use serde_json::{Value, json};

use super::{EAST_WEST_GATEWAY, EAST_WEST_PORT, ISTIO_NAMESPACE, Images, image};
use crate::plan::{Gateway, Lab, LabCluster};

/// Label by which istiod knows the network of a namespace, a gateway or a pod.
const NETWORK_LABEL: &str = "topology.istio.io/network";

/// Namespace `istio-system` with the label of its cluster's network.
#[must_use]
pub fn istio_namespace(cluster: &LabCluster) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": ISTIO_NAMESPACE, "labels": { NETWORK_LABEL: cluster.network } },
    })
}

/// The installation of a primary cluster: base, istiod and, between networks, the east-west gateway. `source_values` are what the image
/// source needs; the scenario's own values win over everything.
#[must_use]
pub fn istio_operator(lab: &Lab, cluster: &LabCluster, images: &Images, source_values: &Value) -> Value {
    let proxy = image(images, "istio-proxyv2");
    let mut values = json!({
        "global": {
            "meshID": lab.mesh.id,
            "multiCluster": { "clusterName": cluster.name },
            "network": cluster.network,
            // A preloaded image must not be pulled again.
            "imagePullPolicy": "IfNotPresent",
            "proxy": {
                "image": proxy,
                // The defaults reserve more than a laptop's nodes have.
                "resources": { "requests": { "cpu": "10m", "memory": "64Mi" } },
                // The default of 15 s would be most of the time that a gateway takes to become ready.
                "readinessPeriodSeconds": 1,
                "readinessInitialDelaySeconds": 0,
            },
            "proxy_init": { "image": proxy },
        },
        "pilot": {
            "image": image(images, "istio-pilot"),
            "autoscaleEnabled": false,
            "resources": { "requests": { "cpu": "50m", "memory": "256Mi" } },
        },
        "gateways": { "istio-ingressgateway": { "injectionTemplate": "gateway", "autoscaleEnabled": false } },
    });
    merge(&mut values, source_values);
    merge(&mut values, &lab.mesh.values);
    let mut spec = json!({
        "profile": "minimal",
        "meshConfig": { "trustDomain": lab.mesh.trust_domain },
        "values": values,
    });
    if lab.is_multi_network() {
        spec["components"] = json!({ "ingressGateways": [east_west_gateway(cluster)] });
    }
    json!({ "apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": spec })
}

fn east_west_gateway(cluster: &LabCluster) -> Value {
    let mut annotations = json!({});
    if let Some(address) = cluster.addresses.get(&Gateway::EastWestGateway) {
        annotations["metallb.io/loadBalancerIPs"] = json!(address.to_string());
    }
    let port = |name: &str, port: u16| json!({ "name": name, "port": port, "targetPort": port });
    json!({
        "name": EAST_WEST_GATEWAY,
        "enabled": true,
        "label": {
            "istio": "eastwestgateway",
            "app": EAST_WEST_GATEWAY,
            NETWORK_LABEL: cluster.network,
        },
        "k8s": {
            "env": [{ "name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": cluster.network }],
            "resources": { "requests": { "cpu": "10m", "memory": "64Mi" } },
            "serviceAnnotations": annotations,
            "service": { "ports": [
                port("status-port", 15021),
                port("tls", EAST_WEST_PORT),
                port("tls-istiod", 15012),
                port("tls-webhook", 15017),
            ] },
        },
    })
}

/// Lets the east-west gateway pass mutual TLS through to every service of its cluster, by SNI.
#[must_use]
pub fn cross_network_gateway() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": { "name": "cross-network-gateway", "namespace": ISTIO_NAMESPACE },
        "spec": {
            "selector": { "istio": "eastwestgateway" },
            "servers": [{
                "port": { "number": EAST_WEST_PORT, "name": "tls", "protocol": "TLS" },
                "tls": { "mode": "AUTO_PASSTHROUGH" },
                "hosts": ["*.local"],
            }],
        },
    })
}

/// Merges `over` into `under` as Helm merges values: maps key by key, everything else replaced.
fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (under, over) => *under = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_values_win_and_maps_merge() {
        let mut values = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        merge(&mut values, &json!({ "a": { "b": 3 }, "d": [2], "e": true }));
        assert_eq!(values, json!({ "a": { "b": 3, "c": 2 }, "d": [2], "e": true }));
        merge(&mut values, &Value::Null);
        assert_eq!(values["e"], true);
    }
}
