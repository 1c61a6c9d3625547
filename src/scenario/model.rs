//! What a valid scenario says. Fields that may be left out are `Option` here; `plan` decides them.

mod app;
mod authority;
mod existing;
mod ingress;
mod ip_family;

pub use app::{App, GATEWAY_API, Manifests, Places, version_in};
pub(in crate::scenario) use app::{is_known, pod_of};
pub use authority::{Authority, OwnIntermediate, Pem, PemFile};
mod federation;
pub use ip_family::IpFamily;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use existing::{Existing, FoundGateway};
pub use federation::{Federation, FederationFailover, Member, MemberMode};
pub use ingress::IngressGateways;

use super::check::Check;
use super::fault::Fault;
use super::problem::VersionProblem;
use super::versions::Versions;

/// A scenario file after validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Name of the lab.
    pub name: String,
    /// The mesh.
    pub mesh: Mesh,
    /// Which addresses it has.
    pub ip_family: IpFamily,
    /// Subnet of the lab's Docker network.
    pub docker_subnet: Option<Ipv4Net>,
    /// Where the engine publishes API servers; its loopback when the file does not say.
    pub api_server_address: Option<std::net::Ipv4Addr>,
    /// Most bytes of a packet on that network; by default what fits the machine.
    pub mtu: Option<u16>,
    /// Where images come from.
    pub images: ImageSettings,
    /// What all clusters run that do not say otherwise.
    pub versions: Versions,
    /// The clusters, at least one.
    pub clusters: Vec<Cluster>,
    /// The apps; helloworld and sleep when the file names none.
    pub apps: Vec<App>,
    /// Karmada over some of the clusters, if the file asks for it.
    pub federation: Option<Federation>,
    /// The checks; a rotation over helloworld when the file names none.
    pub checks: Vec<Check>,
    /// What breaks for a while when all checks have passed, one after the other.
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// Whether the mesh is lab's own, in clusters that it did not make.
    #[must_use]
    pub fn is_brought(&self) -> bool {
        !self.mesh.existing && self.clusters.iter().any(|cluster| cluster.existing.is_some())
    }

    /// The clusters of the mesh, or without one those that apps run in: all but the one that only hosts the external control plane, and the one
    /// that runs Karmada.
    pub fn data_clusters(&self) -> impl Iterator<Item = &Cluster> {
        let manages = |c: &Cluster| self.federation.as_ref().is_some_and(|f| f.manager == c.name);
        let hosts = |c: &Cluster| self.mesh.topology == Topology::External && c.primary == c.name;
        self.clusters.iter().filter(move |c| !manages(c) && !hosts(c))
    }

    /// Has every cluster that does not say otherwise run other versions.
    ///
    /// # Errors
    /// There are no such versions, or they do not fit each other, by the same rules as in the file.
    pub fn run_versions(&mut self, versions: Versions) -> Result<(), VersionProblem> {
        self.versions = versions.or(self.versions);
        super::validate::versions_of(self)
    }

    /// What a cluster runs.
    #[must_use]
    pub fn versions_of(&self, cluster: &Cluster) -> Versions {
        let primary = self.clusters.iter().find(|c| c.name == cluster.primary).map(|c| c.versions);
        cluster.versions.of_cluster(primary.unwrap_or_default(), self.versions)
    }

    /// Gives the lab another name.
    ///
    /// # Errors
    /// What is wrong with the name, by the same rule as for a name in the file.
    pub fn rename(&mut self, name: &str) -> Result<(), String> {
        if !super::validate::is_lab_name(name) {
            return Err("a lab's name is a DNS label of at most 30 characters".to_owned());
        }
        name.clone_into(&mut self.name);
        Ok(())
    }
}

/// The mesh over all clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mesh {
    /// Istio's mesh ID, `mesh1` by default.
    pub id: String,
    /// Trust domain, `cluster.local` by default.
    pub trust_domain: String,
    /// Whether somebody else has installed it: then lab only looks at it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub existing: bool,
    /// Topology, multi-primary by default.
    pub topology: Topology,
    /// Whether networks and their gateways are listed in `meshNetworks`, rather than found by labels.
    #[serde(default)]
    pub mesh_networks: bool,
    /// Whether sidecars answer DNS queries, so that names resolve which only another cluster knows.
    #[serde(default)]
    pub dns_capture: bool,
    /// Whether proxies write a line for each call.
    #[serde(default)]
    pub access_logs: bool,
    /// Which clusters have an ingress gateway.
    #[serde(default)]
    pub ingress_gateway: IngressGateways,
    /// The certificate authority, if the scenario brings one; lab makes one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authority>,
    /// Istio Helm values merged over those that lab derives, as the user wrote them.
    pub values: serde_json::Value,
    /// Where they are written, as `FILE:LINE:COLUMN`; none in a lab that was stored.
    #[serde(skip)]
    pub values_at: Places,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How control planes and clusters relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// Every cluster runs istiod.
    #[default]
    MultiPrimary,
    /// Remote clusters use a primary cluster's istiod.
    PrimaryRemote,
    /// istiod runs in a cluster that is no part of the mesh, and reads its configuration from another, the config cluster.
    External,
    /// There is no mesh: `mesh: none`.
    None,
}

