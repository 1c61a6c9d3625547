//! Properties of address planning, over scenarios that fix some addresses and leave out others.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use lab::plan::{Gateway, Lab, LabCluster, resolve, scenario_yaml};
use lab::scenario::{layout, parse, render};
use proptest::prelude::*;

/// What a generated scenario fixes about one cluster.
#[derive(Clone, Debug)]
struct Fixes {
    pods: Option<u8>,
    services: Option<u8>,
    workers: u8,
    pool: Pool,
}

#[derive(Clone, Debug)]
enum Pool {
    LeftOut,
    Auto,
    Range { length: u8 },
    GatewayOnly,
    Both { length: u8, gateway: u8 },
}

/// Where a generated scenario puts the Docker network.
#[derive(Clone, Copy, Debug)]
enum Docker {
    LeftOut,
    Given { prefix: u8 },
}

fn fixes() -> impl Strategy<Value = Fixes> {
    let pool = prop_oneof![
        3 => Just(Pool::LeftOut),
        1 => Just(Pool::Auto),
        1 => (1_u8..=10).prop_map(|length| Pool::Range { length }),
        1 => Just(Pool::GatewayOnly),
        1 => (1_u8..=10, any::<u8>()).prop_map(|(length, g)| Pool::Both { length, gateway: g % length }),
    ];
    (proptest::option::of(0_u8..12), proptest::option::of(0_u8..12), 0_u8..=5, pool)
        .prop_map(|(pods, services, workers, pool)| Fixes { pods, services, workers, pool })
}

fn docker() -> impl Strategy<Value = Docker> {
    prop_oneof![Just(Docker::LeftOut), (16_u8..=23).prop_map(|prefix| Docker::Given { prefix })]
}

/// A scenario file. Pods of cluster i lie in 10.(12 i + r).0.0/17 and services in 10.(12 i + r).128.0/20, so that fixed subnets
/// never overlap each other but do meet those that lab would choose; pools likewise take every other ten of the last /24.
fn scenario_text(name: &str, docker: Docker, shift: u8, clusters: &[Fixes]) -> String {
    let (subnet, given) = match docker {
        Docker::LeftOut => ("172.30.0.0/16".parse::<Ipv4Net>().unwrap(), false),
        Docker::Given { prefix } => (Ipv4Net::new(Ipv4Addr::new(172, 30, 0, 0), prefix).unwrap(), true),
    };
    let base = subnet.broadcast().to_bits() & !0xff;
    let mut text = format!("name: {name}\n");
    if given {
        writeln!(text, "dockerNetwork: {{ subnet: {subnet} }}").unwrap();
    }
    text.push_str("clusters:\n");
    for (i, fixes) in (0_u8..).zip(clusters) {
        writeln!(text, "  - name: c{i}\n    nodes: {{ workers: {} }}", fixes.workers).unwrap();
        if let Some(r) = fixes.pods {
            writeln!(text, "    podSubnet: 10.{}.0.0/17", 12 * i + r).unwrap();
        }
        if let Some(r) = fixes.services {
            writeln!(text, "    serviceSubnet: 10.{}.128.0/20", 12 * i + r).unwrap();
        }
        let first = base + 10 + u32::from((i + shift) % 24) * 10;
        let at = |n: u8| Ipv4Addr::from_bits(first + u32::from(n));
        let balancer = match fixes.pool {
            Pool::LeftOut => continue,
            Pool::Auto => "{ pool: auto }".to_owned(),
            Pool::Range { length } => format!("{{ pool: {}-{} }}", at(0), at(length - 1)),
            Pool::GatewayOnly => format!("{{ addresses: {{ eastWestGateway: {} }} }}", at(0)),
            Pool::Both { length, gateway } => {
                format!("{{ pool: {}-{}, addresses: {{ eastWestGateway: {} }} }}", at(0), at(length - 1), at(gateway))
            }
        };
        writeln!(text, "    loadBalancer: {balancer}").unwrap();
    }
    text
}

/// The pool of a cluster, as text.
fn pool_of(cluster: &LabCluster) -> String {
    cluster.pool.map_or_else(|| "none".to_owned(), |p| p.to_string())
}

