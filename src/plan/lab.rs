//! The lab: a scenario with everything that it left out decided, every address included.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::{Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Brought;
use super::ipv6::ClusterIpv6;
use super::render::{EAST_WEST_PORT, ISTIOD_NODE_PORTS};
use super::upgrade::Beside;
use crate::scenario::{
    AddressRange, App, Check, Cluster, Existing, Fault, Federation, Gateway, ImageSettings, Locality, Mesh, Topology,
    Versions,
};

/// A lab as it will be built. It is stored in the lab's state, so that later commands need no scenario file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lab {
    /// Name of the lab: a DNS label of at most 30 characters.
    pub name: String,
    /// The mesh over all clusters.
    pub mesh: Mesh,
    /// The Docker network that the nodes are on.
    pub docker_network: DockerNetwork,
    /// Where images come from, as far as the scenario says.
    pub images: ImageSettings,
    /// The clusters in the scenario's order.
    pub clusters: Vec<LabCluster>,
    /// The apps to deploy.
    pub apps: Vec<App>,
    /// Karmada over some of the clusters.
    #[serde(default)]
    pub federation: Option<Federation>,
    /// What to assert.
    pub checks: Vec<Check>,
    /// What breaks for a while when all of that holds, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// The Docker network of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DockerNetwork {
    /// `lab-NAME`.
    pub name: String,
    /// Its IPv4 subnet.
    #[schemars(with = "String")]
    pub subnet: Ipv4Net,
    /// Address of the bridge on the host: the first of the subnet.
    pub gateway: Ipv4Addr,
    /// Docker deals node addresses from here only, so that they never meet a load balancer's.
    #[schemars(with = "String")]
    pub node_range: Ipv4Net,
    /// Its IPv6 subnet, in a lab of two families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ipv6_subnet: Option<Ipv6Net>,
    /// The address of the engine's machine at which it publishes API servers; none for its loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server_address: Option<Ipv4Addr>,
    /// Most bytes of a packet on it; by default what fits the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
}

/// One cluster, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabCluster {
    /// Name in the scenario and in Istio (`global.multiCluster.clusterName`).
    pub name: String,
    /// Name of the kind cluster: `LAB-CLUSTER`.
    pub kind_name: String,
    /// The kind cluster whose nodes its own were copied from: they keep the names that they have in Kubernetes, since certificates and all that is stored
    /// hold them, and Docker's DNS serves these too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
    /// Istio's network.
    pub network: String,
    /// The cluster whose control plane it uses; itself for a primary.
    pub primary: String,
    /// The mesh that it is in, in a lab that may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<String>,
    /// Addresses of its pods.
    #[schemars(with = "String")]
    pub pod_subnet: Ipv4Net,
    /// Addresses of its services.
    #[schemars(with = "String")]
    pub service_subnet: Ipv4Net,
    /// Its IPv6 subnets, in a lab of two families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<ClusterIpv6>,
    /// Number of worker nodes besides the control plane.
    pub workers: u8,
    /// The zone of each node, the control plane's first; empty where [`Self::locality`] says it of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Region, zone and subzone of its nodes.
    pub locality: Option<Locality>,
    /// What it runs, as far as the scenario says.
    #[serde(default, skip_serializing_if = "Versions::is_default")]
    pub versions: Versions,
    /// The revision of its control plane; none where it came with the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Another control plane, while Istio is upgraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// Whether this is the cluster as the other control plane has it.
    #[serde(skip)]
    pub is_other: bool,
    /// MetalLB's pool; none for a cluster without a load balancer.
    pub pool: Option<AddressRange>,
    /// Load-balancer addresses; every gateway that the cluster has is here.
    pub addresses: BTreeMap<Gateway, Ipv4Addr>,
    /// Load-balancer addresses that no Service gets, kept for gateways that the cluster may get when the lab grows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reserved: BTreeMap<Gateway, Ipv4Addr>,
    /// Where the host publishes the east-west gateway of a cluster without a load balancer: an address of the host, and a port that is also
    /// the node port.
    #[serde(default)]
    pub published_gateway: Option<SocketAddrV4>,
    /// Gateways whose addresses the cluster's own load balancer gives, so that they are known once the lab is up: then they are in `addresses` too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub awaited: BTreeSet<Gateway>,
    /// How it is reached and what was found in it, if somebody else has installed the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// How it is reached, if lab did not make it and the mesh is lab's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought: Option<Brought>,
}

