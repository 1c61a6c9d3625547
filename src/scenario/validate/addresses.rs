//! Rules for subnets, pools and fixed addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::{AddressRange, Draft, Located, Problem, Problems};
use crate::scenario::layout;

/// What no lab may use, and why.
const RESERVED: [(Ipv4Addr, u8, &str); 4] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "addresses of \"this host\""),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local addresses"),
    (Ipv4Addr::new(224, 0, 0, 0), 3, "multicast and future use"),
];
/// The part of the pod subnet that Kubernetes gives to each node (`--node-cidr-mask-size`).
const NODE_PODS: u8 = 24;

/// Reads a subnet.
pub(super) fn subnet(what: &str, text: &Located<String>, problems: &mut Problems) -> Option<Located<Ipv4Net>> {
    match parse_subnet(what, &text.value) {
        Ok(value) => Some(Located { value, span: text.span }),
        Err(problem) => {
            problems.add(text.span, problem);
            None
        }
    }
}

fn parse_subnet(what: &str, text: &str) -> Result<Ipv4Net, Problem> {
    let (what, value) = (what.to_owned(), text.to_owned());
    if text.parse::<Ipv6Net>().is_ok() || text.parse::<Ipv6Addr>().is_ok() {
        return Err(Problem::Ipv6 { what, value, instead: "subnet, such as 10.101.0.0/16" });
    }
    let Ok(subnet) = text.parse::<Ipv4Net>() else {
        let help = match text.parse::<Ipv4Addr>() {
            Ok(address) => format!("add the length of its prefix, such as {address}/16"),
            Err(_) => "write an address and the length of its prefix, such as 10.101.0.0/16".to_owned(),
        };
        return Err(Problem::BadAddress { what, value, expected: "an IPv4 subnet", help });
    };
    if subnet != subnet.trunc() {
        return Err(Problem::HostBits { what, value, corrected: subnet.trunc() });
    }
    for (address, prefix, purpose) in RESERVED {
        let reserved = Ipv4Net::new_assert(address, prefix);
        if layout::overlap(subnet, reserved) {
            return Err(Problem::ReservedSubnet { what, subnet, reserved, purpose });
        }
    }
    Ok(subnet)
}

/// Reads an address.
pub(super) fn address(what: &str, text: &Located<String>, problems: &mut Problems) -> Option<Located<Ipv4Addr>> {
    match parse_address(what, &text.value) {
        Ok(value) => Some(Located { value, span: text.span }),
        Err(problem) => {
            problems.add(text.span, problem);
            None
        }
    }
}

fn parse_address(what: &str, text: &str) -> Result<Ipv4Addr, Problem> {
    text.parse().map_err(|_| {
        let (what, value) = (what.to_owned(), text.to_owned());
        match text.parse::<Ipv6Addr>() {
            Ok(_) => Problem::Ipv6 { what, value, instead: "address, such as 172.30.255.10" },
            Err(_) => {
                let help = "write four numbers up to 255, such as 172.30.255.10".to_owned();
                Problem::BadAddress { what, value, expected: "an IPv4 address", help }
            }
        }
    })
}

/// Reads a pool: `FIRST-LAST`, a CIDR or `auto`, which is no fixed pool.
pub(super) fn pool(what: &str, text: &Located<String>, problems: &mut Problems) -> Option<Located<AddressRange>> {
    match parse_pool(what, &text.value) {
        Ok(pool) => pool.map(|value| Located { value, span: text.span }),
        Err(problem) => {
            problems.add(text.span, problem);
            None
        }
    }
}

fn parse_pool(what: &str, text: &str) -> Result<Option<AddressRange>, Problem> {
    if text == "auto" {
        return Ok(None);
    }
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (parse_address(what, first.trim())?, parse_address(what, last.trim())?);
        if last < first {
            return Err(Problem::ReversedRange { what: what.to_owned(), first, last });
        }
        return Ok(Some(AddressRange { first, last }));
    }
    if text.contains('/') {
        let subnet = parse_subnet(what, text)?;
        return Ok(Some(AddressRange { first: subnet.network(), last: subnet.broadcast() }));
    }
    let (what, value) = (what.to_owned(), text.to_owned());
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(Problem::Ipv6 { what, value, instead: "range, such as 172.30.255.10-172.30.255.19" });
    }
    let help = match text.parse::<Ipv4Addr>() {
        Ok(address) => format!("for a pool of one address write {address}/32"),
        Err(_) => "for example 172.30.255.10-172.30.255.19, 172.30.255.16/28, or auto".to_owned(),
    };
    Err(Problem::BadAddress { what, value, expected: "a range, a subnet or `auto`", help })
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
        None => implied_docker_subnet(drafts, problems),
    };
    if let Some(docker) = docker {
        docker_network(&docker, drafts, problems);
    }
}