fn lab(text: &str) -> Lab {
    let scenario = parse(text, "generated.yaml").unwrap_or_else(|e| panic!("{}\n{text}", render(&e)));
    resolve(&scenario).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn generated() -> impl Strategy<Value = String> {
    ("[a-z]([a-z0-9-]{0,10}[a-z0-9])?", docker(), 0_u8..24, proptest::collection::vec(fixes(), 1..=20))
        .prop_map(|(name, docker, shift, clusters)| scenario_text(&name, docker, shift, &clusters))
}

proptest! {
    #[test]
    fn everything_is_apart_and_inside(text in generated()) {
        let lab = lab(&text);
        let network = &lab.docker_network;
        prop_assert!(network.subnet.contains(&network.node_range));
        prop_assert!(network.node_range.contains(&network.gateway));
        let nodes: u64 = lab.clusters.iter().map(|c| u64::from(c.workers) + 1).sum();
        prop_assert!(nodes <= layout::node_capacity(network.subnet));
        let mut gateways = BTreeSet::new();
        for (i, cluster) in lab.clusters.iter().enumerate() {
            let pool = cluster.pool.expect("a load balancer");
            prop_assert!(pool.first <= pool.last);
            prop_assert!(layout::within(pool, network.subnet));
            prop_assert!(pool.first > network.node_range.broadcast());
            prop_assert!(pool.last < network.subnet.broadcast());
            // A single cluster has no other network to take traffic from.
            prop_assert!(lab.clusters.len() == 1 || cluster.addresses.contains_key(&Gateway::EastWestGateway));
            for address in cluster.kept_addresses() {
                prop_assert!(pool.contains(address));
                prop_assert!(gateways.insert(address));
            }
            prop_assert!(!layout::overlap(cluster.pod_subnet, cluster.service_subnet));
            for subnet in [cluster.pod_subnet, cluster.service_subnet] {
                prop_assert!(!layout::overlap(subnet, network.subnet));
                prop_assert_eq!(subnet, subnet.trunc());
            }
            for other in &lab.clusters[..i] {
                prop_assert!(!other.pool.is_some_and(|theirs| pool.overlaps(&theirs)));
                prop_assert!(!layout::overlap(cluster.pod_subnet, other.pod_subnet));
                prop_assert!(cluster.kind_name != other.kind_name);
            }
            prop_assert!(cluster.control_plane_node().len() <= 63);
        }
    }

    #[test]
    fn chosen_service_subnets_meet_no_pods(text in generated()) {
        let scenario = parse(&text, "generated.yaml").unwrap();
        let lab = resolve(&scenario).unwrap();
        for (cluster, given) in lab.clusters.iter().zip(&scenario.clusters) {
            if given.service_subnet.is_none() {
                for other in &lab.clusters {
                    prop_assert!(!layout::overlap(cluster.service_subnet, other.pod_subnet));
                }
            }
        }
    }

    #[test]
    fn what_is_fixed_stays(text in generated()) {
        let scenario = parse(&text, "generated.yaml").unwrap();
        let lab = resolve(&scenario).unwrap();
        for (cluster, given) in lab.clusters.iter().zip(&scenario.clusters) {
            prop_assert!(given.pod_subnet.is_none_or(|s| s == cluster.pod_subnet));
            prop_assert!(given.service_subnet.is_none_or(|s| s == cluster.service_subnet));
            prop_assert!(given.pool.is_none() || given.pool == cluster.pool);
            prop_assert!(given.addresses.iter().all(|(gateway, a)| cluster.addresses[gateway] == *a));
        }
    }

    #[test]
    fn the_same_text_gives_the_same_lab(text in generated()) {
        prop_assert_eq!(lab(&text), lab(&text));
    }

    #[test]
    fn one_more_cluster_changes_nothing_before_it(text in generated()) {
        let before = lab(&text);
        if before.clusters.len() == 20 {
            return Ok(());
        }
        let after = lab(&format!("{text}  - last\n"));
        prop_assert_eq!(&after.docker_network, &before.docker_network);
        let mut kept = after.clusters[..before.clusters.len()].to_vec();
        if before.clusters.len() == 1 {
            // The first cluster gets its gateway when there is another network, at the address that was kept for it.
            let planned: Vec<Ipv4Addr> = kept[0].kept_addresses().collect();
            prop_assert!(before.clusters[0].kept_addresses().all(|a| planned.contains(&a)));
            kept[0].addresses.clone_from(&before.clusters[0].addresses);
            kept[0].reserved.clone_from(&before.clusters[0].reserved);
        }
        prop_assert_eq!(kept, before.clusters);
    }

    #[test]
    fn the_written_lab_reads_as_the_same_lab(text in generated()) {
        let first = lab(&text);
        let written = scenario_yaml(&first);
        let second = lab(&written);
        prop_assert_eq!(&second, &first, "{}", written);
        prop_assert_eq!(scenario_yaml(&second), written);
    }
}

#[test]
fn a_lab_of_names_only_is_numbered_from_its_first_cluster() {
    let lab = lab("name: two-network\nclusters: [c1, c2]\n");
    assert_eq!(lab.docker_network.subnet.to_string(), "172.27.176.0/20");
    assert_eq!(lab.docker_network.gateway.to_string(), "172.27.176.1");
    assert_eq!(lab.docker_network.node_range.to_string(), "172.27.176.0/24");
    let addresses: Vec<String> =
        lab.clusters.iter().map(|c| format!("{} {} {}", c.pod_subnet, c.service_subnet, pool_of(c))).collect();
    assert_eq!(
        addresses,
        [
            "10.101.0.0/16 10.201.0.0/16 172.27.191.10-172.27.191.19",
            "10.102.0.0/16 10.202.0.0/16 172.27.191.20-172.27.191.29"
        ]
    );
}

#[test]
fn a_second_family_is_beside_the_first_and_apart_from_itself() {
    let text = |family: &str| format!("name: demo\nmesh: {{ ingressGateway: true }}\n{family}clusters: [c1, c2, c3]\n");
    let (one, dual) = (lab(&text("")), lab(&text("ipFamily: dual\n")));
    let mut first = dual.clone();
    first.docker_network.ipv6_subnet = None;
    first.clusters.iter_mut().for_each(|c| c.ipv6 = None);
    assert_eq!(first, one, "the IPv4 addresses are those of a lab of IPv4 alone");
    assert!(!serde_json::to_string(&one).unwrap().contains("ipv6"), "of which nothing else is said");
    assert_eq!(lab(&scenario_yaml(&dual)), dual);

    let network = &dual.docker_network;
    let all: Vec<_> =
        dual.clusters.iter().filter_map(|c| c.ipv6).flat_map(|v6| [v6.pod_subnet, v6.service_subnet]).collect();
    let all: Vec<_> = all.into_iter().chain(network.ipv6_subnet).collect();
    assert_eq!(all.len(), 7);
    for (i, subnet) in all.iter().enumerate() {
        assert!(subnet.addr().is_unique_local() && *subnet == subnet.trunc(), "{subnet}");
        assert!(all[..i].iter().all(|other| !other.contains(subnet) && !subnet.contains(other)), "{subnet}");
    }
    for address in dual.clusters.iter().flat_map(LabCluster::kept_addresses) {
        let twin = network.ipv6_of(address).unwrap();
        assert!(network.ipv6_subnet.unwrap().contains(&twin));
        assert!(!network.ipv6_node_range().unwrap().contains(&twin), "{twin} may be dealt out to a node");
    }
    let endpoints: Vec<String> =
        dual.clusters[0].east_west_endpoints(network).iter().map(ToString::to_string).collect();
    assert_eq!(endpoints.len(), 2);
    assert!(endpoints[1].starts_with("[fd") && endpoints[1].ends_with("]:15443"), "{endpoints:?}");
    let other = lab(&text("ipFamily: dual\n").replace("demo", "other")).docker_network.ipv6_subnet;
    assert_ne!(other, network.ipv6_subnet, "two labs are apart");
}

#[test]
fn refuses_what_does_not_go_with_two_families() {
    let shown = [
        "name: demo\nipFamily: ipv6\nclusters: [c1]\n",
        "name: demo\nipFamily: dua\nclusters: [c1]\n",
        "ipFamily: dual\nname: demo\nclusters:\n  - name: c1\n    podSubnet: fd00::/56\n  - name: c2\n",
        "name: demo\nipFamily: dual\nmesh: { topology: primary-remote, meshNetworks: true }\nclusters: [c1, { name: c2, primary: c1 }]\n",
        "name: demo\nipFamily: dual\nmesh: none\nclusters: [m, c1]\nfederation: { manager: m }\n",
    ]
    .map(|text| format!("{text}\n{}", render(&parse(text, "lab.yaml").expect_err("it is refused"))));
    let shown = shown.join("\n========================================\n");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(shown) });
}

