//! Decides every address that a scenario leaves out. Pure and deterministic: the same scenario gives the same lab on every machine.
//!
//! | left out | decided |
//! |---|---|
//! | Docker subnet | the /16 around the pools that the scenario fixes; without any, a /20 of 172.24.0.0/13 outside 172.30.0.0/16 by a hash of the lab's name |
//! | gateway, node range | see [`layout`] |
//! | pool | ten addresses: `.10-.19`, `.20-.29` and so on of the last /24; in a /24 or smaller, tens from the first after the node range |
//! | addresses of gateways | the first of the pool that none has, for the east-west gateway, then for the ingress gateway; in a pool of ten or more, for one that the cluster has not yet as well |
//! | published gateway | without a load balancer: the network's gateway address, port 31443 for the first cluster, and so on |
//! | pod subnet | 10.101.0.0/16 for the first cluster, 10.102.0.0/16 for the second and so on |
//! | service subnet | 10.201.0.0/16 for the first cluster, and so on |
//!
//! IPv6 addresses of a lab of two families are in [`ipv6`](super::ipv6).
//!
//! What the scenario fixes is stepped over. A cluster's turn begins at its own position, so one more cluster at the end that fixes
//! nothing changes nothing for those before it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use miette::Diagnostic;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Brought, DockerNetwork, Lab, LabCluster, conflicts, found, gateways, ipv6, names};
use crate::scenario::layout::{self, POOL_SIZE};
use crate::scenario::{AddressRange, Cluster, IpFamily, Scenario, Topology};

/// Left to scenarios that fix their addresses, as the reference scenario does, so that they do not meet those that do not.
pub(super) const FOR_FIXED: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(172, 30, 0, 0), 16);

/// Why a valid scenario has no lab.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum ResolveError {
    /// Fixed pools in more than one /16, and no Docker subnet given.
    #[error("the load-balancer pools do not lie in one /16, so the Docker network cannot be derived from them")]
    #[diagnostic(help("say which network holds them all: `dockerNetwork: {{ subnet: ... }}`"))]
    PoolsApart,
    /// No Docker subnet of the derived range is apart from the pod and service subnets.
    #[error("the pod and service subnets leave no Docker network in 172.24.0.0/13")]
    #[diagnostic(help("choose one: `dockerNetwork: {{ subnet: ... }}`"))]
    NoDockerSubnet,
    /// The Docker network is full.
    #[error("the Docker network {subnet} has no ten addresses left for the pool of cluster `{cluster}`")]
    #[diagnostic(help("choose a larger network, such as a /20, or fix smaller pools"))]
    NoPool {
        /// The Docker network.
        subnet: Ipv4Net,
        /// The cluster without a pool.
        cluster: String,
    },
    /// API servers would be published at an address of the lab's own.
    #[error("dockerNetwork.apiServerAddress {address} lies in {subnet}, which is the lab's own")]
    #[diagnostic(help(
        "name an address of the machine that the engine runs on: `docker network inspect bridge` shows one"
    ))]
    ApiServerAddress {
        /// The address.
        address: Ipv4Addr,
        /// A subnet of the lab.
        subnet: Ipv4Net,
    },
    /// A pool has fewer addresses than its cluster has gateways.
    #[error("the pool {pool} of cluster `{cluster}` has no address left for its {gateway}")]
    #[diagnostic(help("make the pool larger, or leave it out"))]
    PoolFull {
        /// The pool.
        pool: AddressRange,
        /// The cluster.
        cluster: String,
        /// Which gateway.
        gateway: &'static str,
    },
    /// A Service of the scenario asks for an address that the scenario fixes for a gateway.
    #[error("{object} asks for {address}, which is fixed for the {gateway} of cluster `{cluster}`")]
    #[diagnostic(help("give one of them another address of the pool"))]
    Asked {
        /// The Service.
        object: String,
        /// The address.
        address: Ipv4Addr,
        /// The cluster.
        cluster: String,
        /// Which gateway.
        gateway: &'static str,
    },
    /// Fixed subnets are so large that none is left.
    #[error("no {what} subnet is left for cluster `{cluster}`")]
    #[diagnostic(help(
        "the subnets that the scenario fixes take all that lab chooses from: fix this one as well, or smaller ones"
    ))]
    NoSubnet {
        /// `pod` or `service`.
        what: &'static str,
        /// The cluster.
        cluster: String,
    },
    /// The scenario and lab itself set a field of one object to different values.
    #[error("{place}: {object} is lab's own in cluster `{cluster}`, and lab {what}")]
    #[diagnostic(help("take that out of the manifest; other fields of the object are merged with lab's own"))]
    NotOurs {
        /// `FILE:LINE`.
        place: String,
        /// Kind, namespace and name.
        object: String,
        /// The cluster.
        cluster: String,
        /// What lab does to it, as "sets metadata.labels to another value".
        what: String,
    },
    /// A host name that is too long.
    #[error("node name `{node}` has {length} characters, and a host name has at most 63")]
    #[diagnostic(help("shorten the lab's or the cluster's name"))]
    NodeName {
        /// The name.
        node: String,
        /// Its length.
        length: usize,
    },
}

