//! What Karmada's own API gets, and the kubeconfigs by which it is reached.

use serde_json::{Value, json};

use super::Images;
use super::manifests::{name_images, state_replicas};
use crate::plan::{Lab, LabCluster, kubeconfig};
use crate::scenario::Federation;

/// Deployment that carries work to a member in mode pull, in the member.
pub const KARMADA_AGENT: &str = "karmada-agent";
/// Namespace of Karmada's control plane in its cluster, and of the agent in a member.
pub const KARMADA_NAMESPACE: &str = "karmada-system";
/// Node port of Karmada's API server.
pub const KARMADA_PORT: u16 = 32443;
/// Where Karmada's tool and data are in a node.
pub const KARMADA_DIR: &str = "/var/lib/lab/karmada";
/// Name of the policy that taints members that are lost.
pub const EVICT_LOST: &str = "lab-evict-lost";

/// Taint of a member that cannot be reached, and whose apps must go.
const UNREACHABLE: &str = "cluster.karmada.io/unreachable";

/// Flags of the controller manager: it may evict, and it notices a lost member within seconds. Whether anything is evicted is for the policy of
/// [`evict_lost`] to say, so that a running control plane never needs other flags.
const CONTROLLER_MANAGER: [&str; 8] = [
    "--feature-gates=Failover=true",
    "--enable-no-execute-taint-eviction=true",
    "--cluster-monitor-period=2s",
    "--cluster-monitor-grace-period=16s",
    "--cluster-failure-threshold=5s",
    "--cluster-success-threshold=5s",
    "--cluster-status-update-frequency=5s",
    "--v=2",
];

/// Arguments of `karmadactl` that install the control plane from inside the node of `manager`. `kubernetes` is the version of the images that the
/// node has, `etcd` the image of etcd.
#[must_use]
pub fn karmada_init(manager: &LabCluster, kubernetes: &str, etcd: &str) -> Vec<String> {
    let mut args: Vec<String> = ["init", "--kubeconfig", "/etc/kubernetes/admin.conf"].map(str::to_owned).into();
    let data = format!("{KARMADA_DIR}/data");
    for (flag, value) in [
        ("--crds", format!("{KARMADA_DIR}/crds.tar.gz")),
        ("--karmada-pki", format!("{data}/pki")),
        ("--karmada-data", data),
        ("--kube-image-tag", kubernetes.to_owned()),
        ("--etcd-image", etcd.to_owned()),
        ("--port", KARMADA_PORT.to_string()),
        ("--cert-external-dns", manager.control_plane_node()),
        ("--wait-component-ready-timeout", "300".to_owned()),
        ("--karmada-controller-manager-extra-args", CONTROLLER_MANAGER.join(",")),
    ] {
        args.extend([flag.to_owned(), value]);
    }
    args
}

/// Arguments of `karmadactl` that tell Karmada what a member is: its name, and where it is.
#[must_use]
pub fn karmada_member(cluster: &LabCluster) -> Vec<String> {
    let mut args = Vec::new();
    if let Some(locality) = &cluster.locality {
        args.extend(["--cluster-region".to_owned(), locality.region.clone()]);
        if let Some(zone) = &locality.zone {
            args.extend(["--cluster-zones".to_owned(), zone.clone()]);
        }
    }
    args
}

/// A kubeconfig of Karmada's API with another server in it, whose certificate is for `name`.
///
/// # Errors
/// The reason, when the text is no kubeconfig.
pub fn karmada_kubeconfig(text: &str, host: &str, name: &str) -> Result<String, String> {
    let mut config = kubeconfig::read(text)?;
    let clusters = config.get_mut("clusters").and_then(Value::as_array_mut).ok_or("it has no clusters")?;
    for cluster in clusters.iter_mut().filter_map(|c| c.get_mut("cluster")) {
        cluster["server"] = format!("https://{host}:{KARMADA_PORT}").into();
        if host != name {
            cluster["tls-server-name"] = name.into();
        }
    }
    serde_yaml::to_string(&config).map_err(|e| e.to_string())
}

/// The objects of the scenario as Karmada gets them.
#[must_use]
pub fn federated(lab: &Lab, images: &Images) -> Vec<Value> {
    let Some(federation) = &lab.federation else { return Vec::new() };
    let mut objects = federation.objects.clone();
    for object in &mut objects {
        name_images(object, images);
        state_replicas(object, &[]);
        tolerate(object, federation);
    }
    objects
}

