//! Another lab like one that there is: its clusters have other names and addresses in Docker, and within them everything is as it was. Pure.

use std::net::{Ipv4Addr, SocketAddrV4};

use ipnet::Ipv4Net;
use miette::Diagnostic;
use thiserror::Error;

use super::addresses::{FOR_FIXED, ResolveError};
use super::{Lab, LabCluster, names};
use crate::scenario::AddressRange;
use crate::scenario::layout::overlap;

/// Where Docker networks may be, the first first: those of private addresses (RFC 1918), beginning with the part that labs choose from.
const RANGES: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::new(172, 24, 0, 0), 13),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 13),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
];

/// Why a lab has no fork.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum ForkError {
    /// The name of one of its nodes would be too long.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] ResolveError),
    /// Its IPv6 addresses follow from its name, and its clusters hold them.
    #[error("lab {0} has IPv6 addresses, which follow from its name, and cannot have another")]
    #[diagnostic(help("build a second one: `lab up SCENARIO --name OTHER`"))]
    Dual(String),
    /// Karmada's certificates and its members' hold names of the lab.
    #[error("lab {0} has a federation, whose members are registered by their names, and cannot have another")]
    #[diagnostic(help("build a second one: `lab up SCENARIO --name OTHER`"))]
    Federation(String),
    /// Its scenario has an address of its Docker network.
    #[error("the scenario of lab {lab} has the address {address} in it, which a lab beside it cannot have")]
    #[diagnostic(help("leave it out of the scenario's manifests and checks, or restore the lab under its own name"))]
    Fixed {
        /// The lab.
        lab: String,
        /// The address.
        address: Ipv4Addr,
    },
    /// All private addresses are taken.
    #[error("no private subnet as large as {0} is free on this machine")]
    #[diagnostic(help("remove Docker networks that nobody needs: `docker network ls`, `lab list`"))]
    NoSubnet(Ipv4Net),
}

impl Lab {
    /// The lab of that name that has all that this one has, on a Docker network apart from those that are `taken`.
    ///
    /// # Errors
    /// It has something that cannot be had twice.
    pub fn fork(&self, name: &str, taken: &[Ipv4Net]) -> Result<Self, ForkError> {
        if self.is_dual() {
            return Err(ForkError::Dual(self.name.clone()));
        }
        if self.federation.is_some() {
            return Err(ForkError::Federation(self.name.clone()));
        }
        if let Some(address) = self.fixed_address() {
            return Err(ForkError::Fixed { lab: self.name.clone(), address });
        }
        let subnet = self.free_subnet(taken).ok_or(ForkError::NoSubnet(self.docker_network.subnet))?;
        let mut fork = self.clone();
        name.clone_into(&mut fork.name);
        let network = &mut fork.docker_network;
        network.name = names::docker_network(name);
        network.subnet = subnet;
        network.gateway = self.moved(network.gateway, subnet);
        network.node_range =
            Ipv4Net::new_assert(self.moved(network.node_range.network(), subnet), network.node_range.prefix_len());
        for cluster in &mut fork.clusters {
            self.move_cluster(cluster, name, subnet)?;
        }
        Ok(fork)
    }

    /// Where an address of the lab's Docker network is in a subnet as large; any other stays.
    #[must_use]
    pub fn moved(&self, address: Ipv4Addr, to: Ipv4Net) -> Ipv4Addr {
        let from = self.docker_network.subnet;
        if !from.contains(&address) {
            return address;
        }
        Ipv4Addr::from_bits(to.network().to_bits() | (address.to_bits() & from.hostmask().to_bits()))
    }

    fn move_cluster(&self, cluster: &mut LabCluster, name: &str, to: Ipv4Net) -> Result<(), ForkError> {
        let kind_name = names::kind_cluster(name, &cluster.name)?;
        let was = std::mem::replace(&mut cluster.kind_name, kind_name);
        cluster.copy_of.get_or_insert(was);
        cluster.pool = cluster
            .pool
            .map(|pool| AddressRange { first: self.moved(pool.first, to), last: self.moved(pool.last, to) });
        for address in cluster.addresses.values_mut().chain(cluster.reserved.values_mut()) {
            *address = self.moved(*address, to);
        }
        cluster.published_gateway =
            cluster.published_gateway.map(|at| SocketAddrV4::new(self.moved(*at.ip(), to), at.port()));
        Ok(())
    }

