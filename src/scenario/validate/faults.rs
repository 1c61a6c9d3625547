//! What of the clusters faults can be about.

use super::{Draft, Mesh, Topology};
use crate::scenario::fault::{Ground, GroundCluster};
use crate::scenario::model::{Cluster, Gateway};

/// The clusters as they will be.
pub(super) fn ground(mesh: &Mesh, drafts: &[Draft]) -> Ground {
    let has_mesh = mesh.topology != Topology::None;
    let data: Vec<&Draft> = drafts.iter().filter(|d| !d.is_outside()).collect();
    let is_multi_network = data.windows(2).any(|pair| pair[0].network() != pair[1].network());
    let first = data.first().map(|d| d.name.value.clone());
    let cluster = |draft: &Draft| {
        let is_in_mesh = has_mesh && !draft.is_outside();
        let exposes = draft.uses == draft.name.value && draft.serves_others(drafts) && !draft.fixes(Gateway::Istiod);
        let name = &draft.name.value;
        let gateways = [
            (Gateway::EastWestGateway, is_multi_network || exposes),
            (Gateway::IngressGateway, mesh.ingress_gateway.has(name)),
        ];
        GroundCluster {
            name: name.clone(),
            network: draft.network(),
            primary: draft.uses.clone(),
            has_istiod: has_mesh && !draft.manages && draft.uses == *name,
            is_in_mesh,
            // A scenario with several has no faults.
            mesh: None,
            gateways: gateways.into_iter().filter_map(|(gateway, is)| (is && is_in_mesh).then_some(gateway)).collect(),
            config_of: first.clone().filter(|_| has_mesh && draft.hosts),
            nodes: Cluster::node_names(name, draft.workers).collect(),
        }
    };
    Ground { clusters: drafts.iter().map(cluster).collect() }
}