/// How long apps wait for a lost member before they are moved, where their policy does not say it. Without any toleration they would move at once.
fn tolerate(object: &mut Value, federation: &Federation) {
    let Some(failover) = federation.failover else { return };
    if !matches!(object["kind"].as_str(), Some("PropagationPolicy" | "ClusterPropagationPolicy")) {
        return;
    }
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let placement = spec.entry("placement").or_insert_with(|| json!({}));
    if let Some(placement) = placement.as_object_mut() {
        placement.entry("clusterTolerations").or_insert_with(|| {
            json!([{ "key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": failover.toleration_seconds }])
        });
    }
}

/// The policy that taints members that are lost, so that their apps are moved. An agent that is lost leaves its member's state unknown, a member that
/// the control plane calls has failed: hence the condition on what it is not.
#[must_use]
pub fn evict_lost() -> Value {
    let ready = |operator: &str| json!([{ "conditionType": "Ready", "operator": operator, "statusValues": ["True"] }]);
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "ClusterTaintPolicy",
        "metadata": { "name": EVICT_LOST },
        "spec": {
            "addOnConditions": ready("NotIn"),
            "removeOnConditions": ready("In"),
            "taints": [{ "key": UNREACHABLE, "effect": "NoExecute" }],
        },
    })
}

/// Karmada's object of a member, as far as it is needed to read it.
#[must_use]
pub fn karmada_cluster(member: &str) -> Value {
    json!({ "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": { "name": member } })
}

/// Says in the manager that Karmada is installed to the end.
#[must_use]
pub fn karmada_marker(version: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "lab", "namespace": KARMADA_NAMESPACE },
        "data": { "karmada": version },
    })
}

/// Spreads the replicas of a Deployment anew, once, as its policy has it.
#[must_use]
pub fn rebalance(name: &str, namespace: &str, deployment: &str) -> Value {
    json!({
        "apiVersion": "apps.karmada.io/v1alpha1",
        "kind": "WorkloadRebalancer",
        "metadata": { "name": name },
        "spec": { "workloads": [
            { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": deployment }
        ], "ttlSecondsAfterFinished": 30 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Federation, FederationFailover};

    #[test]
    fn a_policy_says_itself_how_long_it_waits() {
        let federation = Federation {
            manager: "m".into(),
            members: Vec::new(),
            failover: Some(FederationFailover { toleration_seconds: 30 }),
            objects: Vec::new(),
        };
        let mut policy = json!({ "kind": "PropagationPolicy", "spec": { "resourceSelectors": [] } });
        tolerate(&mut policy, &federation);
        assert_eq!(policy["spec"]["placement"]["clusterTolerations"][0]["tolerationSeconds"], 30);
        let own = json!({ "kind": "PropagationPolicy", "spec": { "placement": { "clusterTolerations": [] } } });
        let mut same = own.clone();
        tolerate(&mut same, &federation);
        assert_eq!(same, own);
        let mut other = json!({ "kind": "Deployment", "spec": {} });
        tolerate(&mut other, &federation);
        assert_eq!(other, json!({ "kind": "Deployment", "spec": {} }));
        let mut policy = json!({ "kind": "PropagationPolicy", "spec": {} });
        tolerate(&mut policy, &Federation { failover: None, ..federation });
        assert_eq!(policy, json!({ "kind": "PropagationPolicy", "spec": {} }));
    }

    #[test]
    fn a_kubeconfig_by_address_keeps_the_name_of_the_certificate() {
        let text = "clusters: [{name: karmada, cluster: {server: 'https://10.0.0.2:32443', certificate-authority-data: Q0E=}}]\n";
        let by_address = karmada_kubeconfig(text, "172.24.0.9", "lab-m-control-plane").expect("a kubeconfig");
        let value: Value = serde_yaml::from_str(&by_address).expect("YAML");
        let cluster = &value["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], "https://172.24.0.9:32443");
        assert_eq!(cluster["tls-server-name"], "lab-m-control-plane");
        assert_eq!(cluster["certificate-authority-data"], "Q0E=");
        let by_name = karmada_kubeconfig(text, "n", "n").expect("a kubeconfig");
        assert!(by_name.contains("https://n:32443") && !by_name.contains("tls-server-name"), "{by_name}");
        assert!(karmada_kubeconfig("a: 1", "h", "n").is_err());
    }
}
