//! Addresses and names that something else may have taken. Pure: what is there goes in.

use ipnet::{Ipv4Net, Ipv6Net};

use crate::plan::Lab;
use crate::scenario::layout::overlap;
use crate::sys::docker::Network;
use crate::sys::routes::Route;
use crate::verdict::Judgement;

const NETWORK: &str = "addresses";
const PODS: &str = "pods and services";
const NAMES: &str = "names";

/// The Docker network of a lab, against other Docker networks and the host's routes.
pub(in crate::machine) fn network(lab: &Lab, networks: &[Network], routes: &[Route]) -> Judgement {
    let wanted = &lab.docker_network;
    let exists = networks.iter().any(|n| n.name == wanted.name);
    for network in networks.iter().filter(|n| n.name != wanted.name) {
        if let Some(subnet) = network.subnets.iter().find(|s| overlap(**s, wanted.subnet)) {
            let owner = network.lab.as_ref().map_or_else(String::new, |l| format!(" of lab {l}"));
            return Judgement::failure(
                NETWORK,
                format!(
                    "the lab's Docker network {} overlaps {subnet} of Docker network {}{owner}",
                    wanted.subnet, network.name
                ),
                format!(
                    "set dockerNetwork.subnet in the scenario to a free range, or remove that network{}",
                    network.lab.as_ref().map_or_else(String::new, |l| format!(" with `lab down {l}`"))
                ),
            );
        }
    }
    let clash = |n: &&Network| n.name != wanted.name && n.ipv6_subnets.iter().any(|s| clashes(lab, *s));
    if let Some(network) = networks.iter().find(clash) {
        let found = format!("IPv6 addresses of the lab are those of Docker network {}", network.name);
        return Judgement::failure(NETWORK, found, "give the lab another name with --name, from which they follow");
    }
    // When the network exists, the host has a route to it: its own.
    if !exists && let Some(route) = routes.iter().find(|r| overlap(r.destination, wanted.subnet)) {
        return Judgement::failure(
            NETWORK,
            format!(
                "the lab's Docker network {} overlaps the host's route to {} by {}",
                wanted.subnet, route.destination, route.interface
            ),
            "set dockerNetwork.subnet in the scenario to a range that the host does not use",
        );
    }
    let found = if exists { "is there already" } else { "overlaps no other Docker network and no route of the host" };
    Judgement::ok(NETWORK, format!("the lab's Docker network {} {found}", wanted.subnet))
}

/// Whether an IPv6 subnet meets any of the lab's.
fn clashes(lab: &Lab, subnet: Ipv6Net) -> bool {
    let clusters = lab.clusters.iter().filter_map(|c| c.ipv6).flat_map(|v6| [v6.pod_subnet, v6.service_subnet]);
    let mut all = lab.docker_network.ipv6_subnet.into_iter().chain(clusters);
    all.any(|own| own.contains(&subnet) || subnet.contains(&own))
}

/// Addresses inside the clusters: the host may use them too, but then the pods do not reach what the host has there.
pub(in crate::machine) fn inside(lab: &Lab, routes: &[Route]) -> Judgement {
    let ranges = lab.clusters.iter().flat_map(|c| {
        [("pods", c.pod_subnet), ("services", c.service_subnet)].map(|(what, subnet)| (c.name.as_str(), what, subnet))
    });
    for (cluster, what, subnet) in ranges {
        if let Some(route) = routes.iter().find(|r| overlap(r.destination, subnet)) {
            return Judgement::warning(
                PODS,
                format!(
                    "the {what} of {cluster}, {subnet}, overlap the host's route to {} by {}: nothing in that cluster reaches what is there",
                    route.destination, route.interface
                ),
                "if the lab needs it, set podSubnet and serviceSubnet in the scenario to other ranges",
            );
        }
    }
    Judgement::ok(PODS, "their addresses overlap no route of the host")
}

/// `foreign` are nodes of kind clusters of the lab's names that lab did not make, each with the name of its kind cluster.
pub(in crate::machine) fn names(foreign: &[(String, String)]) -> Judgement {
    match foreign.first() {
        None => Judgement::ok(NAMES, "no other kind cluster has a name of the lab's"),
        Some((kind, node)) => Judgement::failure(
            NAMES,
            format!("a kind cluster named {kind} exists that lab did not make ({node})"),
            format!("give the lab another name with --name, or remove it with `kind delete cluster --name {kind}`"),
        ),
    }
}

