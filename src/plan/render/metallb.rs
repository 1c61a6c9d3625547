//! MetalLB's address pools, announced by ARP and NDP (layer 2).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::plan::{DockerNetwork, Lab, LabCluster};
use crate::scenario::AddressRange;

/// Namespace of MetalLB, as its own manifest has it.
const NAMESPACE: &str = "metallb-system";

/// The pool of the gateways, whose Services ask for their addresses: nothing else is given one of it.
const GATEWAY_POOL: &str = "lab-gateways";
/// The pool that all other Services get their addresses from.
const SERVICE_POOL: &str = "lab";

/// Annotations by which a Service asks MetalLB for one address, and for its IPv6 twin if there is one.
pub(super) fn fixed_address(lab: &Lab, address: Option<&Ipv4Addr>) -> Value {
    address.map_or_else(|| json!({}), |a| json!({ "metallb.io/loadBalancerIPs": lab.docker_network.with_twin(*a) }))
}

/// The pools of a cluster and their advertisement. The pool of other Services comes first: an address leaves it before it enters the other one.
#[must_use]
pub fn address_pool(lab: &Lab, cluster: &LabCluster) -> Vec<Value> {
    let Some(pool) = cluster.pool else { return Vec::new() };
    let kept: BTreeSet<Ipv4Addr> = cluster.kept_addresses().collect();
    let network = &lab.docker_network;
    let others: Vec<String> = without(pool, &kept).iter().flat_map(|range| of_each_family(network, *range)).collect();
    let kept: Vec<String> = kept
        .iter()
        .flat_map(|a| [Some(format!("{a}/32")), network.ipv6_of(*a).map(|a| format!("{a}/128"))])
        .flatten()
        .collect();
    let pools: Vec<(&str, Value)> = [
        (SERVICE_POOL, others.is_empty(), json!({ "addresses": others })),
        (GATEWAY_POOL, kept.is_empty(), json!({ "addresses": kept, "autoAssign": false })),
    ]
    .into_iter()
    .filter_map(|(name, is_empty, spec)| (!is_empty).then_some((name, spec)))
    .collect();
    let names: Vec<&str> = pools.iter().map(|(name, _)| *name).collect();
    let advertisement = json!({
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": { "name": "lab", "namespace": NAMESPACE },
        "spec": { "ipAddressPools": names },
    });
    let pools = pools.into_iter().map(|(name, spec)| {
        let mut object = pool_named(name);
        object["spec"] = spec;
        object
    });
    pools.chain([advertisement]).collect()
}

/// The pools that a cluster of these addresses has no addresses for: one of an earlier plan would keep them from the other.
#[must_use]
pub fn empty_pools(lab: &Lab, cluster: &LabCluster) -> Vec<Value> {
    let wanted = address_pool(lab, cluster);
    let has = |name: &str| wanted.iter().any(|o| o["kind"] == "IPAddressPool" && o["metadata"]["name"] == name);
    [SERVICE_POOL, GATEWAY_POOL].into_iter().filter(|name| !has(name)).map(pool_named).collect()
}

fn pool_named(name: &str) -> Value {
    json!({
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": { "name": name, "namespace": NAMESPACE },
    })
}

/// A range, and that of its IPv6 twins if there are any.
fn of_each_family(network: &DockerNetwork, range: AddressRange) -> Vec<String> {
    let twins = network.ipv6_of(range.first).zip(network.ipv6_of(range.last));
    std::iter::once(range.to_string()).chain(twins.map(|(first, last)| format!("{first}-{last}"))).collect()
}

/// What is left of a range without some of its addresses.
fn without(range: AddressRange, taken: &BTreeSet<Ipv4Addr>) -> Vec<AddressRange> {
    let mut left = Vec::new();
    let mut first = range.first.to_bits();
    for address in taken.iter().map(|a| a.to_bits()).filter(|a| range.contains(Ipv4Addr::from_bits(*a))) {
        if first < address {
            left.push(AddressRange { first: Ipv4Addr::from_bits(first), last: Ipv4Addr::from_bits(address - 1) });
        }
        first = address + 1;
    }
    if first <= range.last.to_bits() {
        left.push(AddressRange { first: Ipv4Addr::from_bits(first), last: range.last });
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    /// Names and addresses of the pools of a scenario's clusters.
    fn pools(text: &str) -> Vec<Vec<String>> {
        let lab = resolve(&parse(text, "lab.yaml").expect("a scenario")).expect("a lab");
        let of = |cluster: &LabCluster| {
            let objects = address_pool(&lab, cluster);
            let text =
                |o: &Value| format!("{} {} {}", o["metadata"]["name"], o["spec"]["addresses"], o["spec"]["autoAssign"]);
            objects.iter().filter(|o| o["kind"] == "IPAddressPool").map(|o| text(o).replace('"', "")).collect()
        };
        lab.clusters.iter().map(of).collect()
    }

    #[test]
    fn gateways_have_a_pool_of_their_own_before_they_are_there() {
        let docker = "dockerNetwork: { subnet: 172.24.0.0/20 }";
        let kept = ["lab [172.24.15.12-172.24.15.19] null", "lab-gateways [172.24.15.10/32,172.24.15.11/32] false"];
        assert_eq!(pools(&format!("name: demo\n{docker}\nclusters: [c1]\n"))[0], kept);
        assert_eq!(pools(&format!("name: demo\n{docker}\nclusters: [c1, c2]\n"))[0], kept);
        assert_eq!(
            pools(&format!("name: demo\n{docker}\nmesh: {{ ingressGateway: true }}\nclusters: [c1]\n"))[0],
            kept
        );
    }

    #[test]
    fn an_address_and_its_twin_are_in_the_same_pool() {
        let scenario = "name: demo\nipFamily: dual\ndockerNetwork: { subnet: 172.24.0.0/20 }\nclusters: [c1]\n";
        let lab = resolve(&parse(scenario, "lab.yaml").expect("a scenario")).expect("a lab");
        let twin = |last| lab.docker_network.ipv6_of(Ipv4Addr::new(172, 24, 15, last)).expect("two families");
        let [first, last, east_west, ingress] = [12, 19, 10, 11].map(twin);
        assert_eq!(
            pools(scenario)[0],
            [
                format!("lab [172.24.15.12-172.24.15.19,{first}-{last}] null"),
                format!("lab-gateways [172.24.15.10/32,{east_west}/128,172.24.15.11/32,{ingress}/128] false"),
            ]
        );
    }

    #[test]
    fn a_small_pool_keeps_only_what_is_used_and_none_is_empty() {
        let text = |pool: &str, more: &str| {
            format!("name: demo\nclusters:\n  - {{ name: c1, loadBalancer: {{ pool: {pool} }} }}\n{more}")
        };
        let alone = pools(&text("172.30.9.5/32", ""));
        assert_eq!(alone[0], ["lab [172.30.9.5-172.30.9.5] null"]);
        let grown = pools(&text("172.30.9.5/32", "  - c2\n"));
        assert_eq!(grown[0], ["lab-gateways [172.30.9.5/32] false"]);
        let middle =
            "{ name: c1, loadBalancer: { pool: 172.30.9.1-172.30.9.3, addresses: { eastWestGateway: 172.30.9.2 } } }";
        let split = pools(&format!("name: demo\nclusters:\n  - {middle}\n  - c2\n"));
        assert_eq!(
            split[0],
            ["lab [172.30.9.1-172.30.9.1,172.30.9.3-172.30.9.3] null", "lab-gateways [172.30.9.2/32] false"]
        );
    }
}
