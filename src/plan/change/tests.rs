use super::*;
use crate::plan::resolve;
use crate::scenario::parse;

fn lab(text: &str) -> Lab {
    let text = format!("name: a\n{text}\n");
    let scenario = parse(&text, "a.yaml").unwrap_or_else(|e| panic!("{text}: {}", crate::scenario::render(&e)));
    resolve(&scenario).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn what_stays_as_it_was_made() {
    let federated = "mesh: none\nclusters: [m, c1, c2]\nfederation: ";
    for (old, new, change) in [
        (
            "clusters: [c1]",
            "versions: { kubernetes: 1.35 }\nclusters: [c1]",
            "versions.kubernetes of its cluster c1 would change from 1.36 to 1.35",
        ),
        (
            "dockerNetwork: { apiServerAddress: 172.17.0.1 }\nclusters: [c1]",
            "clusters: [c1]",
            "dockerNetwork.apiServerAddress would change",
        ),
        ("clusters: [c1]", "ipFamily: dual\nclusters: [c1]", "ipFamily would change"),
        ("clusters: [c1]", "dockerNetwork: { mtu: 1400 }\nclusters: [c1]", "dockerNetwork.mtu would change"),
        (
            "clusters: [{ name: c1, locality: { region: r }, nodes: { workers: 1 } }]",
            "clusters: [{ name: c1, locality: { region: r }, nodes: { zones: [a, b] } }]",
            "nodes.zones of its cluster c1 would change from none to a, b",
        ),
        (
            "dockerNetwork: { subnet: 172.30.0.0/20 }\nclusters: [c1]",
            "dockerNetwork: { subnet: 172.30.16.0/20 }\nclusters: [c1]",
            "its Docker network would change from 172.30.0.0/20 to 172.30.16.0/20",
        ),
        ("clusters: [c1]", "images: { mirror: '127.0.0.1:5000' }\nclusters: [c1]", "images.mirror would change"),
        (
            "clusters: [c1, c2]",
            "clusters: [c1]",
            "the scenario no longer has its cluster c2, which only `lab up --remove` takes away",
        ),
        (
            "clusters: [{ name: c1, podSubnet: 10.8.0.0/16 }]",
            "clusters: [{ name: c1, podSubnet: 10.9.0.0/16 }]",
            "podSubnet of its cluster c1 would change from 10.8.0.0/16 to 10.9.0.0/16",
        ),
        (
            "clusters: [{ name: c1, serviceSubnet: 10.8.0.0/16 }]",
            "clusters: [{ name: c1, serviceSubnet: 10.9.0.0/16 }]",
            "serviceSubnet of its cluster c1 would change from 10.8.0.0/16 to 10.9.0.0/16",
        ),
        (
            "clusters: [c1]",
            "clusters: [{ name: c1, nodes: { workers: 1 } }]",
            "nodes.workers of its cluster c1 would change from 0 to 1",
        ),
        (
            "clusters: [c1, c2]",
            "clusters: [c1, { name: c2, network: east }]",
            "network of its cluster c2 would change from network-c2 to east",
        ),
        (
            "mesh: { topology: primary-remote }\nclusters: [c1, { name: c2, primary: c1 }, { name: c3, primary: c3 }]",
            "mesh: { topology: primary-remote }\nclusters: [c1, { name: c2, primary: c3 }, { name: c3, primary: c3 }]",
            "primary of its cluster c2 would change from c1 to c3",
        ),
        (
            "mesh: { meshNetworks: true }\nclusters: [c1, c2]",
            "mesh: { meshNetworks: true }\nclusters: [c1, { name: c2, loadBalancer: none }]",
            "loadBalancer of its cluster c2 would change from a pool to none",
        ),
        (
            "mesh: { meshNetworks: true }\nclusters: [{ name: c1, loadBalancer: none }]",
            "mesh: { meshNetworks: true }\nclusters: [{ name: c1, loadBalancer: none }, c2]",
            "what the host publishes of its cluster c1 would change from none to 31443",
        ),
        (
            "mesh: { topology: primary-remote, meshNetworks: true }\nclusters: [{ name: c1, loadBalancer: none }, c2, { name: c3, primary: c2 }]",
            "mesh: { topology: primary-remote, meshNetworks: true }\nclusters: [{ name: c1, loadBalancer: none }, c2, { name: c3, primary: c2 }, { name: c4, primary: c1 }]",
            "what the host publishes of its cluster c1 would change from 31443 to 31443, 15012, 15017",
        ),
        (
            &format!("{federated}{{ manager: m }}"),
            "mesh: none\nclusters: [m, c1, c2]",
            "the scenario no longer has its federation",
        ),
        (
            &format!("{federated}{{ manager: m, members: [c2] }}"),
            &format!("{federated}{{ manager: c1, members: [c2] }}"),
            "the manager of its federation would change from m to c1",
        ),
        (
            &format!("{federated}{{ manager: m, members: [c1, c2] }}"),
            &format!("{federated}{{ manager: m, members: [c1] }}"),
            "its cluster c2 would no longer be a member of the federation, which takes `lab up --remove`",
        ),
        (
            "mesh: { topology: external }\nclusters: [h, c1, c2]",
            "mesh: { topology: external }\nclusters: [h, c2, c1]",
            "its istiod would no longer read its configuration from c1, but from c2",
        ),
        (
            "mesh: { topology: external }\nclusters: [h, c1]",
            "clusters: [h, c1]",
            "primary of its cluster c1 would change from h to c1",
        ),
        (
            "clusters: [c1, c2]",
            "mesh: { topology: primary-remote }\nclusters: [c1, c2]",
            "primary of its cluster c2 would change from c2 to c1",
        ),
        (
            &format!("{federated}{{ manager: m, members: [c1] }}"),
            &format!("{federated}{{ manager: m, members: [{{ cluster: c1, mode: pull }}] }}"),
            "the mode of its member c1 would change from push to pull",
        ),
    ] {
        let error = refuse_changes(&lab(old), &lab(new), false).expect_err(new);
        assert_eq!(error.to_string(), format!("lab a exists, and {change}"), "{old}\n->\n{new}");
    }
}

#[test]
fn what_a_lab_can_take_on() {
    let federated = "mesh: none\nclusters: [m, c1, c2]\nfederation: ";
    for (old, new) in [
        ("clusters: [c1]", "clusters: [c1]"),
        ("clusters: [c1]", "versions: { kubernetes: 1.36 }\nclusters: [c1]"),
        ("clusters: [c1]", "clusters: [c1]\nchecks: []"),
        ("clusters: [c1]", "clusters: [c1]\nmesh: { ingressGateway: true }"),
        ("mesh: none\nclusters: [m, c1, c2]", &format!("{federated}{{ manager: m }}")),
        (&format!("{federated}{{ manager: m, members: [c1] }}"), &format!("{federated}{{ manager: m }}")),
        ("mesh: { topology: primary-remote }\nclusters: [c1, c2]", "clusters: [c1, c2]"),
    ] {
        let refused = refuse_changes(&lab(old), &lab(new), false).err();
        assert!(refused.is_none(), "{refused:?}: {old}\n->\n{new}");
    }
}

#[test]
fn a_cluster_goes_if_that_is_asked_for_and_nothing_else_changes_by_it() {
    let two = lab("clusters: [c1, c2]");
    assert!(refuse_changes(&two, &lab("clusters: [c1]"), true).is_ok());
    let members = "mesh: none\nclusters: [m, c1, c2]\nfederation: { manager: m }";
    let one = "mesh: none\nclusters: [m, c1]\nfederation: { manager: m }";
    assert!(refuse_changes(&lab(members), &lab(one), true).is_ok());
    let more = lab("clusters: [{ name: c1, nodes: { workers: 1 } }]");
    assert!(refuse_changes(&two, &more, true).is_err());
}

#[test]
fn a_cluster_whose_containers_are_there_is_not_forgotten() {
    let lab = lab("clusters: [c1]");
    let c1 = ("c1", "a-c1-control-plane");
    assert!(refuse_unnamed(&lab, [c1].into_iter()).is_ok());
    let refused = refuse_unnamed(&lab, [c1, ("c2", "a-c2-control-plane"), ("c2", "a-c2-worker")].into_iter());
    assert_eq!(
        refused.expect_err("c2 is not named").to_string(),
        "lab a has containers of a cluster c2 that the scenario does not name: a-c2-control-plane, a-c2-worker"
    );
}

#[test]
fn meshes_stay_since_every_workload_has_the_roots_of_all() {
    let two = lab("clusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }]\n");
    let three = lab("clusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }, { name: c3, mesh: north }]\n");
    let longer = lab("clusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }, { name: c3, mesh: west }]\n");
    let moved = lab("clusters: [{ name: c1, mesh: west }, { name: c2, mesh: west }]\n");
    let told = |new: &Lab| refuse_changes(&two, new, true).map_err(|e| e.to_string());
    assert_eq!(told(&longer), Ok(()));
    assert_eq!(
        told(&three).expect_err("another root"),
        "lab a exists, and its meshes would change from east, west to east, north, west, each of which trusts the roots of all"
    );
    assert_eq!(
        told(&moved).expect_err("another mesh"),
        "lab a exists, and mesh of its cluster c1 would change from east to west"
    );
}
