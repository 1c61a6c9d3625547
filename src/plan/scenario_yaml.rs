//! A resolved lab as a scenario file with every field written out.

use std::collections::BTreeMap;

use super::{Brought, Lab, LabCluster};
use crate::scenario::{Cluster, IpFamily, Scenario, Versions, to_yaml};

/// The scenario file that says everything the lab does: it parses and resolves to the same lab again.
#[must_use]
pub fn scenario_yaml(lab: &Lab) -> String {
    to_yaml(&Scenario {
        name: lab.name.clone(),
        mesh: lab.mesh.clone(),
        ip_family: if lab.is_dual() { IpFamily::Dual } else { IpFamily::Ipv4 },
        docker_subnet: lab.makes_machines().then_some(lab.docker_network.subnet),
        api_server_address: lab.docker_network.api_server_address,
        mtu: lab.docker_network.mtu,
        images: lab.images.clone(),
        // What lab did not make runs one version of Istio, which is said of all.
        versions: lab.clusters.iter().find(|c| c.brought.is_some()).map(|c| c.versions).unwrap_or_default(),
        clusters: lab.clusters.iter().map(cluster).collect(),
        apps: lab.apps.clone(),
        federation: lab.federation.clone(),
        checks: lab.checks.clone(),
        faults: lab.faults.clone(),
    })
}

fn cluster(cluster: &LabCluster) -> Cluster {
    let is_own = cluster.is_made();
    Cluster {
        name: cluster.name.clone(),
        network: Some(cluster.network.clone()),
        primary: cluster.primary.clone(),
        mesh: cluster.mesh.clone(),
        pod_subnet: is_own.then_some(cluster.pod_subnet),
        service_subnet: is_own.then_some(cluster.service_subnet),
        workers: cluster.workers,
        zones: cluster.zones.clone(),
        locality: cluster.locality.clone(),
        versions: if cluster.brought.is_some() { Versions::default() } else { cluster.versions },
        load_balancer: cluster.pool.is_some() || !is_own,
        pool: cluster.pool,
        // Without a load balancer none can be fixed.
        addresses: if cluster.pool.is_some() { cluster.addresses.clone() } else { BTreeMap::new() },
        existing: cluster.existing.clone().or_else(|| cluster.brought.as_ref().map(Brought::said)),
    }
}
