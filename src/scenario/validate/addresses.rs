//! Rules for subnets, pools and fixed addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::{AddressRange, Draft, Located, Problems};
use crate::scenario::layout;
use crate::scenario::problem::AddressProblem;

/// What no lab may use, and why.
const RESERVED: [(Ipv4Addr, u8, &str); 4] = [
    (Ipv4Addr::UNSPECIFIED, 8, "\"this host\""),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local addresses"),
    (Ipv4Addr::new(224, 0, 0, 0), 3, "multicast and future use"),
];
/// What nobody has on the internet: RFC 1918, RFC 6598, RFC 2544 and, for documentation, RFC 5737.
const PRIVATE: [(Ipv4Addr, u8); 8] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
];
/// The part of the pod subnet that Kubernetes gives to each node (`--node-cidr-mask-size`).
const NODE_PODS: u8 = 24;

/// Reads a subnet.
pub(super) fn subnet(what: &str, text: &Located<String>, problems: &mut Problems) -> Option<Located<Ipv4Net>> {
    keep(parse_subnet(what, &text.value), text, problems)
}

/// Reads an address.
pub(super) fn address(what: &str, text: &Located<String>, problems: &mut Problems) -> Option<Located<Ipv4Addr>> {
    keep(parse_address(what, &text.value), text, problems)
}

/// Reads the address at which API servers are published.
pub(super) fn api_server(text: &Located<String>, problems: &mut Problems) -> Option<Ipv4Addr> {
    let Located { value, span } = address(&format!("`apiServerAddress: {}`", text.value), text, problems)?;
    // Who listens at every address is reached at none of that name.
    if value.is_unspecified() || value.is_multicast() || value.is_broadcast() {
        problems.add(span, AddressProblem::NoMachine { address: value });
        return None;
    }
    Some(value)
}

/// Reads a pool: `FIRST-LAST`, a CIDR or `auto`, which is no fixed pool.
pub(super) fn pool(what: &str, text: &Located<String>, problems: &mut Problems) -> Option<Located<AddressRange>> {
    let Located { value, span } = keep(parse_pool(what, &text.value), text, problems)?;
    Some(Located { value: value?, span })
}

/// What was read, with its place; or nothing, and the problem is recorded there.
fn keep<T>(read: Result<T, AddressProblem>, text: &Located<String>, problems: &mut Problems) -> Option<Located<T>> {
    match read {
        Ok(value) => Some(Located { value, span: text.span }),
        Err(problem) => {
            problems.add(text.span, problem);
            None
        }
    }
}

fn parse_subnet(what: &str, text: &str) -> Result<Ipv4Net, AddressProblem> {
    let what = what.to_owned();
    if text.parse::<Ipv6Net>().is_ok() || text.parse::<Ipv6Addr>().is_ok() {
        return Err(AddressProblem::Ipv6 { what, instead: "an IPv4 subnet, such as 10.101.0.0/16" });
    }
    let Ok(subnet) = text.parse::<Ipv4Net>() else {
        let help = match text.parse::<Ipv4Addr>() {
            Ok(address) => format!("add the length of its prefix, such as {address}/16"),
            Err(_) => "write an address and the length of its prefix, such as 10.101.0.0/16".to_owned(),
        };
        return Err(AddressProblem::Malformed { what, expected: "an IPv4 subnet", help });
    };
    if subnet != subnet.trunc() {
        return Err(AddressProblem::HostBits { what, corrected: subnet.trunc() });
    }
    not_reserved(what, subnet)
}

/// The subnet, unless no lab may use it, or it is somebody's.
fn not_reserved(what: String, subnet: Ipv4Net) -> Result<Ipv4Net, AddressProblem> {
    let reserved = RESERVED.map(|(address, prefix, purpose)| (Ipv4Net::new_assert(address, prefix), purpose));
    match reserved.into_iter().find(|(reserved, _)| layout::overlap(subnet, *reserved)) {
        Some((reserved, purpose)) => Err(AddressProblem::Reserved { what, reserved, purpose }),
        None if PRIVATE.iter().any(|(address, prefix)| Ipv4Net::new_assert(*address, *prefix).contains(&subnet)) => {
            Ok(subnet)
        }
        None => Err(AddressProblem::Public { what }),
    }
}

