//! A fault as what is done to nodes and objects. Pure: who is hit follows from the lab, addresses are looked up where it happens.

mod ground;
mod load;
mod rules;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::render::{CONFIG_SECRET, EAST_WEST_GATEWAY, INGRESS_GATEWAY, ISTIO_NAMESPACE, remote_secret_name};
use super::{Gateway, Lab, LabCluster};
use crate::scenario::{Away, FaultKind};

/// The control plane's Deployment.
/// Namespace and Deployment of a cluster's DNS server.
const DNS: (&str, &str) = ("kube-system", "coredns");
/// The program of the API server in a node.
const API_SERVER: &str = "kube-apiserver";

/// Whether a node can do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// What succeeds if it can, for a shell.
    pub script: String,
    /// What is wrong if it does not.
    pub problem: String,
    /// What to do then.
    pub remedy: String,
}

/// One thing that is done to a lab, and can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Act {
    /// Something in a node: rules in chains of its own, a program that stands still, a load.
    Shell {
        /// The container.
        node: String,
        /// What two faults cannot do at once, as `a program`; nothing where they do not disturb each other.
        what: Option<String>,
        /// What must succeed before anything is touched, and changes nothing.
        look: Option<Look>,
        /// What does it, for a shell.
        script: String,
        /// What undoes it, whether or not it was done.
        undo: String,
    },
    /// A Deployment has no pods.
    Scale {
        /// The cluster.
        cluster: String,
        /// Namespace of the Deployment.
        namespace: String,
        /// Its name.
        deployment: String,
    },
    /// A Secret is gone.
    Secret {
        /// The cluster.
        cluster: String,
        /// Namespace of the Secret.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A node is frozen.
    Pause {
        /// The container.
        node: String,
    },
    /// A node is killed.
    Stop {
        /// The container.
        node: String,
    },
}

impl Act {
    /// What two faults cannot do at once; none where they do not disturb each other.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        match self {
            Self::Shell { node, what, .. } => what.as_ref().map(|what| format!("{what} of node {node}")),
            Self::Scale { cluster, namespace, deployment } => {
                Some(format!("Deployment {namespace}/{deployment} of {cluster}"))
            }
            Self::Secret { cluster, namespace, name } => Some(format!("Secret {namespace}/{name} of {cluster}")),
            Self::Pause { node } | Self::Stop { node } => Some(format!("node {node}")),
        }
    }
}

/// What a fault does. `id` tells its rules from those of others.
#[must_use]
pub fn acts(lab: &Lab, kind: &FaultKind, id: &str) -> Vec<Act> {
    let control_plane = |cluster: &str| lab.cluster(cluster).map(LabCluster::control_plane_node);
    let scale = |cluster: &String, (namespace, deployment): (&str, &str)| Act::Scale {
        cluster: cluster.clone(),
        namespace: namespace.to_owned(),
        deployment: deployment.to_owned(),
    };
    match kind {
        FaultKind::Partition { between, one_way, refuse } => rules::partition(lab, between, *one_way, *refuse, id),
        FaultKind::Network { between, one_way, link } => rules::network(lab, between, *one_way, *link, id),
        FaultKind::Discovery { cluster } => rules::discovery(lab, cluster, id),
        FaultKind::Gateway { cluster, gateway } => {
            let name = if *gateway == Gateway::IngressGateway { INGRESS_GATEWAY } else { EAST_WEST_GATEWAY };
            vec![scale(cluster, (ISTIO_NAMESPACE, name))]
        }
        FaultKind::Istiod { cluster } => {
            let planes = lab
                .cluster(cluster)
                .into_iter()
                .flat_map(|c| std::iter::once(c.istiod()).chain(c.with_other().map(|c| c.istiod())));
            planes.map(|istiod| scale(cluster, (ISTIO_NAMESPACE, &istiod))).collect()
        }
        FaultKind::Dns { cluster } => vec![scale(cluster, DNS)],
        FaultKind::ApiServer { cluster } => {
            let halt = |node| Act::Shell {
                node,
                what: Some("the API server".to_owned()),
                look: None,
                script: signal("STOP", true),
                undo: signal("CONT", false),
            };
            control_plane(cluster).map(halt).into_iter().collect()
        }
        FaultKind::Pressure { node, cpu, memory } => {
            vec![load::pressure(format!("{}-{node}", lab.name), *cpu, *memory, id)]
        }
        FaultKind::Node { node, away } => vec![away_node(format!("{}-{node}", lab.name), *away)],
        FaultKind::Cluster { cluster, away } => {
            let nodes = lab.cluster(cluster).into_iter().flat_map(LabCluster::nodes);
            nodes.map(|node| away_node(node, *away)).collect()
        }
        FaultKind::RemoteSecret { cluster, of } => {
            let is_config = lab.cluster(cluster).is_some_and(|c| lab.is_host(c) && lab.config_cluster(c).name == *of);
            let name = if is_config { CONFIG_SECRET.to_owned() } else { remote_secret_name(of) };
            vec![Act::Secret { cluster: cluster.clone(), namespace: ISTIO_NAMESPACE.to_owned(), name }]
        }
    }
}