/// Decides what the scenario leaves out.
///
/// # Errors
///
/// When what the scenario fixes leaves no room for what it leaves out.
pub fn resolve(scenario: &Scenario) -> Result<Lab, ResolveError> {
    let subnet = docker_subnet(scenario)?;
    let is_dual = scenario.ip_family == IpFamily::Dual;
    let pools = pools(subnet, scenario)?;
    let pods = pod_subnets(subnet, &scenario.clusters)?;
    let services = service_subnets(subnet, &pods, &scenario.clusters)?;
    let clusters: Vec<LabCluster> = scenario
        .clusters
        .iter()
        .enumerate()
        .zip(pools.into_iter().zip(pods.into_iter().zip(services)))
        .map(|((position, cluster), (pool, (pod_subnet, service_subnet)))| {
            Ok(LabCluster {
                name: cluster.name.clone(),
                kind_name: names::kind_cluster(&scenario.name, &cluster.name)?,
                copy_of: None,
                network: cluster.network.clone().unwrap_or_else(|| Cluster::default_network(&cluster.name)),
                primary: cluster.primary.clone(),
                mesh: cluster.mesh.clone(),
                pod_subnet,
                service_subnet,
                ipv6: is_dual.then(|| ipv6::cluster(&scenario.name, position)),
                workers: cluster.workers,
                zones: cluster.zones.clone(),
                locality: cluster.locality.clone(),
                versions: scenario.versions_of(cluster),
                revision: None,
                beside: None,
                is_other: false,
                pool,
                addresses: cluster.addresses.clone(),
                reserved: BTreeMap::new(),
                published_gateway: None,
                awaited: BTreeSet::new(),
                existing: None,
                brought: cluster.existing.as_ref().filter(|_| scenario.is_brought()).map(Brought::of),
            })
        })
        .collect::<Result<_, _>>()?;
    let mut lab = Lab {
        name: scenario.name.clone(),
        mesh: scenario.mesh.clone(),
        docker_network: DockerNetwork {
            name: names::docker_network(&scenario.name),
            subnet,
            gateway: layout::gateway(subnet),
            node_range: layout::node_range(subnet),
            ipv6_subnet: is_dual.then(|| ipv6::docker_subnet(&scenario.name)),
            api_server_address: scenario.api_server_address,
            mtu: scenario.mtu,
        },
        images: scenario.images.clone(),
        clusters,
        apps: scenario.apps.clone(),
        federation: scenario.federation.clone(),
        checks: scenario.checks.clone(),
        faults: scenario.faults.clone(),
    };
    // The bridge's own address is the machine's as well.
    if let Some(address) = lab.docker_network.api_server_address.filter(|a| *a != lab.docker_network.gateway) {
        let of_clusters = lab.clusters.iter().flat_map(|c| [c.pod_subnet, c.service_subnet]);
        let mut own = of_clusters.chain([lab.docker_network.subnet]);
        if let Some(subnet) = own.find(|subnet| subnet.contains(&address)) {
            return Err(ResolveError::ApiServerAddress { address, subnet });
        }
    }
    gateways::assign(&mut lab)?;
    conflicts::refuse(&lab)?;
    for (cluster, said) in lab.clusters.iter_mut().zip(&scenario.clusters) {
        if let Some(existing) = said.existing.as_ref().filter(|_| scenario.mesh.existing) {
            found::place(cluster, existing);
        }
    }
    Ok(lab)
}

