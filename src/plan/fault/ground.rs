//! What of a lab faults can be about.

use crate::plan::{Gateway, Lab, LabCluster};
use crate::scenario::{Cluster, Ground, GroundCluster};

impl Lab {
    /// Its clusters, as far as faults are about them.
    #[must_use]
    pub fn ground(&self) -> Ground {
        let cluster = |c: &LabCluster| {
            let is_in_mesh = self.has_mesh() && !self.is_host(c) && !self.is_manager(c);
            let gateways = [
                (Gateway::EastWestGateway, c.east_west_endpoint().is_some()),
                (Gateway::IngressGateway, c.addresses.contains_key(&Gateway::IngressGateway)),
            ];
            GroundCluster {
                name: c.name.clone(),
                network: c.network.clone(),
                primary: c.primary.clone(),
                has_istiod: self.has_istio(c) && c.runs_istiod(),
                is_in_mesh,
                mesh: c.mesh.clone(),
                gateways: gateways.into_iter().filter_map(|(g, is)| (is && is_in_mesh).then_some(g)).collect(),
                config_of: self.is_host(c).then(|| self.config_cluster(c).name.clone()),
                nodes: Cluster::node_names(&c.name, c.workers).collect(),
            }
        };
        Ground { clusters: self.clusters.iter().map(cluster).collect() }
    }
}
