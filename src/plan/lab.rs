//! The lab: a scenario with everything that it left out decided, every address included.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::scenario::{AddressRange, App, Check, ImageSettings, Locality, Topology};

/// A lab as it will be built. It is stored in the lab's state, so that later commands need no scenario file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lab {
    /// Name of the lab: a DNS label of at most 30 characters.
    pub name: String,
    /// The mesh over all clusters.
    pub mesh: LabMesh,
    /// The Docker network that the nodes are on.
    pub docker_network: DockerNetwork,
    /// Where images come from, as far as the scenario says.
    pub images: ImageSettings,
    /// The clusters in the scenario's order.
    pub clusters: Vec<LabCluster>,
    /// The apps to deploy.
    pub apps: Vec<App>,
    /// What to assert.
    pub checks: Vec<Check>,
}

/// The mesh, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabMesh {
    /// Istio's `global.meshID`.
    pub id: String,
    /// Istio's trust domain.
    pub trust_domain: String,
    /// How control planes and clusters relate.
    pub topology: Topology,
    /// Helm values merged over those that lab derives, as the user wrote them.
    pub values: serde_json::Value,
}

/// The Docker network of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DockerNetwork {
    /// `lab-NAME`.
    pub name: String,
    /// Its IPv4 subnet.
    pub subnet: Ipv4Net,
    /// Address of the bridge on the host: the first of the subnet.
    pub gateway: Ipv4Addr,
    /// Docker deals node addresses from here only, so that they never meet a load balancer's.
    pub node_range: Ipv4Net,
}

/// One cluster, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabCluster {
    /// Name in the scenario and in Istio (`global.multiCluster.clusterName`).
    pub name: String,
    /// Name of the kind cluster: `LAB-CLUSTER`.
    pub kind_name: String,
    /// Istio's network.
    pub network: String,
    /// The cluster whose control plane it uses; itself for a primary.
    pub primary: String,
    /// Addresses of its pods.
    pub pod_subnet: Ipv4Net,
    /// Addresses of its services.
    pub service_subnet: Ipv4Net,
    /// Number of worker nodes besides the control plane.
    pub workers: u8,
    /// Region, zone and subzone of its nodes.
    pub locality: Option<Locality>,
    /// MetalLB's pool.
    pub pool: AddressRange,
    /// Fixed load-balancer addresses by gateway; every gateway of the lab has one.
    pub addresses: BTreeMap<Gateway, Ipv4Addr>,
}

/// A gateway that has a load-balancer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Gateway {
    /// Traffic between networks.
    EastWestGateway,
    /// Traffic from outside.
    IngressGateway,
}

impl LabCluster {
    /// Name of the container of the cluster's control-plane node, as kind gives it. Docker's DNS serves it.
    #[must_use]
    pub fn control_plane_node(&self) -> String {
        format!("{}-control-plane", self.kind_name)
    }

    /// The API server as pods of every cluster of the lab reach it. A name, because addresses are dealt out anew when nodes restart.
    #[must_use]
    pub fn api_server(&self) -> String {
        format!("https://{}:6443", self.control_plane_node())
    }
}

impl Lab {
    /// The cluster of that name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&LabCluster> {
        self.clusters.iter().find(|c| c.name == name)
    }

    /// Whether the clusters lie on more than one network, so that gateways are needed between them.
    #[must_use]
    pub fn is_multi_network(&self) -> bool {
        self.clusters.iter().any(|c| c.network != self.clusters[0].network)
    }

    /// The kubeconfig context of a cluster, as `lab kubeconfig` names it.
    #[must_use]
    pub fn context(&self, cluster: &LabCluster) -> String {
        format!("lab-{}-{}", self.name, cluster.name)
    }
}
