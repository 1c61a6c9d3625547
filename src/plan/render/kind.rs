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

/// A configuration for `kind create cluster --config`. `mirror_dir` is a host directory with containerd's `hosts.toml` files, when
/// images come from a mirror.
#[must_use]
pub fn kind_config(lab: &Lab, cluster: &LabCluster, mirror_dir: Option<&str>) -> Value {
    let node = |role: &str| {
        let mut node = json!({ "role": role });
        if let Some(dir) = mirror_dir {
            node["extraMounts"] =
                json!([{ "hostPath": dir, "containerPath": "/etc/containerd/certs.d", "readOnly": true }]);
        }
        node
    };
    let mut control_plane = node("control-plane");
    if let Some(published) = cluster.published_gateway {
        // On the lab's own bridge only, so that no other interface of the host and no other lab meets it.
        control_plane["extraPortMappings"] = json!([{
            "containerPort": published.port(),
            "hostPort": published.port(),
            "listenAddress": published.ip().to_string(),
            "protocol": "TCP",
        }]);
    }
    let workers = (0..cluster.workers).map(|_| node("worker"));
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
        "ipFamily": "ipv4",
        "podSubnet": cluster.pod_subnet.to_string(),
        "serviceSubnet": cluster.service_subnet.to_string(),
    });
    if let Some(address) = lab.docker_network.api_server_address {
        networking["apiServerAddress"] = address.to_string().into();
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
    if mirror_dir.is_some() {
        config["containerdConfigPatches"] = json!([UNPREPARED_NODE]);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::resolve, scenario::parse};

    #[test]
    fn api_servers_are_published_where_they_are_reached() {
        let address = |network: &str| {
            let scenario = format!("name: demo\nclusters: [c1]\n{network}");
            let lab = resolve(&parse(&scenario, "lab.yaml").expect("valid")).expect("addresses");
            kind_config(&lab, &lab.clusters[0], None)["networking"]["apiServerAddress"].clone()
        };
        assert_eq!(address(""), Value::Null);
        assert_eq!(address("dockerNetwork: { apiServerAddress: 172.17.0.1 }\n"), json!("172.17.0.1"));
    }

    #[test]
    fn a_node_that_lab_has_not_prepared_is_told_where_mirrors_are() {
        let lab = resolve(&parse("name: demo\nclusters: [c1]\n", "lab.yaml").expect("valid")).expect("addresses");
        let patches = |mirror| kind_config(&lab, &lab.clusters[0], mirror)["containerdConfigPatches"].clone();
        // Nodes with all images in them are spared the restart of containerd that a patch costs.
        assert_eq!(patches(None), Value::Null);
        let patches = patches(Some("/certs.d"));
        let patch = patches[0].as_str().expect("a patch");
        assert!(patch.starts_with("version = 2\n"), "without a version it would be laid over lab's own: {patch}");
        assert!(patch.contains("config_path = \"/etc/containerd/certs.d\""), "{patch}");
    }

    #[test]
    fn kubelets_start_on_hosts_with_old_control_groups() {
        let lab = resolve(&parse("name: demo\nclusters: [c1]\n", "lab.yaml").expect("valid")).expect("addresses");
        let config = kind_config(&lab, &lab.clusters[0], None);
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
        let config = kind_config(&lab, &lab.clusters[0], None);
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
    fn a_node_without_others_is_not_given_up() {
        let scenario = "name: demo\nclusters: [c1, { name: c2, nodes: { workers: 1 } }]\n";
        let lab = resolve(&parse(scenario, "lab.yaml").expect("valid")).expect("addresses");
        let patience = |i: usize| {
            let patches = kind_config(&lab, &lab.clusters[i], None)["kubeadmConfigPatches"][0].clone();
            let patch: Value = serde_json::from_str(patches.as_str().expect("text")).expect("JSON");
            patch["controllerManager"]["extraArgs"]["node-monitor-grace-period"].clone()
        };
        assert_eq!((patience(0), patience(1)), (json!("24h"), Value::Null));
    }
}
