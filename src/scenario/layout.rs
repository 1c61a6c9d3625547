//! How a lab's Docker network is divided. `scenario` refuses what does not fit, `plan` allocates by the same rules.
//!
//! The first address is the bridge's on the host. Docker deals out node addresses from the first /24, or from the first half of a
//! network that is a /24 or smaller. Everything after that, without the broadcast address, is for load-balancer pools. So no pool
//! can ever meet a node, whatever order nodes start in.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::AddressRange;

/// Addresses in a pool that lab chooses.
pub const POOL_SIZE: u32 = 10;

/// Address of the bridge on the host: the first of the subnet after the network address.
#[must_use]
pub fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from_bits(subnet.network().to_bits().saturating_add(1))
}

/// Where Docker deals out the addresses of nodes.
#[must_use]
pub fn node_range(subnet: Ipv4Net) -> Ipv4Net {
    let prefix = if subnet.prefix_len() < 24 { 24 } else { (subnet.prefix_len() + 1).min(32) };
    Ipv4Net::new_assert(subnet.network(), prefix)
}

/// How many nodes the node range has addresses for; the network and the gateway have one each.
#[must_use]
pub fn node_capacity(subnet: Ipv4Net) -> u64 {
    (1_u64 << (32 - node_range(subnet).prefix_len())).saturating_sub(2)
}

/// Where pools may be: after the node range, before the broadcast address. `None` when the subnet is too small for any.
#[must_use]
pub fn pool_space(subnet: Ipv4Net) -> Option<AddressRange> {
    let first = node_range(subnet).broadcast().to_bits().checked_add(1)?;
    let last = subnet.broadcast().to_bits().checked_sub(1)?;
    (first <= last).then(|| AddressRange { first: Ipv4Addr::from_bits(first), last: Ipv4Addr::from_bits(last) })
}

/// The Docker subnet that a given pool implies when the scenario names none: the /16 around it.
#[must_use]
pub fn subnet_around(pool: AddressRange) -> Ipv4Net {
    Ipv4Net::new_assert(pool.first, 16).trunc()
}

/// Whether a range lies in a subnet.
#[must_use]
pub fn within(range: AddressRange, subnet: Ipv4Net) -> bool {
    subnet.contains(&range.first) && subnet.contains(&range.last)
}

/// Whether two subnets share an address.
#[must_use]
pub fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}
