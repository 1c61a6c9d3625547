//! The IPv6 addresses of a lab of two families: each has a twin among the IPv4 ones, or follows from a cluster's position. Pure.
//!
//! | what | addresses |
//! |---|---|
//! | the lab | a /48 of unique local addresses (RFC 4193) whose global ID is a hash of the lab's name |
//! | Docker subnet | its first /64; the gateway is its first address, and nodes are in its first /112 |
//! | pool, gateways | the Docker subnet with the IPv4 address as its last 32 bits: none of them is in the first /112 |
//! | pods | a /56 a cluster: `:100::` for the first, `:200::` for the second, so that each node has a /64 |
//! | services | a /112 a cluster: `:1::` for the first, `:2::` for the second |

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::Ipv6Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DockerNetwork, LabCluster};

/// The part of the Docker subnet that Docker deals node addresses from.
const NODES: u8 = 112;

/// The IPv6 subnets of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterIpv6 {
    /// Addresses of its pods.
    #[schemars(with = "String")]
    pub pod_subnet: Ipv6Net,
    /// Addresses of its services.
    #[schemars(with = "String")]
    pub service_subnet: Ipv6Net,
}

/// The Docker subnet of a lab of that name.
pub(super) fn docker_subnet(lab: &str) -> Ipv6Net {
    Ipv6Net::new_assert(address(lab, 0), 64)
}

/// The subnets of the cluster at that position, counted from 0. A scenario has at most 20 clusters.
pub(super) fn cluster(lab: &str, position: usize) -> ClusterIpv6 {
    let turn = u16::try_from(position + 1).unwrap_or(u16::MAX) & 0xff;
    ClusterIpv6 {
        pod_subnet: Ipv6Net::new_assert(address(lab, turn << 8), 56),
        service_subnet: Ipv6Net::new_assert(address(lab, turn), 112),
    }
}

/// The first address of a /64 of a lab.
fn address(lab: &str, subnet: u16) -> Ipv6Addr {
    let id = Sha256::digest(lab);
    // The first byte of the hash chooses the IPv4 subnet.
    let pair = |n: usize| u16::from_be_bytes([id[n], id[n + 1]]);
    Ipv6Addr::new(0xfd00 | u16::from(id[1]), pair(2), pair(4), subnet, 0, 0, 0, 0)
}

impl DockerNetwork {
    /// The IPv6 twin of one of its IPv4 addresses; none in a lab of IPv4 alone.
    #[must_use]
    pub fn ipv6_of(&self, address: Ipv4Addr) -> Option<Ipv6Addr> {
        let subnet = self.ipv6_subnet?.network().to_bits();
        Some(Ipv6Addr::from_bits(subnet | u128::from(address.to_bits())))
    }

    /// An address as `MetalLB` takes it: with its twin, if there is one.
    #[must_use]
    pub fn with_twin(&self, address: Ipv4Addr) -> String {
        joined(&address, self.ipv6_of(address))
    }

    /// The IPv6 address of the bridge on the host.
    #[must_use]
    pub fn ipv6_gateway(&self) -> Option<Ipv6Addr> {
        self.ipv6_of(Ipv4Addr::from_bits(1))
    }

    /// Docker deals the IPv6 addresses of nodes from here only.
    #[must_use]
    pub fn ipv6_node_range(&self) -> Option<Ipv6Net> {
        Some(Ipv6Net::new_assert(self.ipv6_subnet?.network(), NODES))
    }
}

impl LabCluster {
    /// Where other networks reach its east-west gateway, at an address of each family.
    #[must_use]
    pub fn east_west_endpoints(&self, network: &DockerNetwork) -> Vec<SocketAddr> {
        let Some(first) = self.east_west_endpoint() else { return Vec::new() };
        let twin = network.ipv6_of(*first.ip()).map(|ip| SocketAddr::new(ip.into(), first.port()));
        std::iter::once(first.into()).chain(twin).collect()
    }

    /// The addresses of its pods, as kind takes them: of two families, with a comma between them.
    #[must_use]
    pub fn pod_subnets(&self) -> String {
        joined(&self.pod_subnet, self.ipv6.map(|v6| v6.pod_subnet))
    }

    /// The addresses of its services, likewise.
    #[must_use]
    pub fn service_subnets(&self) -> String {
        joined(&self.service_subnet, self.ipv6.map(|v6| v6.service_subnet))
    }
}

fn joined(v4: &impl ToString, v6: Option<impl ToString>) -> String {
    [Some(v4.to_string()), v6.map(|v6| v6.to_string())].into_iter().flatten().collect::<Vec<_>>().join(",")
}