/// Kubernetes' own limits: a /24 of pods a node and at most 2^16 of those, and service subnets between /12 and /28.
fn subnet_sizes(draft: &Draft, problems: &mut Problems) {
    let name = &draft.name.value;
    if let Some(pods) = &draft.pods {
        let nodes = u32::from(draft.workers) + 1;
        // The shortest prefix whose subnet has a /24 for each node.
        let longest = NODE_PODS - u8::try_from(nodes.next_power_of_two().trailing_zeros()).unwrap_or(NODE_PODS);
        let problem = |size, reason, remedy| Problem::SubnetSize {
            what: format!("`podSubnet` of cluster `{name}`"),
            subnet: pods.value,
            size,
            reason,
            remedy,
        };
        if pods.value.prefix_len() > longest {
            let reason = format!("each node takes a /24 of it, and the cluster has {nodes} node(s)");
            problems.add(pods.span, problem("small", reason, format!("write a /{longest} or larger; a /16 is usual")));
        } else if pods.value.prefix_len() < 8 {
            let reason = "Kubernetes takes a /8 at most".to_owned();
            problems.add(pods.span, problem("large", reason, "write a /8 or smaller; a /16 is usual".to_owned()));
        }
    }
    if let Some(services) = &draft.services
        && !(12..=28).contains(&services.value.prefix_len())
    {
        let (size, limit) = if services.value.prefix_len() > 28 { ("small", 28) } else { ("large", 12) };
        let what = format!("`serviceSubnet` of cluster `{name}`");
        let reason = format!("the API server takes a /{limit} at the {}", if size == "small" { "least" } else { "most" });
        let remedy = "write something between a /12 and a /28; a /16 is usual".to_owned();
        problems.add(services.span, Problem::SubnetSize { what, subnet: services.value, size, reason, remedy });
    }
}

fn pods_and_services(draft: &Draft, earlier: &[Draft], problems: &mut Problems) {
    let name = &draft.name.value;
    if let (Some(pods), Some(services)) = (&draft.pods, &draft.services)
        && layout::overlap(pods.value, services.value)
    {
        let problem = Problem::Overlap {
            one: format!("`serviceSubnet` {} of cluster `{name}`", services.value),
            other: format!("its `podSubnet` {}", pods.value),
            remedy: "pods and services of a cluster need addresses of their own: change either, or leave either out".to_owned(),
        };
        problems.add(services.span, problem).also(pods.span, "pods");
    }
    let Some(pods) = &draft.pods else { return };
    let network = draft.network();
    for other in earlier.iter().filter(|o| o.network() == network) {
        if let Some(theirs) = &other.pods
            && layout::overlap(pods.value, theirs.value)
        {
            let problem = Problem::Overlap {
                one: format!("`podSubnet` {} of cluster `{name}`", pods.value),
                other: format!("{} of cluster `{}`, on the same network `{network}`", theirs.value, other.name.value),
                remedy: "pods of one network reach each other by address: give each cluster pods of its own, \
                         or put the clusters on different networks, where pod subnets may be equal"
                    .to_owned(),
            };
            problems.add(pods.span, problem).also(theirs.span, "overlaps this");
        }
    }
}

fn pool_overlaps(draft: &Draft, earlier: &[Draft], problems: &mut Problems) {
    let Some(pool) = draft.fixed_pool() else { return };
    for other in earlier {
        if let Some(theirs) = other.fixed_pool().filter(|t| t.value.overlaps(&pool.value)) {
            let problem = Problem::Overlap {
                one: format!("pool {} of cluster `{}`", pool.value, draft.name.value),
                other: format!("pool {} of cluster `{}`", theirs.value, other.name.value),
                remedy: "all clusters are on one Docker network: give each a pool of its own, or write `pool: auto`".to_owned(),
            };
            problems.add(pool.span, problem).also(theirs.span, "overlaps this");
        }
    }
}