fn docker_subnet(scenario: &Scenario) -> Result<Ipv4Net, ResolveError> {
    if let Some(subnet) = scenario.docker_subnet {
        return Ok(subnet);
    }
    // Pools of clusters that lab did not make are on networks of theirs.
    let mut pools = scenario.clusters.iter().filter(|c| c.existing.is_none()).filter_map(Cluster::fixed_pool);
    if let Some(first) = pools.next() {
        let subnet = layout::subnet_around(first);
        let all = layout::within(first, subnet) && pools.all(|p| layout::within(p, subnet));
        return if all { Ok(subnet) } else { Err(ResolveError::PoolsApart) };
    }
    let taken: Vec<Ipv4Net> =
        scenario.clusters.iter().flat_map(|c| c.pod_subnet.into_iter().chain(c.service_subnet)).collect();
    // Most of 128 subnets of 4096 addresses: labs side by side seldom meet, and each still has room for twenty clusters. A step of an odd
    // length comes by all of them.
    let start = u32::from(Sha256::digest(&scenario.name)[0]);
    (0..128)
        .map(|step| subnet_at(Ipv4Addr::new(172, 24, 0, 0), 20, (start + 37 * step) % 128))
        .filter(|subnet| !layout::overlap(FOR_FIXED, *subnet))
        .find(|subnet| taken.iter().all(|t| !layout::overlap(*t, *subnet)))
        .ok_or(ResolveError::NoDockerSubnet)
}

/// The pool of each cluster that has a load balancer.
fn pools(subnet: Ipv4Net, scenario: &Scenario) -> Result<Vec<Option<AddressRange>>, ResolveError> {
    let clusters = &scenario.clusters;
    let manager = scenario.federation.as_ref().map(|f| f.manager.as_str());
    // Outside a mesh nothing of lab's own asks for an address.
    let in_mesh = |c: &Cluster| scenario.mesh.topology != Topology::None && manager != Some(c.name.as_str());
    let mut taken: Vec<AddressRange> = clusters.iter().filter_map(Cluster::fixed_pool).collect();
    let candidates = PoolCandidates::of(subnet);
    clusters
        .iter()
        .enumerate()
        .map(|(i, cluster)| {
            if let Some(pool) = cluster.fixed_pool().filter(|_| cluster.load_balancer) {
                return Ok(Some(pool));
            }
            if !cluster.load_balancer || !in_mesh(cluster) || cluster.existing.is_some() {
                return Ok(None);
            }
            let free = candidates
                .starting_at(i)
                .find(|c| taken.iter().all(|t| !t.overlaps(c)))
                .ok_or_else(|| ResolveError::NoPool { subnet, cluster: cluster.name.clone() })?;
            taken.push(free);
            Ok(Some(free))
        })
        .collect()
}

/// The pools that lab chooses from, in order.
struct PoolCandidates {
    /// First address of the block of pools that is used first.
    base: u32,
    /// How many pools a block has.
    in_block: u32,
    /// How many blocks there are; each next one is the /24 below.
    blocks: u32,
}