fn parse_address(what: &str, text: &str) -> Result<Ipv4Addr, AddressProblem> {
    text.parse().map_err(|_| {
        let what = what.to_owned();
        if text.parse::<Ipv6Addr>().is_ok() {
            return AddressProblem::Ipv6 { what, instead: "an IPv4 address, such as 172.30.255.10" };
        }
        let help = "write four numbers from 0 to 255, such as 172.30.255.10".to_owned();
        AddressProblem::Malformed { what, expected: "an IPv4 address", help }
    })
}

fn parse_pool(what: &str, text: &str) -> Result<Option<AddressRange>, AddressProblem> {
    if text == "auto" {
        return Ok(None);
    }
    if text.contains('/') {
        let subnet = parse_subnet(what, text)?;
        return Ok(Some(AddressRange { first: subnet.network(), last: subnet.broadcast() }));
    }
    let what = what.to_owned();
    let ends = text.split_once('-').map(|(first, last)| (first.trim(), last.trim()));
    if let Some((first, last)) = ends
        && let (Ok(first), Ok(last)) = (first.parse(), last.parse())
    {
        if last < first {
            return Err(AddressProblem::Reversed { what, corrected: AddressRange { first: last, last: first } });
        }
        return Ok(Some(AddressRange { first, last }));
    }
    let is_ipv6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    if is_ipv6(text) || ends.is_some_and(|(first, last)| is_ipv6(first) || is_ipv6(last)) {
        return Err(AddressProblem::Ipv6 { what, instead: "IPv4 addresses, such as 172.30.255.10-172.30.255.19" });
    }
    let help = match text.parse::<Ipv4Addr>() {
        Ok(address) => format!("for a pool of one address write {address}/32"),
        Err(_) => "write 172.30.255.10-172.30.255.19, 172.30.255.16/28 or auto, for example".to_owned(),
    };
    Err(AddressProblem::Malformed { what, expected: "a range of IPv4 addresses, a subnet or `auto`", help })
}

/// Checks everything that has to do with more than one address field.
pub(super) fn check(docker: Option<&Located<Ipv4Net>>, drafts: &[Draft], problems: &mut Problems) {
    for (i, draft) in drafts.iter().enumerate() {
        subnet_sizes(draft, problems);
        pods_and_services(draft, &drafts[..i], problems);
        pool_overlaps(draft, &drafts[..i], problems);
        fixed_addresses(draft, &drafts[..i], problems);
    }
    let docker = match docker {
        Some(docker) => Some(docker.clone()),
        // Pools of clusters that lab did not make are on networks of theirs.
        None if drafts.iter().any(|draft| draft.existing_at.is_some()) => None,
        None => implied_docker_subnet(drafts, problems),
    };
    if let Some(docker) = docker {
        docker_network(&docker, drafts, problems);
    }
}

