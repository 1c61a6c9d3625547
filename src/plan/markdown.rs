//! A lab's plan as one writes it down before anything is built: three tables of Markdown, with its clusters, its mesh, and its networks with every
//! address.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::net::Ipv4Addr;

use super::{Gateway, Lab, LabCluster};
use crate::scenario::{Matrix, Product, Topology};

/// What a cell says of what is not there.
const NONE: &str = "-";

/// The tables, each under a heading.
#[must_use]
pub fn plan_markdown(lab: &Lab) -> String {
    format!(
        "# {}\n\n## Clusters\n\n{}\n## Mesh\n\n{}\n## Networks\n\n{}\n\n{}",
        lab.name,
        clusters(lab),
        mesh(lab),
        bridge(lab),
        networks(lab)
    )
}

fn clusters(lab: &Lab) -> String {
    let rows = lab.clusters.iter().map(|cluster| {
        let locality = cluster.locality.as_ref().map(|l| {
            let zones = cluster.zones_once().join(", ");
            let zone = l.zone.as_deref().or(Some(zones.as_str()).filter(|z| !z.is_empty()));
            let parts = [Some(l.region.as_str()), zone, l.subzone.as_deref()];
            parts.into_iter().flatten().collect::<Vec<_>>().join("/")
        });
        [
            cluster.name.clone(),
            as_found(cluster).unwrap_or_else(|| version(lab, cluster, Product::Kubernetes)),
            as_found(cluster).unwrap_or_else(|| (u32::from(cluster.workers) + 1).to_string()),
            cluster.api_server(),
            locality.unwrap_or_else(|| NONE.to_owned()),
        ]
    });
    table(["cluster", "Kubernetes", "nodes", "API server, for pods of every cluster", "region/zone/subzone"], rows)
}

fn mesh(lab: &Lab) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut say = |what: &str, value: String| rows.push([what.to_owned(), value]);
    if lab.has_mesh() {
        let entered = lab.data_clusters().filter(|c| c.addresses.contains_key(&Gateway::IngressGateway));
        let configured = lab.data_clusters().filter(|c| lab.is_config_cluster(c));
        let domains: BTreeSet<String> = lab.istio_clusters().map(|c| lab.trust_domain(c)).collect();
        say("mesh ID", lab.meshes_in_words());
        say("trust domain", domains.into_iter().collect::<Vec<_>>().join(", "));
        say("topology", topology(lab.mesh.topology).to_owned());
        say("Istio", istio(lab));
        say("control planes", control_planes(lab));
        say("Istio's configuration is read from", names(configured));
        say("networks", network_mode(lab).to_owned());
        say("trust", trust(lab));
        say("ingress gateways", names(entered));
        let of = if lab.meshes().len() > 1 { "clusters of the meshes" } else { "clusters of the mesh" };
        say(of, names(lab.data_clusters()));
    } else {
        say("mesh", "none".to_owned());
    }
    if let Some(federation) = &lab.federation {
        let members: Vec<String> =
            federation.members.iter().map(|m| format!("{} ({})", m.cluster, m.mode.as_str())).collect();
        say("Karmada", format!("in {}, over {}", federation.manager, members.join(", ")));
    }
    table(["", ""], rows)
}

fn topology(topology: Topology) -> &'static str {
    match topology {
        Topology::MultiPrimary => "multi-primary: each cluster has a control plane",
        Topology::PrimaryRemote => "primary-remote: clusters use the control plane of another",
        Topology::External => "external: the control plane is outside the mesh",
        Topology::None => "none",
    }
}

/// The version of Istio, or those of the clusters where they differ.
fn istio(lab: &Lab) -> String {
    let all: Vec<(&str, String)> =
        lab.istio_clusters().map(|c| (c.name.as_str(), version(lab, c, Product::Istio))).collect();
    match all.split_first() {
        Some(((_, first), others)) if others.iter().all(|(_, version)| version == first) => first.clone(),
        _ => all.iter().map(|(cluster, version)| format!("{version} in {cluster}")).collect::<Vec<_>>().join(", "),
    }
}

