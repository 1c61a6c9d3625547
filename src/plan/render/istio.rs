//! Istio's installation of one cluster as an `IstioOperator` file.
//!
//! The values follow Istio's multicluster installation guides for the 1.32 line.

use serde_json::{Value, json};

use super::{EAST_WEST_GATEWAY, EAST_WEST_PORT, INGRESS_GATEWAY, ISTIO_NAMESPACE, Images, image, ip_family_policy};
use crate::plan::{Gateway, Lab, LabCluster};

/// Label by which istiod knows the network of a namespace, a gateway or a pod.
const NETWORK_LABEL: &str = "topology.istio.io/network";
/// Annotation of a remote cluster's namespace: the cluster IDs of the control planes that may manage it. istiod reads it when it adds the
/// cluster, and not again.
const CONTROL_PLANES: &str = "topology.istio.io/controlPlaneClusters";

/// By which istiod, in its environment, and proxies, in their metadata, heed two address families.
const DUAL_STACK: &str = "ISTIO_DUAL_STACK";

/// Namespace `istio-system`, with the network of its cluster and, in a remote cluster, with the control plane that manages it.
#[must_use]
pub fn istio_namespace(lab: &Lab, cluster: &LabCluster) -> Value {
    let mut metadata = json!({ "name": ISTIO_NAMESPACE, "labels": {}, "annotations": {} });
    if !lab.mesh.mesh_networks && !lab.is_host(cluster) {
        metadata["labels"][NETWORK_LABEL] = json!(cluster.network);
    }
    let config = lab.config_cluster(cluster);
    if !cluster.runs_istiod() && config.name != cluster.name {
        metadata["annotations"][CONTROL_PLANES] = json!(config.name);
    }
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })
}

