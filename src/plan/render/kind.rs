//! kind's own configuration of one cluster.

use serde_json::{Value, json};

use crate::plan::LabCluster;

/// A configuration for `kind create cluster --config`. `mirror_dir` is a host directory with containerd's `hosts.toml` files, when
/// images come from a mirror.
#[must_use]
pub fn kind_config(cluster: &LabCluster, mirror_dir: Option<&str>) -> Value {
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
    json!({
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": cluster.kind_name,
        "networking": {
            "ipFamily": "ipv4",
            "podSubnet": cluster.pod_subnet.to_string(),
            "serviceSubnet": cluster.service_subnet.to_string(),
        },
        // With one control plane there is nobody to lead. After a restart the old lease would hold both up for many seconds.
        "kubeadmConfigPatches": [json!({
            "kind": "ClusterConfiguration",
            "controllerManager": { "extraArgs": { "leader-elect": "false" } },
            "scheduler": { "extraArgs": { "leader-elect": "false" } },
        }).to_string()],
        "nodes": std::iter::once(control_plane).chain(workers).collect::<Vec<_>>(),
    })
}