    /// An address of the Docker network that the scenario's own parts hold.
    fn fixed_address(&self) -> Option<Ipv4Addr> {
        // What cannot be written as JSON, which nothing here is, holds none.
        let text = serde_json::to_string(&(&self.apps, &self.checks, &self.mesh)).unwrap_or_default();
        let mut words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        words.find_map(|word| word.parse().ok().filter(|address| self.docker_network.subnet.contains(address)))
    }

    fn free_subnet(&self, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
        let own = self.clusters.iter().flat_map(|c| [c.pod_subnet, c.service_subnet]);
        let taken: Vec<Ipv4Net> =
            own.chain(taken.iter().copied()).chain([FOR_FIXED, self.docker_network.subnet]).collect();
        let size = self.docker_network.subnet.prefix_len();
        let mut all = RANGES.iter().filter_map(|range| range.subnets(size).ok()).flatten();
        all.find(|subnet| taken.iter().all(|t| !overlap(*t, *subnet)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::{Gateway, parse};

    fn lab() -> Lab {
        let text = "name: two\nclusters: [{ name: c1, nodes: { workers: 2 } }, { name: c2, network: other, loadBalancer: none }]\nmesh: { meshNetworks: true }\n";
        resolve(&parse(text, "lab.yaml").expect("valid")).expect("resolves")
    }

    #[test]
    fn a_fork_has_other_names_and_addresses_outside_and_the_same_inside() {
        let two = lab();
        let fork = two.fork("other", &[]).expect("a fork");
        assert_eq!((fork.name.as_str(), fork.docker_network.name.as_str()), ("other", "lab-other"));
        let (was, is) = (two.docker_network.subnet, fork.docker_network.subnet);
        assert!(!overlap(was, is) && was.prefix_len() == is.prefix_len(), "{was} and {is}");
        for (before, after) in two.clusters.iter().zip(&fork.clusters) {
            assert_eq!((before.pod_subnet, before.service_subnet), (after.pod_subnet, after.service_subnet));
            // Certificates and what clusters know of each other hold these.
            assert_eq!(after.api_server(), before.api_server());
            let containers: Vec<String> = after.nodes().collect();
            assert!(containers.iter().all(|node| node.starts_with("other-c")), "{containers:?}");
            let names: Vec<String> = containers.iter().map(|node| after.node_name(node)).collect();
            assert_eq!(names, before.nodes().collect::<Vec<_>>());
        }
        let gateway = |lab: &Lab| lab.clusters[0].addresses[&Gateway::EastWestGateway];
        assert!(was.contains(&gateway(&two)) && is.contains(&gateway(&fork)));
        assert_eq!(
            gateway(&two).to_bits() - was.network().to_bits(),
            gateway(&fork).to_bits() - is.network().to_bits()
        );
        let pool = fork.clusters[0].pool.expect("a pool");
        assert!(is.contains(&pool.first) && is.contains(&pool.last));
        let published = fork.clusters[1].published_gateway.expect("without a load balancer it is published");
        assert_eq!(*published.ip(), fork.docker_network.gateway);
    }

    #[test]
    fn a_fork_of_a_fork_keeps_the_names_that_its_nodes_were_made_with() {
        let fork = lab().fork("other", &[]).and_then(|other| other.fork("third", &[])).expect("a fork");
        assert_eq!(fork.clusters[0].copy_of.as_deref(), Some("two-c1"));
        assert_eq!(fork.clusters[0].control_plane_node(), "third-c1-control-plane");
    }

    #[test]
    fn a_fork_is_apart_from_what_is_taken() {
        let two = lab();
        let first = two.fork("a", &[]).expect("a fork").docker_network.subnet;
        let second = two.fork("b", &[first]).expect("a fork").docker_network.subnet;
        assert!(!overlap(first, second));
        assert_eq!(two.fork("c", &RANGES), Err(ForkError::NoSubnet(two.docker_network.subnet)));
    }

    #[test]
    fn what_cannot_be_had_twice_is_refused() {
        let dual = parse("name: two\nipFamily: dual\nclusters: [c1]\n", "lab.yaml").expect("valid");
        let dual = resolve(&dual).expect("resolves").fork("other", &[]);
        assert!(matches!(dual, Err(ForkError::Dual(_))), "{dual:?}");
        let long = lab().fork(&"a".repeat(60), &[]);
        assert!(matches!(long, Err(ForkError::Name(_))), "{long:?}");
        let mut fixed = lab();
        fixed.mesh.id = format!("at-{}", fixed.docker_network.gateway);
        let address = fixed.docker_network.gateway;
        assert_eq!(fixed.fork("other", &[]), Err(ForkError::Fixed { lab: "two".to_owned(), address }));
    }
}
