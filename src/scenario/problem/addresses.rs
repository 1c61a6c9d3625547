//! Problems with addresses.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use miette::Diagnostic;
use thiserror::Error;

use crate::scenario::AddressRange;

/// Addresses that cannot be used. `what` names the setting as the file has it, with its value.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum AddressProblem {
    /// A lab of IPv6 alone.
    #[error(
        "there is no lab of IPv6 alone: its pods would not reach Docker's name server, which listens at an IPv4 address, and find no other node by name"
    )]
    #[diagnostic(help(
        "write `ipFamily: dual`: every node, pod, service and gateway then has an IPv6 address as well, and calls are checked over each"
    ))]
    Ipv6Alone,
    /// Something of the scenario that is not known to work with two families.
    #[error("{what} does not go with `ipFamily: dual`: {reason}")]
    #[diagnostic(help("leave `ipFamily` out, or {instead}"))]
    NotDual {
        /// The setting.
        what: &'static str,
        /// Why.
        reason: &'static str,
        /// What else to do.
        instead: &'static str,
    },
    /// Not an address, subnet or range at all.
    #[error("{what} is not {expected}")]
    Malformed {
        /// The setting.
        what: String,
        /// What it should be.
        expected: &'static str,
        /// How it is written.
        #[help]
        help: String,
    },
    /// An address that no machine has.
    #[error("no machine has the address {address}, so no API server is reached there")]
    #[diagnostic(help("write one that the engine's machine has and that is reached from here, such as 172.17.0.1"))]
    NoMachine {
        /// The address.
        address: Ipv4Addr,
    },
    /// Host bits in a CIDR.
    #[error("{what} has host bits set: it is an address inside a subnet, not a subnet")]
    #[diagnostic(help("write {corrected}"))]
    HostBits {
        /// The setting.
        what: String,
        /// The subnet that contains it.
        corrected: Ipv4Net,
    },
    /// IPv6.
    #[error("{what} is IPv6, and the IPv6 addresses of a lab are chosen by lab itself")]
    #[diagnostic(help("write {instead}"))]
    Ipv6 {
        /// The setting.
        what: String,
        /// An IPv4 example.
        instead: &'static str,
    },
    /// Loopback, link-local, multicast.
    #[error("{what} overlaps {reserved}, which is reserved for {purpose}")]
    #[diagnostic(help("choose a private subnet out of 10.0.0.0/8 or 172.16.0.0/12"))]
    Reserved {
        /// The setting.
        what: String,
        /// The reserved subnet.
        reserved: Ipv4Net,
        /// What for.
        purpose: &'static str,
    },
    /// Addresses of somebody on the internet.
    #[error("{what} is not private: the machine and the pods would no longer reach whoever has such an address")]
    #[diagnostic(help("choose it out of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or 198.18.0.0/15"))]
    Public {
        /// The setting.
        what: String,
    },
    /// A prefix length that Kubernetes or the address plan refuses.
    #[error("{what} is too {size}: {reason}")]
    #[diagnostic(help("{remedy}"))]
    Size {
        /// The setting.
        what: String,
        /// `small` or `large`.
        size: &'static str,
        /// Why.
        reason: String,
        /// What to write.
        remedy: String,
    },
    /// Two settings that must be apart.
    #[error("{what} overlaps {other}")]
    #[diagnostic(help("{remedy}"))]
    Overlap {
        /// The later of both.
        what: String,
        /// The earlier.
        other: String,
        /// Why that cannot be, and what to write.
        remedy: &'static str,
    },
    /// The last address of a range before its first.
    #[error("{what} ends before it begins")]
    #[diagnostic(help("write the lower address first: {corrected}"))]
    Reversed {
        /// The setting.
        what: String,
        /// The other way round.
        corrected: AddressRange,
    },
    /// A pool where the nodes cannot reach it.
    #[error("{what} is not inside the Docker network {subnet}")]
    #[diagnostic(help("pools in {subnet} may lie from {} to {}", space.first, space.last))]
    OutsideNetwork {
        /// The setting.
        what: String,
        /// The network.
        subnet: Ipv4Net,
        /// Where pools may be.
        space: AddressRange,
    },
    /// A pool on addresses that something else has.
    #[error("{what} contains {taken}")]
    #[diagnostic(help("pools in {subnet} may lie from {} to {}", space.first, space.last))]
    Taken {
        /// The setting.
        what: String,
        /// What it contains.
        taken: String,
        /// The network.
        subnet: Ipv4Net,
        /// Where pools may be.
        space: AddressRange,
    },
    /// Pools too far apart to derive one Docker network.
    #[error("{what} is outside {subnet}, the Docker network that follows from the first pool")]
    #[diagnostic(help(
        "put all pools into one /16, or name a network that holds them all: `dockerNetwork: {{ subnet: ... }}`"
    ))]
    PoolsApart {
        /// The setting.
        what: String,
        /// The /16 of the first.
        subnet: Ipv4Net,
    },
    /// A fixed address that the pool cannot give.
    #[error("{what} is not in the cluster's pool {pool}")]
    #[diagnostic(help("choose an address from the pool, or leave it out to get {}", pool.first))]
    OutsidePool {
        /// The setting.
        what: String,
        /// The pool.
        pool: AddressRange,
    },
    /// One address given to two gateways.
    #[error("{what} is already the address of cluster `{other}`")]
    #[diagnostic(help("give each gateway an address of its own, or leave {address} out in one of them"))]
    Duplicate {
        /// The setting.
        what: String,
        /// The address.
        address: Ipv4Addr,
        /// The cluster that has it.
        other: String,
    },
}
