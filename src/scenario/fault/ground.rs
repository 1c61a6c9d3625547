//! What of a lab faults can be about, and which there cannot be. A scenario is held against it while it is read, the command line when the lab is there.

use super::super::model::Gateway;
use super::super::problem::FaultProblem;
use super::super::read::suggestion;
use super::{FaultKind, LONGEST_FROZEN, Link};

/// The clusters of a lab, as far as faults are about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// In the scenario's order.
    pub clusters: Vec<GroundCluster>,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroundCluster {
    /// Its name.
    pub name: String,
    /// Istio's network.
    pub network: String,
    /// The cluster whose control plane it uses.
    pub primary: String,
    /// Whether it runs an istiod.
    pub has_istiod: bool,
    /// Whether it is in the mesh: neither the host of an external control plane nor the manager of a federation, and there is a mesh.
    pub is_in_mesh: bool,
    /// The mesh that it is in, where there are several.
    pub mesh: Option<String>,
    /// Which gateways it has.
    pub gateways: Vec<Gateway>,
    /// The cluster from which an external istiod in it reads Istio's configuration.
    pub config_of: Option<String>,
    /// Its nodes, as `c1-worker`.
    pub nodes: Vec<String>,
}

/// A field of a fault, and what is wrong with it.
pub type Wrong = (&'static str, FaultProblem);

impl Ground {
    /// The cluster of that name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&GroundCluster> {
        self.clusters.iter().find(|c| c.name == name)
    }

    /// The clusters that one side of a partition stands for: the one of that name, or those on the network of that name.
    #[must_use]
    pub fn side(&self, name: &str) -> Vec<&GroundCluster> {
        match self.cluster(name) {
            Some(cluster) => vec![cluster],
            None => self.clusters.iter().filter(|c| c.network == name && c.is_in_mesh).collect(),
        }
    }

    /// Both sides of a partition, by their clusters.
    #[must_use]
    pub fn sides(&self, between: &[String]) -> (Vec<&GroundCluster>, Vec<&GroundCluster>) {
        let first = between.first().map(|side| self.side(side)).unwrap_or_default();
        let second = match between.get(1) {
            Some(side) => self.side(side),
            None => self.clusters.iter().filter(|c| !first.contains(c)).collect(),
        };
        (first, second)
    }

    /// The cluster of a node.
    #[must_use]
    pub fn cluster_of(&self, node: &str) -> Option<&GroundCluster> {
        self.clusters.iter().find(|c| c.nodes.iter().any(|n| n == node))
    }

    /// Why there cannot be such a fault; nothing where there can.
    #[must_use]
    pub fn refuse(&self, kind: &FaultKind, seconds: u32) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        match kind {
            FaultKind::Partition { between, .. } => self.refuse_sides(between, &mut wrong),
            FaultKind::Network { between, link, .. } => {
                self.refuse_sides(between, &mut wrong);
                if *link == Link::default() {
                    wrong.push(("between", FaultProblem::NothingBad));
                }
                if link.jitter.is_some() && link.latency.is_none_or(|latency| Some(latency) < link.jitter) {
                    wrong.push(("jitter", FaultProblem::JitterAlone));
                }
            }
            FaultKind::Gateway { cluster, gateway } => {
                if let Some(cluster) = self.known("cluster", cluster, &mut wrong)
                    && !cluster.gateways.contains(gateway)
                {
                    let (cluster, gateway) = (cluster.name.clone(), gateway.title());
                    let has: Vec<&str> =
                        self.clusters.iter().filter(|c| c.has(gateway)).map(|c| c.name.as_str()).collect();
                    let help = match &has[..] {
                        [] => format!("no cluster has an {gateway}"),
                        all => format!("those that have one: {}", all.join(", ")),
                    };
                    wrong.push(("cluster", FaultProblem::NoGateway { cluster, gateway, help }));
                }
            }
            FaultKind::Istiod { cluster } => {
                if let Some(cluster) = self.known("cluster", cluster, &mut wrong) {
                    self.refuse_without_istiod(cluster, &mut wrong);
                }
            }
            FaultKind::Discovery { cluster } => {
                if let Some(cluster) = self.known("cluster", cluster, &mut wrong)
                    && !cluster.is_in_mesh
                {
                    wrong.push(("cluster", FaultProblem::NotInMesh { cluster: cluster.name.clone() }));
                }
            }
            FaultKind::ApiServer { cluster } => {
                self.known("cluster", cluster, &mut wrong);
                if seconds > LONGEST_FROZEN {
                    wrong.push(("for", FaultProblem::FrozenTooLong { seconds, limit: LONGEST_FROZEN }));
                }
            }
            FaultKind::Cluster { cluster, .. } | FaultKind::Dns { cluster } => {
                self.known("cluster", cluster, &mut wrong);
            }
            FaultKind::Node { node, .. } | FaultKind::Pressure { node, .. } => {
                if self.cluster_of(node).is_none() {
                    let nodes: Vec<&str> = self.clusters.iter().flat_map(|c| &c.nodes).map(String::as_str).collect();
                    let help = suggestion(node, &nodes, "the nodes are");
                    wrong.push(("node", FaultProblem::UnknownNode { node: node.clone(), help }));
                }
            }
            FaultKind::RemoteSecret { cluster, of } => self.refuse_secret(cluster, of, &mut wrong),
        }
        if matches!(kind, FaultKind::Pressure { cpu: None, memory: None, .. }) {
            wrong.push(("node", FaultProblem::NothingTaken));
        }
        wrong
    }

    /// Why there cannot be such a fault that is measured; nothing where there can.
    #[must_use]
    pub fn refuse_measured(&self, kind: &FaultKind, seconds: u32) -> Vec<Wrong> {
        let mut wrong = self.refuse(kind, seconds);
        if let Some(lost) = self.lost(kind).filter(|_| wrong.is_empty() && self.callers(kind).is_empty()) {
            let field = if matches!(kind, FaultKind::Node { .. }) { "node" } else { "cluster" };
            wrong.push((field, FaultProblem::NobodyCalls { cluster: lost.name.clone() }));
        }
        wrong
    }

    fn known(&self, field: &'static str, name: &str, wrong: &mut Vec<Wrong>) -> Option<&GroundCluster> {
        let found = self.cluster(name);
        if found.is_none() {
            let names: Vec<&str> = self.clusters.iter().map(|c| c.name.as_str()).collect();
            let help = suggestion(name, &names, "the clusters are");
            wrong.push((field, FaultProblem::UnknownCluster { name: name.to_owned(), help }));
        }
        found
    }

    fn refuse_without_istiod(&self, cluster: &GroundCluster, wrong: &mut Vec<Wrong>) {
        if !cluster.has_istiod {
            let has: Vec<&str> = self.clusters.iter().filter(|c| c.has_istiod).map(|c| c.name.as_str()).collect();
            let help = match &has[..] {
                [] => "there is no mesh".to_owned(),
                all => format!("those that run one: {}", all.join(", ")),
            };
            wrong.push(("cluster", FaultProblem::NoIstiod { cluster: cluster.name.clone(), help }));
        }
    }

    fn refuse_sides(&self, between: &[String], wrong: &mut Vec<Wrong>) {
        if between.is_empty() || between.len() > 2 {
            wrong.push(("between", FaultProblem::NotTwoSides { count: between.len() }));
            return;
        }
        let mut names: Vec<&str> = self.clusters.iter().map(|c| c.name.as_str()).collect();
        names.extend(self.clusters.iter().filter(|c| c.is_in_mesh).map(|c| c.network.as_str()));
        names.dedup();
        let unknown = between.iter().filter(|side| self.side(side).is_empty());
        let told = wrong.len();
        wrong.extend(unknown.map(|side| {
            let help = suggestion(side, &names, "clusters and networks are");
            ("between", FaultProblem::UnknownSide { name: side.clone(), help })
        }));
        let (first, second) = self.sides(between);
        if wrong.len() > told {
        } else if let Some(both) = first.iter().find(|c| second.contains(c)) {
            wrong.push(("between", FaultProblem::BothSides { cluster: both.name.clone() }));
        } else if second.is_empty() {
            wrong.push(("between", FaultProblem::NothingElse));
        }
    }

    fn refuse_secret(&self, cluster: &str, of: &str, wrong: &mut Vec<Wrong>) {
        let (reader, read) = (self.known("cluster", cluster, wrong), self.known("of", of, wrong));
        let (Some(reader), Some(read)) = (reader, read) else { return };
        let told = wrong.len();
        self.refuse_without_istiod(reader, wrong);
        if wrong.len() > told {
            return;
        }
        let why = if reader.name == read.name {
            Some("an istiod needs no remote secret of its own cluster".to_owned())
        } else if reader.config_of.as_ref() == Some(&read.name) {
            Some(format!("istiod of {cluster} reads its configuration from {of}, by a kubeconfig of another kind"))
        } else if !read.is_in_mesh {
            Some(format!("no istiod reads {of}, which is no cluster of the mesh"))
        } else if reader.mesh != read.mesh {
            Some(format!("{cluster} and {of} are of different meshes, and no istiod reads clusters of another"))
        } else {
            None
        };
        wrong.extend(why.map(|why| ("of", FaultProblem::NoRemoteSecret { why })));
    }
}

impl GroundCluster {
    fn has(&self, title: &str) -> bool {
        self.gateways.iter().any(|g| g.title() == title)
    }
}