#[test]
fn a_clusters_turn_begins_at_its_own_position() {
    let pool = "{ pool: 172.30.100.1-172.30.100.5 }";
    let lab = lab(&format!(
        "name: mixed\nclusters:\n  - {{ name: c1, podSubnet: 10.102.0.0/16, loadBalancer: {pool} }}\n  - c2\n  - c3\n"
    ));
    assert_eq!(lab.docker_network.subnet.to_string(), "172.30.0.0/16");
    let addresses: Vec<String> = lab.clusters.iter().map(|c| format!("{} {}", c.pod_subnet, pool_of(c))).collect();
    assert_eq!(
        addresses,
        [
            "10.102.0.0/16 172.30.100.1-172.30.100.5",
            "10.103.0.0/16 172.30.255.20-172.30.255.29",
            "10.104.0.0/16 172.30.255.30-172.30.255.39"
        ]
    );
}

#[test]
fn a_small_docker_network_is_used_from_its_second_half_on() {
    let lab = lab("name: small\ndockerNetwork: { subnet: 172.30.1.0/26 }\nclusters: [c1, c2, c3]\n");
    assert_eq!(lab.docker_network.node_range.to_string(), "172.30.1.0/27");
    let pools: Vec<String> = lab.clusters.iter().map(pool_of).collect();
    assert_eq!(pools, ["172.30.1.32-172.30.1.41", "172.30.1.42-172.30.1.51", "172.30.1.52-172.30.1.61"]);
}