/// Who uses which control plane, and where.
fn control_planes(lab: &Lab) -> String {
    let of = |host: &LabCluster| {
        let served = names(lab.data_clusters().filter(|c| c.primary == host.name));
        let at = host.istiod_for_others().filter(|_| lab.serves_others(host));
        let at = at.map_or_else(String::new, |address| format!(", reached at {address}"));
        format!("in {} for {served}{at}", host.name)
    };
    lab.istio_clusters().filter(|c| c.runs_istiod()).map(of).collect::<Vec<_>>().join("; ")
}

fn network_mode(lab: &Lab) -> &'static str {
    match (lab.is_multi_network(), lab.mesh.mesh_networks) {
        (false, _) => "one: pods reach each other by address",
        (true, false) => "several, with an east-west gateway each, found by labels",
        (true, true) => "several, with an east-west gateway each, listed in meshNetworks",
    }
}

fn trust(lab: &Lab) -> String {
    let root = if lab.mesh.ca.is_some() { "the scenario's own root" } else { "a root that lab makes" };
    let signing = names(lab.istio_clusters().filter(|c| c.runs_istiod()));
    let roots = if lab.meshes().len() > 1 { "a root for each mesh, all of which every cluster trusts" } else { root };
    format!("{roots}, with an intermediate for {signing}")
}

/// What all nodes are on.
fn bridge(lab: &Lab) -> String {
    if !lab.makes_machines() {
        return "The clusters are there: lab makes no machines for them.".to_owned();
    }
    let network = &lab.docker_network;
    format!(
        "All nodes are on the Docker network {}: {}, with the bridge at {} and nodes from {}.",
        network.name,
        both(&network.subnet, network.ipv6_subnet),
        both(&network.gateway, network.ipv6_gateway()),
        both(&network.node_range, network.ipv6_node_range())
    )
}

fn networks(lab: &Lab) -> String {
    let rows = lab.clusters.iter().map(|cluster| {
        let balanced = |gateway| balanced(lab, cluster, gateway);
        let published = cluster.published_gateway.map(|endpoint| format!("{endpoint} (node port)"));
        let is_exposed = lab.exposes_istiod(cluster);
        let istiod =
            balanced(Gateway::Istiod).or_else(|| is_exposed.then(|| "through the east-west gateway".to_owned()));
        let in_mesh = lab.has_mesh() && !lab.is_host(cluster) && !lab.is_manager(cluster);
        let or_none = |cell: Option<String>| cell.unwrap_or_else(|| NONE.to_owned());
        [
            cluster.name.clone(),
            or_none(role(lab, cluster)),
            or_none(in_mesh.then(|| cluster.network.clone())),
            as_found(cluster).unwrap_or_else(|| both(&cluster.pod_subnet, cluster.ipv6.map(|v6| v6.pod_subnet))),
            as_found(cluster)
                .unwrap_or_else(|| both(&cluster.service_subnet, cluster.ipv6.map(|v6| v6.service_subnet))),
            or_none(cluster.pool.map(|pool| pool.to_string())),
            or_none(istiod),
            or_none(balanced(Gateway::EastWestGateway).or(published)),
            or_none(balanced(Gateway::IngressGateway)),
        ]
    });
    table(
        [
            "cluster",
            "role",
            "network ID",
            "pods",
            "services",
            "load-balancer pool",
            "istiod for others",
            "east-west gateway",
            "ingress gateway",
        ],
        rows,
    )
}

/// The address that a gateway has, or that is kept for it.
fn balanced(lab: &Lab, cluster: &LabCluster, gateway: Gateway) -> Option<String> {
    let shown = |address: &Ipv4Addr| both(address, lab.docker_network.ipv6_of(*address));
    let reserved = || cluster.reserved.get(&gateway).map(|address| format!("{} (reserved)", shown(address)));
    let awaited = || cluster.awaited.contains(&gateway).then(|| "known after up".to_owned());
    cluster.addresses.get(&gateway).map(shown).or_else(reserved).or_else(awaited)
}

/// What is said of what a cluster has that lab did not make.
fn as_found(cluster: &LabCluster) -> Option<String> {
    (!cluster.is_made()).then(|| "as found".to_owned())
}