impl Topology {
    /// The cluster whose control plane `cluster` uses, when the file names `named` for it. Where no cluster of the file names any, it is
    /// the first one, unless every cluster has its own.
    #[must_use]
    pub fn primary<'a>(self, cluster: &'a str, named: Option<&'a str>, first: &'a str, any_named: bool) -> &'a str {
        match named {
            Some(named) => named,
            None if matches!(self, Self::MultiPrimary | Self::None) || any_named => cluster,
            None => first,
        }
    }
}

/// One kind cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Unique DNS label.
    pub name: String,
    /// Istio network; `network-NAME` by default.
    pub network: Option<String>,
    /// Whose control plane it uses, as [`Topology::primary`] decides it.
    pub primary: String,
    /// The mesh that it is in, where the file names one for each cluster.
    pub mesh: Option<String>,
    /// Pod CIDR.
    pub pod_subnet: Option<Ipv4Net>,
    /// Service CIDR.
    pub service_subnet: Option<Ipv4Net>,
    /// Worker nodes besides the control plane.
    pub workers: u8,
    /// The zone of each node, the control plane's first; empty where [`Self::locality`] says it of all.
    pub zones: Vec<String>,
    /// Region, zone, subzone of every node.
    pub locality: Option<Locality>,
    /// What it runs, as far as it differs from the lab.
    pub versions: Versions,
    /// Whether it has a load balancer. Without one its gateway is reached by a node port that the host publishes.
    pub load_balancer: bool,
    /// Addresses for load balancers; `None` is `auto`.
    pub pool: Option<AddressRange>,
    /// Fixed load-balancer addresses.
    pub addresses: BTreeMap<Gateway, Ipv4Addr>,
    /// How it is reached, if lab did not make it.
    pub existing: Option<Existing>,
}

/// What has a load-balancer address that a scenario may fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Gateway {
    /// Takes traffic from other networks.
    EastWestGateway,
    /// Takes traffic from outside the mesh.
    IngressGateway,
    /// A control plane that other clusters use, at an address of its own.
    Istiod,
}

impl Gateway {
    /// All of them, in the order in which a pool deals out addresses.
    pub const ALL: [Self; 3] = [Self::EastWestGateway, Self::IngressGateway, Self::Istiod];

    /// Its field under `loadBalancer.addresses`.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::EastWestGateway => "eastWestGateway",
            Self::IngressGateway => "ingressGateway",
            Self::Istiod => "istiod",
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::EastWestGateway => "east-west gateway",
            Self::IngressGateway => "ingress gateway",
            Self::Istiod => "istiod",
        }
    }
}

impl Cluster {
    /// The network of a cluster that names none: one of its own.
    #[must_use]
    pub fn default_network(cluster: &str) -> String {
        format!("network-{cluster}")
    }

    /// The pool that the scenario fixes, if it fixes any: the one given, or ten addresses from the lowest fixed address on.
    #[must_use]
    pub fn fixed_pool(&self) -> Option<AddressRange> {
        self.pool.or_else(|| self.addresses.values().min().copied().map(AddressRange::from_gateway))
    }

    /// Name of the kind cluster.
    #[must_use]
    pub fn kind_name(lab: &str, cluster: &str) -> String {
        format!("{lab}-{cluster}")
    }

    /// Names of the nodes of a kind cluster of that name: the control plane, then the workers.
    pub fn node_names(kind_name: &str, workers: u8) -> impl Iterator<Item = String> {
        let worker = move |n: u8| match n {
            1 => format!("{kind_name}-worker"),
            n => format!("{kind_name}-worker{n}"),
        };
        std::iter::once(Self::control_plane_node(kind_name)).chain((1..=workers).map(worker))
    }

    /// Name of the container of a kind cluster's control-plane node.
    #[must_use]
    pub fn control_plane_node(kind_name: &str) -> String {
        format!("{kind_name}-control-plane")
    }
}

/// Where a cluster's nodes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Locality {
    /// `topology.kubernetes.io/region`.
    pub region: String,
    /// `topology.kubernetes.io/zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `topology.istio.io/subzone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subzone: Option<String>,
}

/// Consecutive IPv4 addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressRange {
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address, not before the first.
    pub last: Ipv4Addr,
}

/// Where images come from, as far as a scenario may say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSettings {
    /// A registry (`HOST:PORT`) that nodes pull every image from instead of the image's own registry. Images are then not preloaded.
    pub mirror: Option<String>,
}

impl std::fmt::Display for AddressRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl AddressRange {
    /// The pool of a cluster that fixes an address and leaves the pool out: ten addresses from that one on.
    #[must_use]
    pub fn from_gateway(address: Ipv4Addr) -> Self {
        let last = address.to_bits().saturating_add(super::layout::POOL_SIZE - 1);
        Self { first: address, last: Ipv4Addr::from_bits(last) }
    }

    /// How many addresses it has.
    #[must_use]
    pub fn size(&self) -> u32 {
        (self.last.to_bits() - self.first.to_bits()).saturating_add(1)
    }

    /// Whether the address lies in the range.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// Whether two ranges share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}