#[test]
fn a_full_docker_network_is_refused_and_named() {
    let text = "name: full\ndockerNetwork: { subnet: 172.30.1.0/26 }\nclusters: [c1, c2, c3, c4]\n";
    let error = resolve(&parse(text, "full.yaml").unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Docker network 172.30.1.0/26 has no ten addresses left for the pool of cluster `c4`"
    );
}

#[test]
fn a_scenario_that_takes_all_of_ten_still_gets_subnets() {
    let text = "name: wide\nclusters:\n  - { name: c1, podSubnet: 10.0.0.0/8 }\n  - c2\n";
    let lab = lab(text);
    assert_eq!(lab.clusters[0].service_subnet.to_string(), "100.96.0.0/16");
    assert_eq!(lab.clusters[1].pod_subnet.to_string(), "100.64.0.0/16");
}

#[test]
fn gateways_get_the_first_free_addresses_of_the_pool() {
    let lab = lab("name: demo\nmesh: { ingressGateway: true }\nclusters:\n  - c1\n  - name: c2\n    \
                   loadBalancer: { pool: 172.24.15.100-172.24.15.101, addresses: { ingressGateway: 172.24.15.100 } }\n\
                   dockerNetwork: { subnet: 172.24.0.0/20 }\n");
    let of = |c: usize| lab.clusters[c].addresses.values().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(of(0), ["172.24.15.10", "172.24.15.11"]);
    // East-west first.
    assert_eq!(of(1), ["172.24.15.101", "172.24.15.100"]);
}

#[test]
fn a_pool_that_is_too_small_for_its_gateways_is_refused() {
    let text = "name: demo\nmesh: { ingressGateway: true }\nclusters:\n  - c1\n  - name: c2\n    \
                loadBalancer: { pool: 172.24.15.100/32 }\n";
    let error = resolve(&parse(text, "x.yaml").unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pool 172.24.15.100-172.24.15.100 of cluster `c2` has no address left for its ingress gateway"
    );
}

#[test]
fn a_cluster_without_a_load_balancer_is_published_by_the_host() {
    let lab =
        lab("name: demo\nmesh: { meshNetworks: true }\nclusters:\n  - c1\n  - { name: c2, loadBalancer: none }\n\
                   dockerNetwork: { subnet: 172.24.0.0/20 }\n");
    assert_eq!(lab.clusters[0].published_gateway, None);
    assert_eq!(lab.clusters[1].pool, None);
    assert_eq!(lab.clusters[1].east_west_endpoint().unwrap().to_string(), "172.24.0.1:31444");
}

