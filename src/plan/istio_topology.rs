//! A lab as the file by which Istio's own tests know their clusters.

use serde_json::{Value, json};

use super::{Lab, LabCluster};

/// The clusters that Istio is installed in, as a list that `--istio.test.kube.topology` of Istio's tests takes. `kubeconfig` gives the path of a
/// cluster's kubeconfig, which should be absolute: tests run in directories of their own.
#[must_use]
pub fn istio_topology(lab: &Lab, kubeconfig: impl Fn(&LabCluster) -> String) -> Value {
    let entry = |cluster: &LabCluster| {
        json!({
            "kind": "Kubernetes",
            "clusterName": cluster.name,
            "network": cluster.network,
            "primaryClusterName": cluster.primary,
            "configClusterName": lab.config_cluster(cluster).name,
            // There are no images of virtual machines here.
            "meta": { "kubeconfig": kubeconfig(cluster), "fakeVM": false },
        })
    };
    lab.istio_clusters().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::{from_istio_topology, parse};

    fn topology(lab: &str) -> Vec<[String; 4]> {
        let lab = resolve(&parse(&format!("name: demo\n{lab}"), "lab.yaml").expect("valid")).expect("addresses");
        let topology = istio_topology(&lab, |c| format!("/tmp/{}.yaml", c.name));
        let again = from_istio_topology(&topology.to_string(), "topology.json", "demo").expect("it reads its own");
        assert_eq!(again.mesh.topology, lab.mesh.topology);
        let keys = ["clusterName", "network", "primaryClusterName", "configClusterName"];
        let entries = topology.as_array().expect("a list").iter();
        let entries = entries.inspect(|e| {
            let name = e["clusterName"].as_str().expect("a name");
            assert_eq!(e["meta"]["kubeconfig"], format!("/tmp/{name}.yaml"));
        });
        entries.map(|e| keys.map(|key| e[key].as_str().expect("text").to_owned())).collect()
    }

    #[test]
    fn each_topology_is_what_it_was_read_from() {
        assert_eq!(
            topology("clusters: [c1, c2]\n"),
            [["c1", "network-c1", "c1", "c1"], ["c2", "network-c2", "c2", "c2"]]
        );
        let remote =
            "mesh: { topology: primary-remote }\nclusters: [c1, { name: c2, primary: c1, network: network-c1 }]\n";
        assert_eq!(topology(remote), [["c1", "network-c1", "c1", "c1"], ["c2", "network-c1", "c1", "c1"]]);
        let external =
            "mesh: { topology: external }\nclusters: [c0, { name: c1, primary: c0 }, { name: c2, primary: c0 }]\n";
        assert_eq!(
            topology(external),
            [["c0", "network-c0", "c0", "c1"], ["c1", "network-c1", "c0", "c1"], ["c2", "network-c2", "c0", "c1"]]
        );
    }
}
