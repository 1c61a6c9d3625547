//! What calls see of a fault, as far as it is certain before anybody looks.

use super::super::model::Gateway;
use super::{FaultKind, Ground, GroundCluster};

/// What becomes of the calls from one cluster to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// They go on as before.
    Untouched,
    /// They may fail.
    Unsure,
    /// None is answered, as soon as what was under way is over.
    Cut,
}

impl Ground {
    /// The clusters of the mesh from which calls can be made while there is this fault.
    #[must_use]
    pub fn callers(&self, kind: &FaultKind) -> Vec<&str> {
        let lost = self.lost(kind).map(|c| c.name.as_str());
        let of_mesh = self.clusters.iter().filter(|c| c.is_in_mesh).map(|c| c.name.as_str());
        of_mesh.filter(|name| Some(*name) != lost).collect()
    }

    /// What becomes of calls. Both clusters are of the mesh.
    #[must_use]
    pub fn path(&self, kind: &FaultKind, from: &str, to: &str) -> Path {
        let (Some(source), Some(target)) = (self.cluster(from), self.cluster(to)) else { return Path::Unsure };
        match kind {
            FaultKind::Partition { .. } => {
                if !self.is_parted(kind, source, target) {
                    return Path::Untouched;
                }
                // The gateway of another cluster on that network leads to its pods too.
                let way_round = |c: &GroundCluster| c != target && !self.is_parted(kind, source, c);
                let is_round = source.network != target.network && self.on_network(target).any(way_round);
                if is_round { Path::Unsure } else { Path::Cut }
            }
            FaultKind::Network { .. } => {
                // Packets that are bad one way make both directions of a connection bad.
                let is_bad = self.is_parted(kind, source, target) || self.is_parted(kind, target, source);
                if is_bad { Path::Unsure } else { Path::Untouched }
            }
            FaultKind::Gateway { cluster, gateway: Gateway::EastWestGateway } => {
                if *cluster != target.name || source.network == target.network {
                    return Path::Untouched;
                }
                if self.on_network(target).count() > 1 { Path::Unsure } else { Path::Cut }
            }
            FaultKind::Cluster { cluster, .. } if *cluster == target.name => Path::Cut,
            FaultKind::Node { node, .. } if target.nodes.contains(node) => {
                if target.nodes.len() == 1 {
                    Path::Cut
                } else {
                    Path::Unsure
                }
            }
            FaultKind::RemoteSecret { cluster, of } => match () {
                // It knows nothing of its own control plane's other clusters either.
                () if source.name == *of && source.primary == *cluster => Path::Unsure,
                () if source.primary == *cluster && target.name == *of => Path::Cut,
                () => Path::Untouched,
            },
            FaultKind::Pressure { node, .. } if source.nodes.contains(node) || target.nodes.contains(node) => {
                Path::Unsure
            }
            FaultKind::Dns { cluster } if *cluster == source.name => Path::Unsure,
            FaultKind::Gateway { .. }
            | FaultKind::Istiod { .. }
            | FaultKind::Discovery { .. }
            | FaultKind::ApiServer { .. }
            | FaultKind::Cluster { .. }
            | FaultKind::Node { .. }
            | FaultKind::Pressure { .. }
            | FaultKind::Dns { .. } => Path::Untouched,
        }
    }

    /// Whether Istio promises that no call from there is lost: the fault is none of the ways of its calls, or an istiod takes the lost callee out of
    /// them first.
    #[must_use]
    pub fn loses_nothing(&self, kind: &FaultKind, from: &str) -> bool {
        let mut paths = self.clusters.iter().filter(|c| c.is_in_mesh).map(|to| self.path(kind, from, &to.name));
        match kind {
            FaultKind::RemoteSecret { .. } => paths.all(|path| path != Path::Unsure),
            _ => paths.all(|path| path == Path::Untouched),
        }
    }

    /// The cluster that is away, or of which some nodes are.
    #[must_use]
    pub fn lost(&self, kind: &FaultKind) -> Option<&GroundCluster> {
        match kind {
            FaultKind::Cluster { cluster, .. } => self.cluster(cluster),
            FaultKind::Node { node, .. } => self.cluster_of(node),
            _ => None,
        }
    }

    /// Whether a partition is between two clusters, in the direction of the calls.
    fn is_parted(&self, kind: &FaultKind, source: &GroundCluster, target: &GroundCluster) -> bool {
        let (FaultKind::Partition { between, one_way, .. } | FaultKind::Network { between, one_way, .. }) = kind else {
            return false;
        };
        let (first, second) = self.sides(between);
        let (there, back) =
            (first.contains(&source) && second.contains(&target), second.contains(&source) && first.contains(&target));
        there || (back && !one_way)
    }