fn away_node(node: String, away: Away) -> Act {
    match away {
        Away::Stopped => Act::Stop { node },
        Away::Paused => Act::Pause { node },
    }
}

/// Sends the API server a signal. With `must`, that there is none is a failure.
fn signal(signal: &str, must: bool) -> String {
    let end = if must { "[ -n \"$found\" ]" } else { "true" };
    format!(
        "for p in /proc/[0-9]*; do [ \"$(cat \"$p/comm\" 2>/dev/null)\" = {API_SERVER} ] && kill -{signal} \"${{p#/proc/}}\" && found=1; done; {end}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(text: &str) -> Lab {
        crate::plan::resolve(&crate::scenario::parse(text, "x").expect("a scenario")).expect("a lab")
    }

    #[test]
    fn a_node_is_named_without_its_lab() {
        let lab = lab("name: x\nclusters: [{ name: c1, nodes: { workers: 2 } }, c2]\n");
        let node = FaultKind::Node { node: "c1-worker2".into(), away: Away::Paused };
        assert_eq!(lab.ground().refuse(&node, 20), []);
        assert_eq!(acts(&lab, &node, "a"), [Act::Pause { node: "x-c1-worker2".into() }]);
        let cluster = FaultKind::Cluster { cluster: "c1".into(), away: Away::Stopped };
        assert_eq!(acts(&lab, &cluster, "a").len(), 3);
    }

    #[test]
    fn a_lab_and_its_scenario_have_the_same_ground() {
        for text in [
            "name: x\nclusters: [c1, c2]\nmesh: { ingressGateway: [c2] }\n",
            "name: x\nclusters: [{ name: c1, network: n }, { name: c2, network: n, nodes: { workers: 1 } }]\n",
            "name: x\nmesh: { topology: primary-remote }\nclusters: [{ name: c1, network: n }, { name: c2, network: n }]\n",
            "name: x\nmesh: { topology: external }\nclusters: [c1, c2, c3]\n",
            "name: x\nclusters: [m, c1]\nfederation: { manager: m }\n",
        ] {
            let ground = lab(text).ground();
            // A fault that the one refuses the other refuses too, whatever it is about.
            for cluster in ground.clusters.iter().map(|c| &c.name) {
                for (words, kind) in [
                    (format!("gateway: {{ cluster: {cluster} }}"), gateway(cluster, Gateway::EastWestGateway)),
                    (
                        format!("gateway: {{ cluster: {cluster}, gateway: ingress }}"),
                        gateway(cluster, Gateway::IngressGateway),
                    ),
                    (format!("istiod: {{ cluster: {cluster} }}"), FaultKind::Istiod { cluster: cluster.clone() }),
                    (format!("discovery: {{ cluster: {cluster} }}"), FaultKind::Discovery { cluster: cluster.clone() }),
                ] {
                    let read = crate::scenario::parse(&format!("{text}faults:\n  - {words}\n"), "x");
                    let (refused, told) = (ground.refuse(&kind, 20), read.map(|s| s.faults));
                    assert_eq!(refused.is_empty(), told.is_ok(), "{text}{words}: {refused:?} {told:?}");
                }
            }
        }
    }

    fn gateway(cluster: &str, gateway: Gateway) -> FaultKind {
        FaultKind::Gateway { cluster: cluster.to_owned(), gateway }
    }

    #[test]
    fn a_remote_secret_is_that_of_the_other_cluster() {
        let kind = FaultKind::RemoteSecret { cluster: "c1".into(), of: "c2".into() };
        let secret =
            |name: &str| Act::Secret { cluster: "c1".into(), namespace: ISTIO_NAMESPACE.into(), name: name.into() };
        assert_eq!(acts(&lab("name: x\nclusters: [c1, c2]\n"), &kind, "a"), [secret("istio-remote-secret-c2")]);
    }

    #[test]
    fn clusters_of_two_meshes_have_no_remote_secrets_of_each_other() {
        let text = "name: x\nclusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }]\n";
        let kind = FaultKind::RemoteSecret { cluster: "c1".into(), of: "c2".into() };
        let wrong = lab(text).ground().refuse(&kind, 10);
        assert!(wrong.iter().any(|(_, why)| why.to_string().contains("different meshes")), "{wrong:?}");
    }

    #[test]
    fn a_fault_that_leaves_nobody_who_calls_is_not_measured() {
        let kind = FaultKind::Cluster { cluster: "c1".into(), away: crate::scenario::Away::Stopped };
        for (clusters, count) in [("[c1]", 1), ("[c1, c2]", 0)] {
            let ground = lab(&format!("name: x\nclusters: {clusters}\n")).ground();
            assert_eq!((ground.refuse(&kind, 10).len(), ground.refuse_measured(&kind, 10).len()), (0, count));
        }
    }
}
