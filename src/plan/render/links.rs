//! What links clusters: Istio's own resources that open gateways, and the mounts and the Service of an external control plane.

use serde_json::{Value, json};

use super::{EAST_WEST_PORT, ISTIO_NAMESPACE};
use crate::plan::{Gateway, Lab, LabCluster};
use crate::scenario::App;

/// Port of istiod that remote clusters use for discovery and certificates.
pub const DISCOVERY_PORT: u16 = 15012;
/// Port of istiod that remote clusters use for the injection webhook.
pub const WEBHOOK_PORT: u16 = 15017;
/// What the host publishes of the east-west gateway of a primary without a load balancer, and the node ports behind it. Remote clusters know the first
/// ones only, since the charts that they are installed from have no field for others.
pub(in crate::plan) const ISTIOD_NODE_PORTS: [(u16, u16); 2] = [(DISCOVERY_PORT, 31512), (WEBHOOK_PORT, 31517)];
/// Port on which an ingress gateway takes calls from outside.
pub const INGRESS_PORT: u16 = 80;

/// What opens the east-west gateway of a cluster. Only the cluster that Istio's configuration is read from has any of it.
#[must_use]
pub fn east_west_resources(lab: &Lab, cluster: &LabCluster) -> Vec<Value> {
    let mut resources = Vec::new();
    if lab.is_config_cluster(cluster) && lab.is_multi_network() {
        resources.push(cross_network_gateway());
    }
    if lab.exposes_istiod(cluster) {
        resources.extend(expose_istiod());
    }
    if lab.mesh.access_logs && !resources.is_empty() {
        resources.push(super::access_log::at_connection());
    }
    resources
}

/// Lets an east-west gateway pass mutual TLS through to every service of its cluster, by SNI.
fn cross_network_gateway() -> Value {
    let server = json!({
        "port": { "number": EAST_WEST_PORT, "name": "tls", "protocol": "TLS" },
        "tls": { "mode": "AUTO_PASSTHROUGH" },
        "hosts": ["*.local"],
    });
    gateway("cross-network-gateway", "eastwestgateway", &[server])
}

/// Lets remote clusters reach istiod through the east-west gateway. TLS goes through to istiod itself.
fn expose_istiod() -> [Value; 2] {
    let ports = [("tls-istiod", DISCOVERY_PORT, DISCOVERY_PORT), ("tls-webhook", WEBHOOK_PORT, 443)];
    let servers = ports.map(|(name, number, _)| {
        json!({
            "port": { "number": number, "name": name, "protocol": "TLS" },
            "tls": { "mode": "PASSTHROUGH" },
            "hosts": ["*"],
        })
    });
    let routes = ports.map(|(_, number, service)| {
        json!({
            "match": [{ "port": number, "sniHosts": ["*"] }],
            "route": [{ "destination": {
                "host": format!("istiod.{ISTIO_NAMESPACE}.svc.cluster.local"),
                "port": { "number": service },
            } }],
        })
    });
    [
        gateway(EXPOSE_ISTIOD, "eastwestgateway", &servers),
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": { "name": EXPOSE_ISTIOD, "namespace": ISTIO_NAMESPACE },
            "spec": { "hosts": ["*"], "gateways": [EXPOSE_ISTIOD], "tls": routes },
        }),
    ]
}

/// Name of the Gateway and the `VirtualService` through which remote clusters reach istiod.
pub const EXPOSE_ISTIOD: &str = "expose-istiod";
/// Name of the Gateway and the `VirtualService` through which helloworld is called from outside.
pub const HELLOWORLD_INGRESS: &str = "helloworld-ingress";

/// Lets calls from outside through the ingress gateway to helloworld, if the lab has it.
#[must_use]
pub fn ingress_resources(lab: &Lab, cluster: &LabCluster) -> Vec<Value> {
    let has_helloworld = lab.apps.iter().any(|a| matches!(a, App::Helloworld { .. }));
    if !lab.is_config_cluster(cluster) || !has_helloworld {
        return Vec::new();
    }
    let server = json!({ "port": { "number": INGRESS_PORT, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] });
    vec![
        gateway(HELLOWORLD_INGRESS, "ingressgateway", &[server]),
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": { "name": HELLOWORLD_INGRESS, "namespace": ISTIO_NAMESPACE },
            "spec": {
                "hosts": ["*"],
                "gateways": [HELLOWORLD_INGRESS],
                "http": [{
                    "match": [{ "uri": { "exact": "/hello" } }],
                    "route": [{ "destination": {
                        "host": "helloworld.sample.svc.cluster.local",
                        "port": { "number": 5000 },
                    } }],
                }],
            },
        }),
    ]
}

fn gateway(name: &str, selector: &str, servers: &[Value]) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": { "name": name, "namespace": ISTIO_NAMESPACE },
        "spec": { "selector": { "istio": selector }, "servers": servers },
    })
}

/// Name of the Service by which a control plane that other clusters use has an address of its own.
pub const EXTERNAL_ISTIOD: &str = "istiod-external";

/// That Service. Port 443 is the webhook's, for whom asks without naming a port.
#[must_use]
pub fn istiod_service(lab: &Lab, cluster: &LabCluster) -> Value {
    let port = |name: &str, port: u16, target: u16| json!({ "name": name, "port": port, "targetPort": target });
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": EXTERNAL_ISTIOD,
            "namespace": ISTIO_NAMESPACE,
            "annotations": super::metallb::fixed_address(lab, cluster.addresses.get(&Gateway::Istiod)),
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": { "app": "istiod", "istio": "pilot" },
            "ports": [
                port("tls-istiod", DISCOVERY_PORT, DISCOVERY_PORT),
                port("tls-webhook", WEBHOOK_PORT, WEBHOOK_PORT),
                port("https", 443, WEBHOOK_PORT),
            ],
        },
    })
}

/// The `ConfigMap`s that an external istiod mounts: the mesh configuration and the injection template.
pub const MESH_CONFIGURATION: [&str; 2] = ["istio", "istio-sidecar-injector"];

/// Mounts the mesh configuration and the injection template into an external istiod's Deployment. An istiod that has neither as files asks
/// for them in the cluster that it reads its configuration from, where they are not.
///
/// A mount shows a change about a minute late, so `digest`, that of both, is part of the template: after a change istiod starts anew.
pub fn mount_mesh_configuration(deployment: &mut Value, digest: &str) {
    let paths = ["/etc/istio/config", "/var/lib/istio/inject"];
    deployment["spec"]["template"]["metadata"]["annotations"]["dev.lab.configuration"] = json!(digest);
    let template = &mut deployment["spec"]["template"]["spec"];
    for (name, path) in MESH_CONFIGURATION.into_iter().zip(paths) {
        let volume = format!("config-{name}");
        if let Some(volumes) = template["volumes"].as_array_mut() {
            volumes.push(json!({ "name": volume, "configMap": { "name": name } }));
        }
        if let Some(mounts) = template["containers"][0]["volumeMounts"].as_array_mut() {
            mounts.push(json!({ "name": volume, "mountPath": path, "readOnly": true }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_istiod_starts_anew_with_another_configuration() {
        let with = |digest: &str| {
            let mut deployment = json!({ "spec": { "template": { "metadata": {}, "spec": {
                "volumes": [], "containers": [{ "volumeMounts": [] }] } } } });
            mount_mesh_configuration(&mut deployment, digest);
            deployment["spec"]["template"].clone()
        };
        assert_eq!(with("a"), with("a"));
        assert_ne!(with("a"), with("b"));
        assert_eq!(with("a")["spec"]["volumes"][1]["configMap"]["name"], "istio-sidecar-injector");
    }
}