#[test]
fn an_external_control_plane_has_an_address_and_no_gateway() {
    let lab = lab("name: demo\nmesh: { topology: external, ingressGateway: true }\nclusters: [host, w1, w2]\n");
    let has = |c: usize| lab.clusters[c].addresses.keys().copied().collect::<Vec<_>>();
    assert_eq!(has(0), [Gateway::Istiod]);
    assert_eq!(has(1), [Gateway::EastWestGateway, Gateway::IngressGateway]);
    assert!(lab.clusters.iter().all(|c| c.primary == "host"));
}

/// A lab whose cluster c1 has a Service that asks for an address.
fn asking(clusters: &str, address: &str) -> String {
    format!(
        "name: demo\ndockerNetwork: {{ subnet: 172.24.0.0/20 }}\nclusters:\n{clusters}apps:\n  - manifests:\n      clusters: [c1]\n      \
         objects: [{{ apiVersion: v1, kind: Service, metadata: {{ name: edge, namespace: shop, \
         annotations: {{ metallb.io/loadBalancerIPs: {address} }} }}, spec: {{ type: LoadBalancer }} }}]\n"
    )
}

#[test]
fn an_address_is_kept_for_a_gateway_that_comes_later() {
    let alone = lab("name: demo\ndockerNetwork: { subnet: 172.24.0.0/20 }\nclusters: [c1]\n");
    assert_eq!(alone.clusters[0].reserved[&Gateway::EastWestGateway].to_string(), "172.24.15.10");
    assert!(alone.clusters[0].addresses.is_empty());
    let ingress = "name: demo\nmesh: { ingressGateway: true }\ndockerNetwork: { subnet: 172.24.0.0/20 }\n";
    let [alone, grown] = ["[c1]", "[c1, c2]"].map(|clusters| lab(&format!("{ingress}clusters: {clusters}\n")));
    assert_eq!(alone.clusters[0].addresses[&Gateway::IngressGateway].to_string(), "172.24.15.11");
    assert_eq!(grown.clusters[0].addresses[&Gateway::IngressGateway].to_string(), "172.24.15.11");
    assert_eq!(grown.clusters[0].addresses[&Gateway::EastWestGateway].to_string(), "172.24.15.10");
    assert!(grown.clusters[0].reserved.is_empty());
}

#[test]
fn what_a_service_asks_for_is_stepped_over() {
    for clusters in ["  - c1\n", "  - c1\n  - c2\n"] {
        let lab = lab(&asking(clusters, "172.24.15.10"));
        let kept: Vec<String> = lab.clusters[0].kept_addresses().map(|a| a.to_string()).collect();
        assert_eq!(kept, ["172.24.15.11", "172.24.15.12"]);
        // Other clusters have other addresses.
        assert!(lab.clusters.get(1).is_none_or(|c| c.kept_addresses().any(|a| a.to_string() == "172.24.15.20")));
    }
}

#[test]
fn a_service_that_asks_for_a_fixed_address_of_a_gateway_is_refused() {
    let fixed = "  - { name: c1, loadBalancer: { addresses: { eastWestGateway: 172.24.15.10 } } }\n  - c2\n";
    let error = resolve(&parse(&asking(fixed, "172.24.15.10"), "x.yaml").unwrap()).unwrap_err().to_string();
    let asked = "Service shop/edge asks for 172.24.15.10, which is fixed for the east-west gateway of cluster `c1`";
    assert_eq!(error, asked);
}

#[test]
fn api_servers_are_not_published_at_an_address_of_the_lab() {
    let published = |at: &str| {
        let network = format!("{{ subnet: 172.24.0.0/20, apiServerAddress: {at} }}");
        let text = format!("name: demo\ndockerNetwork: {network}\nclusters: [c1]\n");
        resolve(&parse(&text, "x.yaml").unwrap())
    };
    let refused = published("172.24.3.9").unwrap_err().to_string();
    assert!(refused.ends_with("apiServerAddress 172.24.3.9 lies in 172.24.0.0/20, which is the lab's own"));
    assert!(published("10.101.0.1").is_err() && published("172.24.0.1").is_ok() && published("172.17.0.1").is_ok());
}
