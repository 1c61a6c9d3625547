//! kind's own configuration of one cluster.

use serde_json::{Value, json};

use crate::plan::{Lab, LabCluster};

/// What containerd in upstream's own node image must be told where a mirror serves, since lab has then put nothing into that image: where the rules for
/// mirrors are, which before containerd 2.2 it did not know; and to start containers on hosts without `CAP_SYS_RESOURCE`. kind passes this over for a
/// configuration of another version, such as that of lab's own node, which says all this itself.
const UNPREPARED_NODE: &str = r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d"
"#;

/// Where kubeadm finds, in a node image with images in it, what it makes otherwise in a cluster of one node.
const ONE_NODE: &str = "/kind/one-node";

/// What of the machine bears on kind's configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings {
    /// Whether images come from a mirror, so that nodes have none of them.
    pub is_mirrored: bool,
    /// Whether API servers are published at an address of another machine than kind's. kind finds a free port by listening there itself, so the engine
    /// is left to find one; it then finds another each time that the node starts.
    pub publishes_elsewhere: bool,
}

/// A configuration for `kind create cluster --config`. Nothing in it is a path of the machine that kind runs on: the engine may be elsewhere.
#[must_use]
pub fn kind_config(lab: &Lab, cluster: &LabCluster, around: Surroundings) -> Value {
    let mut control_plane = json!({ "role": "control-plane" });
    if let Some(published) = cluster.published_gateway {
        // On the lab's own bridge only, so that no other interface of the host and no other lab meets it.
        let mapping = |(host, node): (u16, u16)| {
            json!({
                "containerPort": node,
                "hostPort": host,
                "listenAddress": published.ip().to_string(),
                "protocol": "TCP",
            })
        };
        control_plane["extraPortMappings"] = lab.published_ports(cluster).into_iter().map(mapping).collect();
    }
    let workers = (0..cluster.workers).map(|_| json!({ "role": "worker" }));
    // With one control plane there is nobody to lead. After a restart the old lease would hold both up for many seconds.
    let mut controller_manager = json!({ "leader-elect": "false" });
    if cluster.workers == 0 {
        // A control plane that was paused with its only node would give that up as soon as both go on, and its pods with it.
        controller_manager["node-monitor-grace-period"] = json!("24h");
    }
    // A cluster that starts makes garbage faster than at any later time. Collected half as often, the API server needs a fifth less of the processor
    // for a bring-up, and has about 120 MB more at its end.
    let seldom_collected = json!([{ "name": "GOGC", "value": "200" }]);
    let mut networking = json!({
        "ipFamily": if lab.is_dual() { "dual" } else { "ipv4" },
        "podSubnet": cluster.pod_subnets(),
        "serviceSubnet": cluster.service_subnets(),
    });
    if let Some(address) = lab.docker_network.api_server_address {
        networking["apiServerAddress"] = address.to_string().into();
        if around.publishes_elsewhere {
            networking["apiServerPort"] = json!(-1);
        }
    }
    let mut config = json!({
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": cluster.kind_name,
        "networking": networking,
        "kubeadmConfigPatches": [
            json!({
                "kind": "ClusterConfiguration",
                "controllerManager": { "extraArgs": controller_manager },
                "scheduler": { "extraArgs": { "leader-elect": "false" } },
            }).to_string(),
            // Before kubeadm.k8s.io/v1beta4, which kind uses from Kubernetes 1.36 on, there is no such field; kind then passes the patch over.
            json!({
                "kind": "ClusterConfiguration",
                "apiVersion": "kubeadm.k8s.io/v1beta4",
                "apiServer": { "extraEnvs": seldom_collected },
                "controllerManager": { "extraEnvs": seldom_collected },
                "scheduler": { "extraEnvs": seldom_collected },
                "etcd": { "local": { "extraEnvs": seldom_collected } },
            })
            .to_string(),
            json!({
                "kind": "KubeletConfiguration",
                // From 1.35 on kubelet refuses hosts with control groups of version 1 unless it is told not to.
                "failCgroupV1": false,
                // A manifest of the control plane whose event kubelet misses would be seen after 20 s only.
                "fileCheckFrequency": "2s",
            })
            .to_string(),
        ],
        "nodes": std::iter::once(control_plane).chain(workers).collect::<Vec<_>>(),
    });
    if around.is_mirrored {
        config["containerdConfigPatches"] = json!([UNPREPARED_NODE]);
    } else if cluster.workers == 0
        && let Some(patches) = config["kubeadmConfigPatches"].as_array_mut()
    {
        patches.push(json!({ "kind": "InitConfiguration", "patches": { "directory": ONE_NODE } }).to_string().into());
    }
    if !cluster.zones.is_empty()
        && let Some(patches) = config["kubeadmConfigPatches"].as_array_mut()
    {
        // The control plane is the node of its zone. kubeadm taints it unless the list is there and empty.
        let untainted = json!({ "kind": "InitConfiguration", "nodeRegistration": { "taints": [] } });
        patches.push(untainted.to_string().into());
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::resolve, scenario::parse};

    #[test]
    fn api_servers_are_published_where_they_are_reached() {
        let networking = |network: &str, publishes_elsewhere| {
            let scenario = format!("name: demo\nclusters: [c1]\n{network}");
            let lab = resolve(&parse(&scenario, "lab.yaml").expect("valid")).expect("addresses");
            let networking = kind_config(
                &lab,
                &lab.clusters[0],
                Surroundings { publishes_elsewhere, ..Surroundings::default() },
            )["networking"]
                .clone();
            (networking["apiServerAddress"].clone(), networking["apiServerPort"].clone())
        };
        assert_eq!(networking("", false), (Value::Null, Value::Null));
        let there = "dockerNetwork: { apiServerAddress: 172.17.0.1 }\n";
        assert_eq!(networking(there, false), (json!("172.17.0.1"), Value::Null));
        // kind could not listen at an address of another machine to find a port there.
        assert_eq!(networking(there, true), (json!("172.17.0.1"), json!(-1)));
    }

    #[test]
    fn a_node_that_lab_has_not_prepared_is_told_where_mirrors_are() {
        let lab = resolve(&parse("name: demo\nclusters: [c1]\n", "lab.yaml").expect("valid")).expect("addresses");
        let patches = |is_mirrored| {
            let around = Surroundings { is_mirrored, ..Surroundings::default() };
            kind_config(&lab, &lab.clusters[0], around)["containerdConfigPatches"].clone()
        };
        // Nodes with all images in them are spared the restart of containerd that a patch costs.
        assert_eq!(patches(false), Value::Null);
        let patches = patches(true);
        let patch = patches[0].as_str().expect("a patch");
        assert!(patch.starts_with("version = 2\n"), "without a version it would be laid over lab's own: {patch}");
        assert!(patch.contains("config_path = \"/etc/containerd/certs.d\""), "{patch}");
    }

    #[test]
    fn kubelets_start_on_hosts_with_old_control_groups() {
        let lab = resolve(&parse("name: demo\nclusters: [c1]\n", "lab.yaml").expect("valid")).expect("addresses");
        let config = kind_config(&lab, &lab.clusters[0], Surroundings::default());
        let patches = config["kubeadmConfigPatches"].as_array().expect("a list");
        let kubelet = patches
            .iter()
            .map(|patch| serde_json::from_str::<Value>(patch.as_str().expect("text")).expect("JSON"))
            .find(|patch| patch["kind"] == "KubeletConfiguration");
        assert_eq!(kubelet.expect("a patch of kubelet's configuration")["failCgroupV1"], json!(false));
    }

    #[test]
    fn the_garbage_of_the_control_plane_is_collected_seldom_where_kubeadm_can_be_told() {
        let lab = resolve(&parse("name: demo\nclusters: [c1]\n", "lab.yaml").expect("valid")).expect("addresses");
        let config = kind_config(&lab, &lab.clusters[0], Surroundings::default());
        let patches = config["kubeadmConfigPatches"].as_array().expect("a list").iter();
        let patches = patches.map(|p| serde_json::from_str::<Value>(p.as_str().expect("text")).expect("JSON"));
        let with: Vec<Value> = patches.filter(|p| p.to_string().contains("GOGC")).collect();
        assert_eq!(with.len(), 1);
        // A patch that names no version would be laid over older configurations too, which have no such field.
        assert_eq!(with[0]["apiVersion"], "kubeadm.k8s.io/v1beta4");
        for part in ["/apiServer", "/controllerManager", "/scheduler", "/etcd/local"] {
            let envs = with[0].pointer(&format!("{part}/extraEnvs"));
            assert_eq!(envs, Some(&json!([{ "name": "GOGC", "value": "200" }])), "{part}");
        }
    }

    #[test]
    fn a_cluster_of_one_node_has_one_coredns_if_its_node_image_says_how() {
        let scenario = "name: demo\nclusters: [c1, { name: c2, nodes: { workers: 1 } }]\n";
        let lab = resolve(&parse(scenario, "lab.yaml").expect("valid")).expect("addresses");
        let is_patched = |i: usize, is_mirrored| {
            let around = Surroundings { is_mirrored, ..Surroundings::default() };
            kind_config(&lab, &lab.clusters[i], around).to_string().contains(ONE_NODE)
        };
        // kubeadm refuses a directory that is not there.
        assert_eq!((is_patched(0, false), is_patched(0, true), is_patched(1, false)), (true, false, false));
    }

    #[test]
    fn a_node_without_others_is_not_given_up() {
        let scenario = "name: demo\nclusters: [c1, { name: c2, nodes: { workers: 1 } }]\n";
        let lab = resolve(&parse(scenario, "lab.yaml").expect("valid")).expect("addresses");
        let patience = |i: usize| {
            let patches =
                kind_config(&lab, &lab.clusters[i], Surroundings::default())["kubeadmConfigPatches"][0].clone();
            let patch: Value = serde_json::from_str(patches.as_str().expect("text")).expect("JSON");
            patch["controllerManager"]["extraArgs"]["node-monitor-grace-period"].clone()
        };
        assert_eq!((patience(0), patience(1)), (json!("24h"), Value::Null));
    }
}