/// What a cluster is to the mesh and to the federation.
fn role(lab: &Lab, cluster: &LabCluster) -> Option<String> {
    let manages = lab.is_manager(cluster).then(|| "manages the federation".to_owned());
    let member = lab.federation.as_ref().and_then(|f| f.member(&cluster.name));
    let member = member.map(|m| format!("member by {}", m.mode.as_str()));
    let all: Vec<String> = lab.role_in_mesh(cluster).into_iter().chain(manages).chain(member).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The minor version of a product that a cluster runs. Where nobody asks for one, each source of images has its own newest.
fn version(lab: &Lab, cluster: &LabCluster, product: Product) -> String {
    let matrix = Matrix::embedded();
    let asked = cluster.versions.asked().find(|(of, _)| *of == product).map(|(_, minor)| minor);
    let (packages, registry) = matrix.served(lab.versions());
    let of = |sources| matrix.effective(product, asked, sources);
    let (of_packages, of_registry) = (of((true, false)), of((false, true)));
    if packages && registry && of_packages != of_registry {
        return format!("{of_packages} from packages, {of_registry} from registries");
    }
    of((packages, registry)).to_string()
}

fn names<'a>(clusters: impl Iterator<Item = &'a LabCluster>) -> String {
    let names: Vec<&str> = clusters.map(|c| c.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What there is of one family, or of two.
fn both(v4: &impl Display, v6: Option<impl Display>) -> String {
    v6.map_or_else(|| v4.to_string(), |v6| format!("{v4}, {v6}"))
}

/// A table with columns as wide as what is in them. No cell has a `|`, since all are names, addresses and words of this file.
fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: impl IntoIterator<Item = [String; COLUMNS]>) -> String {
    let rows: Vec<[String; COLUMNS]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let mut widths = [3; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        // Writing to a string cannot fail.
        for (cell, width) in row.iter().zip(widths) {
            _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if i == 0 {
            for width in widths {
                _ = write!(text, "|{:-<1$}", "", width + 2);
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    fn shown(text: &str) -> String {
        plan_markdown(&resolve(&parse(text, "lab.yaml").expect("a scenario")).expect("a lab"))
    }

    #[test]
    fn three_tables_have_every_address() {
        insta::assert_snapshot!(shown(include_str!("../../scenarios/three-network.yaml")));
        insta::assert_snapshot!(shown(include_str!("../../scenarios/external-control-plane.yaml")));
        insta::assert_snapshot!(shown(include_str!("../../scenarios/karmada.yaml")));
    }

    #[test]
    fn what_is_at_a_node_port_or_at_two_families_is_said() {
        let published = shown(include_str!("../../scenarios/mesh-networks.yaml"));
        assert!(
            published.contains(":31444 (node port) |") && published.contains("listed in meshNetworks"),
            "{published}"
        );
        let dual = shown("name: demo\nipFamily: dual\nclusters: [c1, c2]\n");
        let pods = dual.lines().filter(|l| l.starts_with("| c") && l.contains(", fd")).count();
        assert_eq!(pods, 2, "{dual}");
        let remote = shown(
            "name: demo\nmesh: { topology: primary-remote }\nclusters: [{ name: c1, network: n }, { name: c2, network: n }]\n",
        );
        assert!(
            remote.contains("in c1 for c1, c2, reached at ") && remote.contains("through the east-west gateway"),
            "{remote}"
        );
        assert!(remote.contains("one: pods reach each other by address"), "{remote}");
    }

    #[test]
    fn versions_that_differ_are_told_by_cluster() {
        let mixed = shown(include_str!("../../scenarios/mixed-versions.yaml"));
        assert!(mixed.contains("1.32 in c1, 1.31 in c2"), "{mixed}");
        let asked = shown("name: demo\nversions: { istio: 1.31 }\nclusters: [c1]\n");
        assert!(asked.contains("| Istio ") && asked.contains("| 1.31 "), "{asked}");
        let newest = shown("name: demo\nclusters: [c1]\n");
        assert!(newest.contains(" from packages, ") && newest.contains(" from registries"), "{newest}");
    }
}