/// Kubernetes' own limits: a /24 of pods a node and at most 2^16 of those, and service subnets between /12 and /28.
fn subnet_sizes(draft: &Draft, problems: &mut Problems) {
    if let Some(pods) = &draft.pods {
        let nodes = u32::from(draft.workers) + 1;
        // The longest prefix that leaves a /24 for each node.
        let longest = NODE_PODS - u8::try_from(nodes.next_power_of_two().trailing_zeros()).unwrap_or(NODE_PODS);
        let what = || draft.setting("podSubnet", pods.value);
        let prefix = pods.value.prefix_len();
        if prefix > longest {
            let reason = format!("each node takes a /24 of it, and the cluster has {}", counted(nodes.into(), "node"));
            let remedy = format!("write a /{longest} or larger; a /16 is usual");
            problems.add(pods.span, AddressProblem::Size { what: what(), size: "small", reason, remedy });
        } else if prefix < 8 {
            let reason = "Kubernetes takes a /8 at most".to_owned();
            let remedy = "write a /8 or smaller; a /16 is usual".to_owned();
            problems.add(pods.span, AddressProblem::Size { what: what(), size: "large", reason, remedy });
        }
    }
    if let Some(services) = &draft.services {
        let (size, limit) = match services.value.prefix_len() {
            12..=28 => return,
            0..12 => ("large", "/12 at most"),
            _ => ("small", "/28 at least"),
        };
        let what = draft.setting("serviceSubnet", services.value);
        let reason = format!("Kubernetes takes a {limit}");
        let remedy = "write something between a /12 and a /28; a /16 is usual".to_owned();
        problems.add(services.span, AddressProblem::Size { what, size, reason, remedy });
    }
}

fn pods_and_services(draft: &Draft, earlier: &[Draft], problems: &mut Problems) {
    let Some(pods) = &draft.pods else { return };
    if let Some(services) = draft.services.as_ref().filter(|s| layout::overlap(s.value, pods.value)) {
        let problem = AddressProblem::Overlap {
            what: draft.setting("serviceSubnet", services.value),
            other: format!("its `podSubnet: {}`", pods.value),
            remedy: "pods and services of a cluster need addresses of their own: change one of them, or leave one out",
        };
        problems.add(services.span, problem).also(pods.span, "its pods");
    }
    for other in earlier.iter().filter(|o| o.shares_network(draft)) {
        if let Some(theirs) = other.pods.as_ref().filter(|p| layout::overlap(p.value, pods.value)) {
            let problem = AddressProblem::Overlap {
                what: draft.setting("podSubnet", pods.value),
                other: format!(
                    "{}, on the same network `{}`",
                    other.setting("podSubnet", theirs.value),
                    draft.network()
                ),
                remedy: "pods of one network reach each other by address: give each cluster pods of its own, or put the \
                         clusters on different networks, where pod subnets may be equal",
            };
            problems.add(pods.span, problem).also(theirs.span, "overlaps this");
        }
    }
}

fn pool_overlaps(draft: &Draft, earlier: &[Draft], problems: &mut Problems) {
    let Some(pool) = draft.fixed_pool() else { return };
    // The same fixed address twice is its own mistake; that the pools which follow from it overlap would only repeat it.
    let same_address = |other: &Draft| {
        let shares = |a: Ipv4Addr| other.addresses.iter().any(|(_, o)| o.value == a);
        draft.pool.is_none() && other.pool.is_none() && draft.addresses.iter().any(|(_, a)| shares(a.value))
    };
    for other in earlier.iter().filter(|o| !same_address(o)) {
        if let Some(theirs) = other.fixed_pool().filter(|t| t.value.overlaps(&pool.value)) {
            let problem = AddressProblem::Overlap {
                what: draft.pool_setting(pool.value),
                other: other.pool_setting(theirs.value),
                remedy: "all clusters are on one Docker network: give each a pool of its own, or write `pool: auto`",
            };
            problems.add(pool.span, problem).also(theirs.span, "overlaps this");
        }
    }
}

fn fixed_addresses(draft: &Draft, earlier: &[Draft], problems: &mut Problems) {
    let pool = draft.fixed_pool();
    for (i, (gateway, address)) in draft.addresses.iter().enumerate() {
        let what = || draft.setting(gateway.field(), address.value);
        if let Some(pool) = pool.as_ref().filter(|p| !p.value.contains(address.value)) {
            let problem = AddressProblem::OutsidePool { what: what(), pool: pool.value };
            problems.add(address.span, problem).also(pool.span, "the pool");
            continue;
        }
        let others = earlier.iter().flat_map(|d| d.addresses.iter().map(move |(_, a)| (d, a)));
        let own = draft.addresses[..i].iter().map(|(_, a)| (draft, a));
        if let Some((other, theirs)) = others.chain(own).find(|(_, a)| a.value == address.value) {
            let (address_value, other) = (address.value, other.name.value.clone());
            let problem = AddressProblem::Duplicate { what: what(), address: address_value, other };
            problems.add(address.span, problem).also(theirs.span, "first used here");
        }
    }
}