impl PoolCandidates {
    fn of(subnet: Ipv4Net) -> Self {
        let Some(space) = layout::pool_space(subnet) else {
            return Self { base: 0, in_block: 0, blocks: 0 };
        };
        let (first, last) = (space.first.to_bits(), space.last.to_bits());
        if subnet.prefix_len() < 24 {
            // `.10` to `.249` of the last /24, so that pools are easy to tell apart by eye. More blocks than 256 are never needed.
            let last_24 = subnet.broadcast().to_bits() & !0xff;
            Self { base: last_24 + 10, in_block: 24, blocks: ((last_24 - first) / 256 + 1).min(256) }
        } else {
            Self { base: first, in_block: (last - first + 1) / POOL_SIZE, blocks: 1 }
        }
    }

    /// All candidates, from that one on and around.
    fn starting_at(&self, position: usize) -> impl Iterator<Item = AddressRange> + '_ {
        let count = self.in_block * self.blocks;
        let start = u32::try_from(position).unwrap_or(0);
        (0..count).map(move |step| {
            let n = (start + step) % count;
            let first = self.base - (n / self.in_block) * 256 + (n % self.in_block) * POOL_SIZE;
            AddressRange { first: Ipv4Addr::from_bits(first), last: Ipv4Addr::from_bits(first + POOL_SIZE - 1) }
        })
    }
}

/// Pod subnets, each apart from every other subnet of the lab.
fn pod_subnets(docker: Ipv4Net, clusters: &[Cluster]) -> Result<Vec<Ipv4Net>, ResolveError> {
    let fixed = clusters.iter().flat_map(|c| c.pod_subnet.into_iter().chain(c.service_subnet));
    let taken: Vec<Ipv4Net> = fixed.chain([docker]).collect();
    // 10.101 to 10.200; should a fixed subnet cover all of 10.0.0.0/8, carrier-grade NAT's 100.64.0.0/10 is as private.
    let candidates: Vec<Ipv4Net> = sixteens(10, 101..201).chain(sixteens(100, 64..96)).collect();
    choose("pod", clusters, |c| c.pod_subnet, &candidates, taken)
}

/// Service subnets, each apart from every other subnet of the lab.
fn service_subnets(docker: Ipv4Net, pods: &[Ipv4Net], clusters: &[Cluster]) -> Result<Vec<Ipv4Net>, ResolveError> {
    let fixed = clusters.iter().filter_map(|c| c.service_subnet);
    let taken: Vec<Ipv4Net> = fixed.chain([docker]).chain(pods.iter().copied()).collect();
    let candidates: Vec<Ipv4Net> = sixteens(10, 201..256).chain(sixteens(100, 96..128)).collect();
    choose("service", clusters, |c| c.service_subnet, &candidates, taken)
}

/// For each cluster what it fixes, or the first candidate from its own position on that nothing has taken.
fn choose(
    what: &'static str,
    clusters: &[Cluster],
    fixed: impl Fn(&Cluster) -> Option<Ipv4Net>,
    candidates: &[Ipv4Net],
    mut taken: Vec<Ipv4Net>,
) -> Result<Vec<Ipv4Net>, ResolveError> {
    clusters
        .iter()
        .enumerate()
        .map(|(i, cluster)| {
            if let Some(subnet) = fixed(cluster) {
                return Ok(subnet);
            }
            let free = candidates
                .iter()
                .cycle()
                .skip(i % candidates.len())
                .take(candidates.len())
                .copied()
                .find(|c| taken.iter().all(|t| !layout::overlap(*t, *c)))
                .ok_or_else(|| ResolveError::NoSubnet { what, cluster: cluster.name.clone() })?;
            taken.push(free);
            Ok(free)
        })
        .collect()
}

/// The /16 subnets of one first number and a range of second ones.
fn sixteens(first: u8, second: std::ops::Range<u32>) -> impl Iterator<Item = Ipv4Net> {
    second.map(move |n| subnet_at(Ipv4Addr::new(first, 0, 0, 0), 16, n))
}

/// The nth subnet of that prefix length, counted from an address.
fn subnet_at(base: Ipv4Addr, prefix: u8, n: u32) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_bits(base.to_bits() + (n << (32 - prefix))), prefix)
}