fn fixed_addresses(draft: &Draft, earlier: &[Draft], problems: &mut Problems) {
    let Some(gateway) = &draft.gateway else { return };
    let what = || format!("`eastWestGateway` of cluster `{}`", draft.name.value);
    if let Some(pool) = draft.pool.as_ref().filter(|p| !p.value.contains(gateway.value)) {
        let problem = Problem::AddressOutsidePool { what: what(), address: gateway.value, pool: pool.value };
        problems.add(gateway.span, problem).also(pool.span, "the pool");
    }
    for other in earlier {
        if let Some(theirs) = other.gateway.as_ref().filter(|g| g.value == gateway.value) {
            let problem =
                Problem::DuplicateAddress { what: what(), address: gateway.value, other: other.name.value.clone() };
            problems.add(gateway.span, problem).also(theirs.span, "first used here");
        }
    }
}

/// The Docker subnet that fixed pools imply; pools that do not agree on one are recorded.
fn implied_docker_subnet(drafts: &[Draft], problems: &mut Problems) -> Option<Located<Ipv4Net>> {
    let mut pools = drafts.iter().filter_map(|d| Some((d, d.fixed_pool()?)));
    let first = pools.next()?.1;
    let subnet = layout::subnet_around(first.value);
    let mut agreed = true;
    for (draft, pool) in pools.filter(|(_, p)| !layout::within(p.value, subnet)) {
        let what = format!("the pool of cluster `{}`,", draft.name.value);
        problems.add(pool.span, Problem::PoolsApart { what, pool: pool.value, subnet }).also(first.span, "the first pool");
        agreed = false;
    }
    agreed.then_some(Located { value: subnet, span: first.span })
}

fn docker_network(docker: &Located<Ipv4Net>, drafts: &[Draft], problems: &mut Problems) {
    let subnet = docker.value;
    let nodes: u64 = drafts.iter().map(|d| u64::from(d.workers) + 1).sum();
    let Some(space) = layout::pool_space(subnet).filter(|_| nodes <= layout::node_capacity(subnet)) else {
        problems.add(
            docker.span,
            Problem::SubnetSize {
                what: "the Docker network".to_owned(),
                subnet,
                size: "small",
                reason: format!("{nodes} node(s) and the pools need room, nodes in its first half"),
                remedy: "write a /20; a /24 is enough for most labs".to_owned(),
            },
        );
        return;
    };
    for draft in drafts {
        if let Some(pool) = draft.fixed_pool() {
            pool_in_network(draft, &pool, docker, space, problems);
        }
        let subnets = [("podSubnet", &draft.pods), ("serviceSubnet", &draft.services)];
        for (field, given) in subnets.into_iter().filter_map(|(f, s)| Some((f, s.as_ref()?))) {
            if layout::overlap(given.value, subnet) {
                let problem = Problem::Overlap {
                    one: format!("`{field}` {} of cluster `{}`", given.value, draft.name.value),
                    other: format!("the Docker network {subnet}"),
                    remedy: "nodes must tell their neighbours from pods and services: choose a subnet outside, \
                             such as one in 10.0.0.0/8"
                        .to_owned(),
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
    let subnet = docker.value;
    let range = pool.value;
    // A pool that follows from a fixed address is named by what the user wrote.
    let what = match draft.pool {
        Some(_) => format!("the pool of cluster `{}`,", draft.name.value),
        None => format!("the pool of cluster `{}`, ten addresses from its gateway's on,", draft.name.value),
    };
    if !layout::within(range, subnet) {
        let remedy = format!("addresses for pools in {subnet} are {} to {}", space.first, space.last);
        let problem = Problem::PoolOutside { what, pool: range, subnet, remedy };
        problems.add(pool.span, problem).also(docker.span, "the Docker network");
        return;
    }
    let nodes = layout::node_range(subnet);
    let gateway = layout::gateway(subnet);
    let taken = if range.contains(gateway) {
        format!("{gateway}, the network's gateway on the host")
    } else if range.first <= nodes.broadcast() {
        format!("addresses of {nodes}, which Docker deals out to nodes")
    } else if range.contains(subnet.broadcast()) {
        format!("{}, the network's broadcast address", subnet.broadcast())
    } else {
        return;
    };
    let problem = Problem::PoolTaken { what, pool: range, taken, subnet, first: space.first, last: space.last };
    problems.add(pool.span, problem);
}
