//! Which node of a cluster is in which zone.

use super::LabCluster;

impl LabCluster {
    /// The zones that its nodes are in, each once; none where all of them are in one place.
    #[must_use]
    pub fn zones_once(&self) -> Vec<&str> {
        let mut once: Vec<&str> = Vec::new();
        for zone in &self.zones {
            if !once.contains(&zone.as_str()) {
                once.push(zone);
            }
        }
        once
    }

    /// The nodes in a zone, by their names in Kubernetes.
    #[must_use]
    pub fn nodes_in(&self, zone: &str) -> Vec<String> {
        let names = self.nodes().map(|node| self.node_name(&node));
        names.zip(&self.zones).filter(|(_, of)| *of == zone).map(|(node, _)| node).collect()
    }

    /// The zone of a node, by its name in Kubernetes, where each node has its own.
    #[must_use]
    pub fn zone_of(&self, node: &str) -> Option<&str> {
        let place = self.nodes().position(|container| self.node_name(&container) == node)?;
        self.zones.get(place).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::plan::render::{Images, Surroundings, apps, kind_config, locality_labels};
    use crate::plan::{Lab, helloworlds, resolve};
    use crate::scenario::parse;

    fn lab(c1: &str) -> Lab {
        let text = format!("name: demo\nclusters: [{{ name: c1{c1} }}, c2]\n");
        resolve(&parse(&text, "lab.yaml").expect("valid")).expect("addresses")
    }

    const ZONED: &str = ", nodes: { zones: [a, b, b] }, locality: { region: r }";

    #[test]
    fn each_node_is_labelled_with_its_zone() {
        let lab = lab(ZONED);
        let c1 = &lab.clusters[0];
        let zone = |node: &str| locality_labels(c1, node).get("topology.kubernetes.io/zone").cloned();
        let zones: Vec<Option<String>> = c1.nodes().map(|node| zone(&node)).collect();
        assert_eq!(zones, ["a", "b", "b"].map(|z| Some(z.to_owned())));
        assert_eq!(locality_labels(c1, "demo-c1-worker2")["topology.kubernetes.io/region"], "r");
        assert_eq!(c1.nodes_in("b"), ["demo-c1-worker", "demo-c1-worker2"]);
        assert_eq!((c1.workers, c1.zones_once()), (2, vec!["a", "b"]));
        assert!(locality_labels(&lab.clusters[1], "demo-c2-control-plane").is_empty());
    }

    #[test]
    fn each_zone_has_a_helloworld_of_its_own_and_a_caller() {
        let zoned = lab(ZONED);
        let versions: Vec<String> =
            helloworlds(&zoned).map(|h| format!("{} {:?} {}", h.cluster, h.zone, h.version)).collect();
        assert_eq!(versions, [r#"c1 Some("a") v1-a"#, r#"c1 Some("b") v1-b"#, "c2 None v2"]);
        let deployment = |lab: &Lab, cluster: usize, name: &str| {
            let objects = apps(lab, &lab.clusters[cluster], &Images::new());
            objects.into_iter().find(|o| o["kind"] == "Deployment" && o["metadata"]["name"] == name).unwrap_or_default()
        };
        let pinned = |name: &str| deployment(&zoned, 0, name)["spec"]["template"]["spec"]["nodeSelector"].clone();
        assert_eq!(pinned("helloworld-v1-a"), json!({ "topology.kubernetes.io/zone": "a" }));
        assert_eq!(pinned("helloworld-v1-b"), json!({ "topology.kubernetes.io/zone": "b" }));
        assert_eq!(deployment(&zoned, 0, "helloworld-v1"), Value::Null);
        let sleep = deployment(&zoned, 0, "sleep");
        let spread = &sleep["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
        assert_eq!((&sleep["spec"]["replicas"], &spread["whenUnsatisfiable"]), (&json!(2), &json!("DoNotSchedule")));
        assert_eq!(spread["labelSelector"], json!({ "matchLabels": { "app": "sleep" } }));
        // Where nodes have no zones of their own all is as it was.
        let plain = lab("");
        assert_eq!(deployment(&zoned, 1, "sleep"), deployment(&plain, 1, "sleep"));
        assert_eq!(deployment(&plain, 0, "helloworld-v1")["spec"]["template"]["spec"].get("nodeSelector"), None);
    }

    #[test]
    fn the_control_plane_of_a_zone_takes_pods() {
        let is_untainted = |more: &str| {
            let lab = lab(more);
            let config = kind_config(&lab, &lab.clusters[0], Surroundings::default());
            let patches: BTreeSet<String> =
                serde_json::from_value(config["kubeadmConfigPatches"].clone()).expect("texts");
            patches.iter().any(|p| p.contains(r#""nodeRegistration":{"taints":[]}"#))
        };
        assert!(is_untainted(ZONED));
        assert!(!is_untainted(", nodes: { workers: 1 }"));
    }
}