impl LabCluster {
    /// Name of the container of the cluster's control-plane node, as kind gives it. Docker's DNS serves it.
    #[must_use]
    pub fn control_plane_node(&self) -> String {
        Cluster::control_plane_node(&self.kind_name)
    }

    /// Names of the containers of its nodes, as kind gives them: the control plane, then the workers.
    pub fn nodes(&self) -> impl Iterator<Item = String> {
        Cluster::node_names(&self.kind_name, self.workers)
    }

    /// The name in Kubernetes of the node that runs in a container of that name.
    #[must_use]
    pub fn node_name(&self, container: &str) -> String {
        let copied = self.copy_of.as_ref().zip(container.strip_prefix(&self.kind_name));
        copied.map_or_else(|| container.to_owned(), |(of, rest)| format!("{of}{rest}"))
    }

    /// The addresses of its pool that are for gateways alone, those that it has and those that it may get.
    pub fn kept_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.values().chain(self.reserved.values()).copied()
    }

    /// Where other networks reach its east-west gateway, if it has one.
    #[must_use]
    pub fn east_west_endpoint(&self) -> Option<SocketAddrV4> {
        let balanced = self.addresses.get(&Gateway::EastWestGateway).map(|a| SocketAddrV4::new(*a, EAST_WEST_PORT));
        balanced.or(self.published_gateway)
    }

    /// Where clusters without an istiod of their own reach the one that runs here: its own address, or that of the east-west gateway, which the host
    /// may publish.
    #[must_use]
    pub fn istiod_for_others(&self) -> Option<Ipv4Addr> {
        let own = self.addresses.get(&Gateway::Istiod);
        let balanced = own.or_else(|| self.addresses.get(&Gateway::EastWestGateway)).copied();
        balanced.or_else(|| self.published_gateway.map(|at| *at.ip()))
    }

    /// Whether it runs a control plane: its own, or the mesh's external one.
    #[must_use]
    pub fn runs_istiod(&self) -> bool {
        self.primary == self.name
    }

    /// The API server as pods of every cluster of the lab reach it. A name, because addresses are dealt out anew when nodes restart.
    #[must_use]
    pub fn api_server(&self) -> String {
        if let Some(brought) = &self.brought {
            return brought.server_in_words();
        }
        format!("https://{}:6443", self.node_name(&self.control_plane_node()))
    }
}