/// The installation of a cluster: what its place in the topology asks for, and its gateways. `source_values` are what the image source needs;
/// the scenario's own values win over everything.
#[must_use]
pub fn istio_operator(lab: &Lab, cluster: &LabCluster, images: &Images, source_values: &Value) -> Value {
    let mut values = base_values(lab, cluster, images);
    merge(&mut values, &role_values(lab, cluster));
    if let Some(revision) = &cluster.revision {
        merge(&mut values, &revision_values(revision, cluster.is_other));
    }
    merge(&mut values, source_values);
    merge(&mut values, &lab.mesh.values);
    let mut spec = json!({
        "profile": "minimal",
        "meshConfig": { "trustDomain": lab.trust_domain(cluster) },
        "values": values,
    });
    let others = lab.trusted_domains(cluster);
    if !others.is_empty() {
        // Without it a sidecar takes no connection of a workload of another domain, whoever has signed its certificate. Those that the scenario trusts
        // besides stay: a value of `meshConfig` here would replace them.
        let own = lab.mesh.values["meshConfig"]["trustDomainAliases"].as_array().into_iter().flatten();
        let mut all: Vec<Value> = others.into_iter().map(Value::from).collect();
        own.for_each(|alias| {
            if !all.contains(alias) {
                all.push(alias.clone());
            }
        });
        spec["meshConfig"]["trustDomainAliases"] = Value::from(all);
    }
    if lab.mesh.dns_capture {
        // Addresses for ServiceEntries that have none are given out by istiod itself nowadays.
        spec["meshConfig"]["defaultConfig"]["proxyMetadata"]["ISTIO_META_DNS_CAPTURE"] = json!("true");
    }
    if lab.mesh.access_logs {
        super::access_log::ask(&mut spec["meshConfig"]);
    }
    if lab.is_dual() {
        // Otherwise neither istiod nor its proxies look at a second address of anything.
        spec["meshConfig"]["defaultConfig"]["proxyMetadata"][DUAL_STACK] = json!("true");
    }
    if lab.is_host(cluster) {
        // The control plane alone: its cluster is no part of the mesh.
        spec["profile"] = json!("empty");
        spec["components"] = json!({ "pilot": { "enabled": true } });
    } else if !cluster.runs_istiod() {
        spec["profile"] = json!("remote");
    }
    if let Some(revision) = &cluster.revision {
        spec["revision"] = json!(revision);
    }
    let gateways: Vec<Value> = [
        cluster.has(Gateway::EastWestGateway).then(|| east_west_gateway(lab, cluster)),
        cluster.addresses.get(&Gateway::IngressGateway).map(|_| ingress_gateway(lab, cluster)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !gateways.is_empty() {
        spec["components"]["ingressGateways"] = json!(gateways);
    }
    json!({ "apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": spec })
}

/// What every cluster of the mesh has.
fn base_values(lab: &Lab, cluster: &LabCluster, images: &Images) -> Value {
    let proxy = image(images, "istio-proxyv2");
    let config = lab.config_cluster(cluster);
    // An external istiod is a member of the cluster that it reads its configuration from.
    let member = if lab.is_host(cluster) { config } else { cluster };
    json!({
        "global": {
            "meshID": lab.mesh_id(cluster),
            "multiCluster": { "clusterName": member.name },
            "network": member.network,
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
    })
}

/// What a cluster has by its place in the topology.
fn role_values(lab: &Lab, cluster: &LabCluster) -> Value {
    let mut values = json!({ "global": {} });
    if let Some(policy) = ip_family_policy(lab) {
        values["pilot"] = json!({ "env": { DUAL_STACK: "true" }, "ipFamilyPolicy": policy });
    }
    if lab.mesh.mesh_networks {
        values["global"]["meshNetworks"] = mesh_networks(lab, cluster);
    }
    if lab.is_host(cluster) {
        merge(
            &mut values,
            &json!({
                // The webhooks and the validation of configuration are in the clusters of the mesh.
                "global": { "externalIstiod": true, "operatorManageWebhooks": true, "configValidation": false },
                "pilot": { "env": {
                    "EXTERNAL_ISTIOD": "true",
                    // Remote secrets are in its own cluster, not in the one that it reads its configuration from.
                    "LOCAL_CLUSTER_SECRET_WATCHER": "true",
                    "SHARED_MESH_CONFIG": "istio",
                    "INJECTION_WEBHOOK_CONFIG_NAME": "istio-sidecar-injector",
                    "VALIDATION_WEBHOOK_CONFIG_NAME": format!("istio-validator-{ISTIO_NAMESPACE}"),
                } },
            }),
        );
    } else if cluster.runs_istiod() {
        values["global"]["externalIstiod"] = json!(lab.serves_others(cluster));
    } else {
        let primary = lab.control_plane(cluster);
        let address = primary.istiod_for_others();
        values["global"]["remotePilotAddress"] = json!(address.map(|a| a.to_string()));
        values["istiodRemote"] =
            json!({ "injectionPath": format!("/inject/cluster/{}/net/{}", cluster.name, cluster.network) });
        if lab.is_config_cluster(cluster) {
            values["global"]["configCluster"] = json!(true);
            values["pilot"] = json!({ "configMap": true });
        }
    }
    values
}

/// What a control plane with a revision has. By the tag `default` it is the one that pods get which ask for none, and by the default revision it looks at
/// configuration that asks for none.
fn revision_values(revision: &str, is_other: bool) -> Value {
    if is_other {
        return json!({ "defaultRevision": "" });
    }
    json!({ "revisionTags": ["default"], "defaultRevision": revision })
}

/// Networks with their members and gateways, for a mesh that does not find them by labels.
fn mesh_networks(lab: &Lab, of: &LabCluster) -> Value {
    let mut networks = json!({});
    for cluster in lab.meshed_with(of) {
        let network = &mut networks[&cluster.network];
        if network.is_null() {
            *network = json!({ "endpoints": [], "gateways": [] });
        }
        let gateway = cluster.east_west_endpoint().map(|e| json!({ "address": e.ip().to_string(), "port": e.port() }));
        for (list, item) in [("endpoints", Some(json!({ "fromRegistry": cluster.name }))), ("gateways", gateway)] {
            network[list].as_array_mut().into_iter().for_each(|l| l.extend(item.clone()));
        }
    }
    networks
}

fn east_west_gateway(lab: &Lab, cluster: &LabCluster) -> Value {
    let port = |name: &str, port: u16| json!({ "name": name, "port": port, "targetPort": port });
    let mut tls = port("tls", EAST_WEST_PORT);
    let mut label = json!({ "istio": "eastwestgateway", "app": EAST_WEST_GATEWAY });
    if !lab.mesh.mesh_networks {
        label[NETWORK_LABEL] = json!(cluster.network);
    }
    let mut service = json!({});
    let (mut istiod, mut webhook) = (port("tls-istiod", 15012), port("tls-webhook", 15017));
    if cluster.published_gateway.is_some() {
        for (port, (_, node)) in [&mut tls, &mut istiod, &mut webhook].into_iter().zip(lab.published_ports(cluster)) {
            port["nodePort"] = json!(node);
        }
        service["type"] = json!("NodePort");
    }
    service["ports"] = json!([port("status-port", 15021), tls, istiod, webhook]);
    gateway(lab, EAST_WEST_GATEWAY, &label, &service, cluster.asked_address(Gateway::EastWestGateway), |k8s| {
        k8s["env"] = json!([{ "name": "ISTIO_META_REQUESTED_NETWORK_VIEW", "value": cluster.network }]);
    })
}

fn ingress_gateway(lab: &Lab, cluster: &LabCluster) -> Value {
    let port = |name: &str, port: u16, target: u16| json!({ "name": name, "port": port, "targetPort": target });
    let ports = [port("status-port", 15021, 15021), port("http2", 80, 8080), port("https", 443, 8443)];
    let label = json!({ "istio": "ingressgateway", "app": INGRESS_GATEWAY });
    let address = cluster.addresses.get(&Gateway::IngressGateway);
    gateway(lab, INGRESS_GATEWAY, &label, &json!({ "ports": ports }), address, |_| {})
}

fn gateway(
    lab: &Lab,
    name: &str,
    label: &Value,
    service: &Value,
    address: Option<&std::net::Ipv4Addr>,
    more: impl FnOnce(&mut Value),
) -> Value {
    let mut k8s = json!({
        "resources": { "requests": { "cpu": "10m", "memory": "64Mi" } },
        "serviceAnnotations": super::metallb::fixed_address(lab, address),
        "service": service,
    });
    if let Some(policy) = ip_family_policy(lab) {
        k8s["service"]["ipFamilyPolicy"] = json!(policy);
    }
    more(&mut k8s);
    json!({ "name": name, "enabled": true, "label": label, "k8s": k8s })
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