/// The Docker subnet that fixed pools imply; pools that do not agree on one are recorded.
fn implied_docker_subnet(drafts: &[Draft], problems: &mut Problems) -> Option<Located<Ipv4Net>> {
    let mut pools = drafts.iter().filter_map(|d| Some((d, d.fixed_pool()?)));
    let (draft, first) = pools.next()?;
    let subnet = layout::subnet_around(first.value);
    if let Err(problem) = not_reserved(draft.pool_setting(first.value), subnet) {
        problems.add(first.span, problem);
        return None;
    }
    let mut agreed = true;
    for (draft, pool) in pools.filter(|(_, p)| !layout::within(p.value, subnet)) {
        let problem = AddressProblem::PoolsApart { what: draft.pool_setting(pool.value), subnet };
        problems.add(pool.span, problem).also(first.span, "the first pool");
        agreed = false;
    }
    agreed.then_some(Located { value: subnet, span: first.span })
}

fn docker_network(docker: &Located<Ipv4Net>, drafts: &[Draft], problems: &mut Problems) {
    let subnet = docker.value;
    let nodes = drafts.iter().map(|d| u64::from(d.workers) + 1).sum();
    let capacity = layout::node_capacity(subnet);
    let Some(space) = layout::pool_space(subnet).filter(|_| nodes <= capacity) else {
        let reason = format!(
            "the lab has {}, but the part for nodes, {}, has room for {capacity}",
            counted(nodes, "node"),
            layout::node_range(subnet)
        );
        let remedy = "write a larger one; a /24 is enough for most labs".to_owned();
        let what = format!("the Docker network {subnet}");
        problems.add(docker.span, AddressProblem::Size { what, size: "small", reason, remedy });
        return;
    };
    for draft in drafts {
        if let Some(pool) = draft.fixed_pool() {
            pool_in_network(draft, &pool, docker, space, problems);
        }
        for (field, given) in [("podSubnet", &draft.pods), ("serviceSubnet", &draft.services)] {
            if let Some(given) = given.as_ref().filter(|g| layout::overlap(g.value, subnet)) {
                let problem = AddressProblem::Overlap {
                    what: draft.setting(field, given.value),
                    other: format!("the Docker network {subnet}"),
                    remedy: "nodes must tell each other's addresses from those of pods and services: choose a subnet \
                             outside of it, such as one in 10.0.0.0/8",
                };
                problems.add(given.span, problem).also(docker.span, "the Docker network");
            }
        }
    }
}

fn pool_in_network(
    draft: &Draft,
    pool: &Located<AddressRange>,
    docker: &Located<Ipv4Net>,
    space: AddressRange,
    problems: &mut Problems,
) {
    let (subnet, range) = (docker.value, pool.value);
    let what = draft.pool_setting(range);
    if !layout::within(range, subnet) {
        let problem = AddressProblem::OutsideNetwork { what, subnet, space };
        problems.add(pool.span, problem).also(docker.span, "the Docker network");
        return;
    }
    let nodes = layout::node_range(subnet);
    let gateway = layout::gateway(subnet);
    let taken = if range.contains(gateway) {
        format!("{gateway}, the network's gateway on the host")
    } else if range.first <= nodes.broadcast() {
        format!("addresses out of {nodes}, which Docker deals out to nodes")
    } else if range.contains(subnet.broadcast()) {
        format!("{}, the network's broadcast address", subnet.broadcast())
    } else {
        return;
    };
    problems.add(pool.span, AddressProblem::Taken { what, taken, subnet, space });
}

/// `1 node`, `2 nodes`.
fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}