impl Lab {
    /// The cluster of that name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&LabCluster> {
        self.clusters.iter().find(|c| c.name == name)
    }

    /// What its clusters run, each combination once.
    #[must_use]
    pub fn versions(&self) -> BTreeSet<Versions> {
        let all = self.clusters.iter().map(|c| (c.versions, &c.beside));
        all.flat_map(|(own, beside)| {
            let other = beside.as_ref().map(|beside| Versions { istio: beside.istio, ..own });
            std::iter::once(own).chain(other)
        })
        .collect()
    }

    /// Whether somebody else has installed the mesh, in clusters that lab did not make: then lab looks, and changes nothing.
    #[must_use]
    pub fn is_existing(&self) -> bool {
        self.mesh.existing
    }

    /// What mends something: lab applies what it has made, as `what` says, and what others have made they must mend themselves.
    #[must_use]
    pub fn mended(&self, what: &str, by_hand: impl FnOnce() -> String) -> String {
        if self.is_existing() { by_hand() } else { format!("lab up {} ({what})", self.name) }
    }

    /// Whether its addresses are of two families.
    #[must_use]
    pub fn is_dual(&self) -> bool {
        self.docker_network.ipv6_subnet.is_some()
    }

    /// Whether a cluster only hosts the external control plane, outside the mesh.
    #[must_use]
    pub fn is_host(&self, cluster: &LabCluster) -> bool {
        self.mesh.topology == Topology::External && cluster.runs_istiod() && !self.is_manager(cluster)
    }

    /// Whether there is a mesh at all.
    #[must_use]
    pub fn has_mesh(&self) -> bool {
        self.mesh.topology != Topology::None
    }

    /// The mesh with its topology, in words.
    #[must_use]
    pub fn mesh_in_words(&self) -> String {
        if !self.has_mesh() {
            return "no mesh".to_owned();
        }
        let topology = serde_json::to_value(self.mesh.topology).ok();
        let topology = topology.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let s = if self.meshes().len() > 1 { "es" } else { "" };
        format!("mesh{s} {}, {topology}", self.meshes_in_words())
    }

    /// Whether a cluster runs Karmada, outside the mesh.
    #[must_use]
    pub fn is_manager(&self, cluster: &LabCluster) -> bool {
        self.federation.as_ref().is_some_and(|f| f.manager == cluster.name)
    }

    /// Whether Istio is installed in a cluster: in those of the mesh, and in the one that only hosts its external control plane.
    #[must_use]
    pub fn has_istio(&self, cluster: &LabCluster) -> bool {
        self.has_mesh() && !self.is_manager(cluster)
    }

    /// The clusters that Istio is installed in.
    pub fn istio_clusters(&self) -> impl Iterator<Item = &LabCluster> + Clone {
        self.clusters.iter().filter(|c| self.has_istio(c))
    }

    /// The clusters of the mesh, or without one those that apps run in: all but the one that only hosts the external control plane, and the one
    /// that runs Karmada.
    pub fn data_clusters(&self) -> impl Iterator<Item = &LabCluster> + Clone {
        self.clusters.iter().filter(|c| !self.is_host(c) && !self.is_manager(c))
    }

    /// Who controls a cluster, in words: the cluster with its istiod, and what it is to the federation.
    #[must_use]
    pub fn controlled_by(&self, cluster: &LabCluster) -> String {
        if self.is_manager(cluster) {
            return "manages the federation".to_owned();
        }
        let beside =
            cluster.with_other().map(|other| format!(" by {}, with {} beside it", cluster.istiod(), other.istiod()));
        let istiod = self.has_mesh().then(|| format!("{}{}", cluster.primary, beside.unwrap_or_default()));
        let member = self.federation.as_ref().and_then(|f| f.member(&cluster.name));
        let member = member.map(|m| format!("member by {}", m.mode.as_str()));
        let both: Vec<String> = istiod.into_iter().chain(member).collect();
        if both.is_empty() { "none".to_owned() } else { both.join(", ") }
    }

    /// What a cluster is to the mesh, if it is anything.
    #[must_use]
    pub fn role_in_mesh(&self, cluster: &LabCluster) -> Option<String> {
        self.has_istio(cluster).then(|| match (self.is_host(cluster), cluster.runs_istiod()) {
            (true, _) => "hosts istiod".to_owned(),
            (_, true) => "primary".to_owned(),
            _ if self.is_host(self.control_plane(cluster)) && self.is_config_cluster(cluster) => {
                "config cluster".to_owned()
            }
            _ => format!("remote of {}", cluster.primary),
        })
    }

    /// The cluster whose istiod serves `cluster`: its primary, the host of the external control plane, or itself.
    #[must_use]
    pub fn control_plane<'a>(&'a self, cluster: &'a LabCluster) -> &'a LabCluster {
        self.cluster(&cluster.primary).unwrap_or(cluster)
    }

    /// The cluster from which that istiod reads Istio's configuration, and whose name it has as its own: with an external control plane
    /// the first cluster of the mesh, otherwise the cluster that it runs in.
    #[must_use]
    pub fn config_cluster<'a>(&'a self, cluster: &'a LabCluster) -> &'a LabCluster {
        let host = self.control_plane(cluster);
        if self.is_host(host) { self.data_clusters().next().unwrap_or(host) } else { host }
    }

    /// Whether Istio's configuration in this cluster is read by anybody.
    #[must_use]
    pub fn is_config_cluster(&self, cluster: &LabCluster) -> bool {
        self.config_cluster(cluster).name == cluster.name
    }

    /// Whether the clusters of the mesh lie on more than one network, so that gateways are needed between them.
    #[must_use]
    pub fn is_multi_network(&self) -> bool {
        let mut data = self.data_clusters();
        data.next().is_some_and(|first| data.any(|c| c.network != first.network))
    }

    /// Whether the cluster's istiod is that of other clusters too.
    #[must_use]
    pub fn serves_others(&self, cluster: &LabCluster) -> bool {
        cluster.runs_istiod() && self.clusters.iter().any(|c| c.primary == cluster.name && c.name != cluster.name)
    }

    /// Whether remote clusters reach the cluster's istiod through its east-west gateway, rather than at an address of its own.
    #[must_use]
    pub fn exposes_istiod(&self, cluster: &LabCluster) -> bool {
        self.serves_others(cluster) && !self.is_host(cluster) && !cluster.addresses.contains_key(&Gateway::Istiod)
    }

    /// The ports that the host publishes for a cluster, each with the node port behind it: that of its east-west gateway and, where remote clusters
    /// reach its istiod through that, the two that they ask for by number.
    #[must_use]
    pub fn published_ports(&self, cluster: &LabCluster) -> Vec<(u16, u16)> {
        let Some(gateway) = cluster.published_gateway else { return Vec::new() };
        let istiod = self.exposes_istiod(cluster).then_some(ISTIOD_NODE_PORTS);
        std::iter::once((gateway.port(), gateway.port())).chain(istiod.into_iter().flatten()).collect()
    }

    /// Whether something is set up in the cluster for calls from outside: its own ingress gateway, or the routes of another one whose
    /// configuration is read from here.
    #[must_use]
    pub fn is_entered(&self, cluster: &LabCluster) -> bool {
        let is_of = |c: &LabCluster| c.name == cluster.name || self.config_cluster(c).name == cluster.name;
        self.data_clusters().any(|c| is_of(c) && c.addresses.contains_key(&Gateway::IngressGateway))
    }

    /// The other clusters of the mesh on the network of `cluster`: their pods reach each other by address.
    pub fn network_peers<'a>(&'a self, cluster: &'a LabCluster) -> impl Iterator<Item = &'a LabCluster> {
        self.data_clusters()
            .filter(|c| c.name != cluster.name && c.network == cluster.network && !self.is_host(cluster))
    }

    /// All that belongs to the lab or to this machine, by address or by name: no proxy leads there.
    #[must_use]
    pub fn own_hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> =
            ["localhost", "127.0.0.0/8", "::1", ".svc", ".cluster.local"].map(str::to_owned).into();
        hosts.push(self.docker_network.subnet.to_string());
        hosts.extend(self.docker_network.ipv6_subnet.map(|subnet| subnet.to_string()));
        hosts.extend(self.docker_network.api_server_address.map(|a| a.to_string()));
        for cluster in &self.clusters {
            hosts.extend([cluster.pod_subnet.to_string(), cluster.service_subnet.to_string()]);
            hosts.extend(cluster.ipv6.iter().flat_map(|v6| [v6.pod_subnet, v6.service_subnet]).map(|s| s.to_string()));
            hosts.extend(cluster.nodes().chain(cluster.nodes().map(|node| cluster.node_name(&node))));
        }
        let mut known = BTreeSet::new();
        hosts.retain(|host| known.insert(host.clone()));
        hosts
    }

    /// The kubeconfig context of a cluster, as `lab kubeconfig` names it.
    #[must_use]
    pub fn context(&self, cluster: &LabCluster) -> String {
        format!("lab-{}-{}", self.name, cluster.name)
    }
}