/// Where labs have their Docker networks whose scenarios do not say where.
pub(in crate::machine) fn usual(range: Ipv4Net, networks: &[Network], routes: &[Route]) -> Judgement {
    let remedy = "a lab whose network would overlap is refused; give that one a dockerNetwork.subnet in its scenario";
    let taken = |network: &&Network| network.lab.is_none() && network.subnets.iter().any(|s| overlap(*s, range));
    if let Some(network) = networks.iter().find(taken) {
        let subnets: Vec<String> = network.subnets.iter().map(ToString::to_string).collect();
        let (name, subnets) = (&network.name, subnets.join(", "));
        let found = format!("labs choose their networks in {range}, where Docker network {name} has {subnets}");
        return Judgement::warning(NETWORK, found, remedy);
    }
    let dockers = |route: &Route| networks.iter().any(|n| n.subnets.contains(&route.destination));
    if let Some(route) = routes.iter().find(|r| overlap(r.destination, range) && !dockers(r)) {
        let (destination, interface) = (route.destination, &route.interface);
        let found = format!(
            "labs choose their networks in {range}, where the host has a route to {destination} by {interface}"
        );
        return Judgement::warning(NETWORK, found, remedy);
    }
    Judgement::ok(NETWORK, format!("nothing else uses {range}, where labs choose their networks"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;
    use crate::verdict::Level;

    fn lab() -> Lab {
        let text = "name: demo\ndockerNetwork: { subnet: 172.30.0.0/16 }\nclusters: [c1]\n";
        resolve(&parse(text, "lab.yaml").expect("valid")).expect("addresses")
    }

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a network")
    }

    fn docker(name: &str, lab: Option<&str>, subnet: &str) -> Network {
        Network {
            name: name.to_owned(),
            lab: lab.map(str::to_owned),
            subnets: vec![net(subnet)],
            ipv6_subnets: Vec::new(),
            gateways: Vec::new(),
            mtu: 1500,
        }
    }

    fn route(subnet: &str) -> Route {
        Route { interface: "tun0".to_owned(), destination: net(subnet) }
    }

    #[test]
    fn a_network_that_something_else_has_is_refused() {
        let taken = network(&lab(), &[docker("lab-x", Some("x"), "172.30.4.0/24")], &[]);
        assert_eq!(taken.level, Level::Failure);
        assert!(taken.line().contains("overlaps 172.30.4.0/24 of Docker network lab-x of lab x"), "{taken:?}");
        assert!(taken.line().contains("lab down x"), "{taken:?}");
        let routed = network(&lab(), &[], &[route("172.16.0.0/12")]);
        assert!(routed.level == Level::Failure && routed.line().contains("by tun0"), "{routed:?}");
    }

    #[test]
    fn ipv6_addresses_that_another_network_has_are_refused() {
        let text = "name: demo\nipFamily: dual\nclusters: [c1]\n";
        let lab = resolve(&parse(text, "lab.yaml").expect("valid")).expect("addresses");
        let other = |subnet: &str| Network {
            ipv6_subnets: vec![subnet.parse().expect("a subnet")],
            ..docker("lab-x", Some("x"), "172.18.0.0/16")
        };
        assert_eq!(network(&lab, &[other("fd00:1::/64")], &[]).level, Level::Ok);
        let pods = lab.clusters[0].ipv6.expect("two families").pod_subnet.to_string();
        let taken = network(&lab, &[other(&pods)], &[]);
        assert!(taken.level == Level::Failure && taken.line().contains("Docker network lab-x"), "{taken:?}");
    }

    #[test]
    fn its_own_network_and_its_route_are_no_obstacle() {
        let own = [docker("lab-demo", Some("demo"), "172.30.0.0/16"), docker("bridge", None, "172.17.0.0/16")];
        assert_eq!(network(&lab(), &own, &[route("172.30.0.0/16")]).level, Level::Ok);
        assert_eq!(network(&lab(), &own[1..], &[route("172.17.0.0/16")]).level, Level::Ok);
    }

    #[test]
    fn what_the_host_has_at_the_pods_addresses_is_told() {
        assert_eq!(inside(&lab(), &[route("192.168.0.0/24")]).level, Level::Ok);
        let pods = inside(&lab(), &[route("10.0.0.0/8")]);
        assert!(pods.level == Level::Warning && pods.found.contains("the pods of c1, 10.101.0.0/16"), "{pods:?}");
        let services = inside(&lab(), &[route("10.201.3.0/24")]);
        assert!(services.found.contains("the services of c1"), "{services:?}");
    }

    #[test]
    fn a_foreign_cluster_of_the_same_name_is_refused() {
        assert_eq!(names(&[]).level, Level::Ok);
        let foreign = names(&[("demo-c1".to_owned(), "demo-c1-control-plane".to_owned())]);
        assert!(foreign.level == Level::Failure && foreign.line().contains("kind delete cluster --name demo-c1"));
    }

    #[test]
    fn the_usual_range_is_for_labs() {
        let range = net("172.24.0.0/13");
        let labs = [docker("lab-x", Some("x"), "172.28.0.0/20"), docker("kind", None, "172.18.0.0/16")];
        assert_eq!(usual(range, &labs, &[route("172.28.0.0/20"), route("172.18.0.0/16")]).level, Level::Ok);
        assert_eq!(usual(range, &[docker("x", None, "172.25.0.0/16")], &[]).level, Level::Warning);
        let vpn = usual(range, &[], &[route("172.26.0.0/16")]);
        assert!(vpn.level == Level::Warning && vpn.found.contains("172.26.0.0/16 by tun0"), "{vpn:?}");
    }
}