    /// The clusters on the network of one, itself included.
    fn on_network(&self, cluster: &GroundCluster) -> impl Iterator<Item = &GroundCluster> {
        self.clusters.iter().filter(|c| c.is_in_mesh && c.network == cluster.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Away;

    /// Clusters on networks, each a primary with a gateway and one node.
    fn ground(clusters: &[(&str, &str)]) -> Ground {
        let cluster = |(name, network): &(&str, &str)| GroundCluster {
            name: (*name).to_owned(),
            network: (*network).to_owned(),
            primary: (*name).to_owned(),
            has_istiod: true,
            is_in_mesh: true,
            mesh: None,
            gateways: vec![Gateway::EastWestGateway],
            config_of: None,
            nodes: vec![format!("{name}-control-plane")],
        };
        Ground { clusters: clusters.iter().map(cluster).collect() }
    }

    fn partition(between: &[&str], one_way: bool) -> FaultKind {
        let between = between.iter().map(|side| (*side).to_owned()).collect();
        FaultKind::Partition { between, one_way, refuse: false }
    }

    /// Paths from each cluster to each, as a table of letters.
    fn paths(ground: &Ground, kind: &FaultKind) -> Vec<String> {
        let letter = |path| match path {
            Path::Untouched => '.',
            Path::Unsure => '?',
            Path::Cut => 'x',
        };
        let row = |from: &GroundCluster| {
            ground.clusters.iter().map(|to| letter(ground.path(kind, &from.name, &to.name))).collect()
        };
        ground.clusters.iter().map(row).collect()
    }

    const THREE: [(&str, &str); 3] = [("c1", "n1"), ("c2", "n2"), ("c3", "n3")];

    #[test]
    fn a_partition_cuts_what_is_between_its_sides() {
        let three = ground(&THREE);
        assert_eq!(paths(&three, &partition(&["c1", "c2"], false)), [".x.", "x..", "..."]);
        assert_eq!(paths(&three, &partition(&["c1", "n2"], true)), [".x.", "...", "..."]);
        assert_eq!(paths(&three, &partition(&["c2"], false)), [".x.", "x.x", ".x."]);
        let kind = partition(&["c1", "c2"], true);
        assert_eq!(["c1", "c2", "c3"].map(|c| three.loses_nothing(&kind, c)), [false, true, true]);
    }

    #[test]
    fn another_gateway_of_a_network_is_a_way_round() {
        let shared = ground(&[("c1", "n1"), ("c2", "n2"), ("c3", "n2")]);
        assert_eq!(paths(&shared, &partition(&["c1", "c2"], false)), [".?.", "x..", "..."]);
        assert_eq!(paths(&shared, &partition(&["c1", "n2"], false)), [".xx", "x..", "x.."]);
        assert_eq!(paths(&shared, &partition(&["c2", "c3"], false)), ["...", "..x", ".x."]);
        let gateway = |cluster: &str| FaultKind::Gateway { cluster: cluster.into(), gateway: Gateway::EastWestGateway };
        assert_eq!(paths(&shared, &gateway("c2")), [".?.", "...", "..."]);
        assert_eq!(paths(&shared, &gateway("c1")), ["...", "x..", "x.."]);
    }

    #[test]
    fn a_control_plane_is_in_the_way_of_no_call() {
        let three = ground(&THREE);
        let c1 = || "c1".to_owned();
        for kind in [
            FaultKind::Istiod { cluster: c1() },
            FaultKind::Discovery { cluster: c1() },
            FaultKind::ApiServer { cluster: c1() },
            FaultKind::Gateway { cluster: c1(), gateway: Gateway::IngressGateway },
        ] {
            assert_eq!(paths(&three, &kind), ["...", "...", "..."], "{kind}");
            assert!(three.loses_nothing(&kind, "c1"), "{kind}");
        }
        let secret = FaultKind::RemoteSecret { cluster: c1(), of: "c2".into() };
        assert_eq!(paths(&three, &secret), [".x.", "...", "..."]);
        assert!(three.loses_nothing(&secret, "c1"), "istiod takes the callee away first");
    }

    #[test]
    fn nobody_calls_from_a_cluster_that_is_lost() {
        let three = ground(&THREE);
        let kind = FaultKind::Cluster { cluster: "c2".into(), away: Away::Stopped };
        assert_eq!(three.callers(&kind), ["c1", "c3"]);
        assert_eq!(paths(&three, &kind)[0], ".x.");
        let node = FaultKind::Node { node: "c2-control-plane".into(), away: Away::Paused };
        assert_eq!((three.callers(&node), paths(&three, &node)), (vec!["c1", "c3"], paths(&three, &kind)));
        let dns = FaultKind::Dns { cluster: "c1".into() };
        assert_eq!(paths(&three, &dns), ["???", "...", "..."]);
    }
}
