//! The graph of a lab's mesh: who is where, who watches whom, and at which addresses things are reached.

use std::net::SocketAddrV4;

use super::federation;
use super::{Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind, Subject};
use crate::plan::render::{DISCOVERY_PORT, INGRESS_PORT};
use crate::plan::{Gateway, Lab, LabCluster, helloworlds};
use crate::scenario::{App, Topology};

/// Callers outside the clusters, where there is an ingress gateway.
const CALLERS: &str = "outside/callers";

/// The topology of a lab: clusters in their regions and networks; apart from them the host of an external control plane, and the manager of a
/// federation.
#[must_use]
pub fn topology(lab: &Lab) -> Graph {
    let mut groups: Vec<Group> = lab.clusters.iter().filter(|c| lab.is_host(c)).map(|c| host(lab, c)).collect();
    groups.extend(lab.federation.as_ref().and_then(|f| federation::manager(lab, f)));
    if lab.has_mesh() {
        let mut names: Vec<&str> = Vec::new();
        for cluster in lab.data_clusters() {
            if !names.contains(&cluster.network.as_str()) {
                names.push(&cluster.network);
            }
        }
        groups.extend(names.iter().enumerate().map(|(i, name)| network(lab, i, name)));
    } else {
        groups.push(unmeshed(lab));
    }
    let enters = lab.data_clusters().any(|c| c.addresses.contains_key(&Gateway::IngressGateway));
    if enters {
        groups.push(Group {
            id: "outside".to_owned(),
            kind: GroupKind::Outside,
            title: "outside the clusters".to_owned(),
            lines: Vec::new(),
            groups: Vec::new(),
            nodes: vec![node(CALLERS.to_owned(), NodeKind::Callers, "callers".to_owned(), None)],
        });
    }
    let edges =
        watches(lab).chain(configured(lab)).chain(federation::edges(lab)).chain(calls(lab)).chain(enters_at(lab));
    Graph {
        subject: Subject::Topology,
        title: lab.name.clone(),
        subtitle: if lab.makes_machines() {
            format!("{}, Docker network {}", mesh(lab), lab.docker_network.subnet)
        } else {
            mesh(lab)
        },
        groups,
        edges: edges.collect(),
    }
}

fn mesh(lab: &Lab) -> String {
    let topology = match lab.mesh.topology {
        Topology::MultiPrimary => "multi-primary",
        Topology::PrimaryRemote => "primary-remote",
        Topology::External => "externally controlled",
        Topology::None => return "no mesh".to_owned(),
    };
    match lab.meshes()[..] {
        [] => format!("{topology} mesh {}, trust domain {}", lab.mesh.id, lab.mesh.trust_domain),
        [_] => format!("{topology} mesh {}", lab.meshes_in_words()),
        _ => format!("{topology} meshes {}", lab.meshes_in_words()),
    }
}

fn host(lab: &Lab, cluster: &LabCluster) -> Group {
    Group {
        id: "host".to_owned(),
        kind: GroupKind::Outside,
        title: "outside the mesh".to_owned(),
        lines: Vec::new(),
        groups: vec![cluster_group(lab, cluster)],
        nodes: Vec::new(),
    }
}

fn network(lab: &Lab, index: usize, name: &str) -> Group {
    let members: Vec<&LabCluster> = lab.data_clusters().filter(|c| c.network == name).collect();
    let id = format!("network-{}", index + 1);
    Group {
        kind: GroupKind::Network,
        title: name.to_owned(),
        lines: if members.len() > 1 { vec!["pods reach pods".to_owned()] } else { Vec::new() },
        groups: by_region(lab, &id, &members),
        nodes: Vec::new(),
        id,
    }
}

/// The clusters of a lab without a mesh, which knows no networks.
fn unmeshed(lab: &Lab) -> Group {
    let id = "unmeshed".to_owned();
    Group {
        kind: GroupKind::Unmeshed,
        title: "without a mesh".to_owned(),
        lines: Vec::new(),
        groups: by_region(lab, &id, &lab.data_clusters().collect::<Vec<_>>()),
        nodes: Vec::new(),
        id,
    }
}

/// Clusters with a region inside it, the others as they are.
fn by_region(lab: &Lab, around: &str, members: &[&LabCluster]) -> Vec<Group> {
    let region = |c: &LabCluster| c.locality.as_ref().map(|l| l.region.clone());
    let mut groups: Vec<Group> = Vec::new();
    for cluster in members {
        let inside = cluster_group(lab, cluster);
        let Some(region) = region(cluster) else {
            groups.push(inside);
            continue;
        };
        match groups.iter_mut().find(|g| g.kind == GroupKind::Region && g.title == region) {
            Some(group) => group.groups.push(inside),
            None => groups.push(Group {
                id: format!("{around}-region-{}", groups.len() + 1),
                kind: GroupKind::Region,
                title: region,
                lines: Vec::new(),
                groups: vec![inside],
                nodes: Vec::new(),
            }),
        }
    }
    groups
}

/// Identifier of the group of a cluster.
fn cluster_id(cluster: &LabCluster) -> String {
    format!("cluster-{}", cluster.name)
}

pub(super) fn inner(cluster: &LabCluster, what: &str) -> String {
    format!("{}/{what}", cluster.name)
}

pub(super) fn node(id: String, kind: NodeKind, title: String, detail: Option<String>) -> Node {
    Node { id, kind, title, detail }
}

pub(super) fn cluster_group(lab: &Lab, cluster: &LabCluster) -> Group {
    let place = cluster.locality.as_ref().and_then(|l| {
        let parts: Vec<&str> = [l.zone.as_deref(), l.subzone.as_deref()].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" / "))
    });
    let place = place.or_else(|| (!cluster.zones.is_empty()).then(|| cluster.zones_once().join(", ")));
    let nodes = match cluster.workers {
        0 => "1 node".to_owned(),
        workers => format!("{} nodes", workers + 1),
    };
    let versions = (!cluster.versions.is_default()).then(|| cluster.versions.to_string());
    let mesh = cluster.mesh.as_ref().map(|mesh| format!("mesh {mesh}, trust domain {}", lab.trust_domain(cluster)));
    let said =
        mesh.into_iter().chain(lab.role_in_mesh(cluster)).chain(member_by(lab, cluster)).chain(place).chain(versions);
    let mut lines: Vec<String> = said.collect();
    match cluster.place() {
        Some((_, context)) => lines.push(format!("context {context}")),
        None => {
            lines.extend([
                format!("pods {}", cluster.pod_subnet),
                format!("services {}", cluster.service_subnet),
                nodes,
            ]);
        }
    }
    let mut inside = Vec::new();
    if lab.has_istio(cluster) && cluster.runs_istiod() {
        inside.push(node(inner(cluster, "istiod"), NodeKind::ControlPlane, "istiod".to_owned(), None));
    }
    inside.extend(federation::karmada(lab, cluster));
    inside.push(node(inner(cluster, "api-server"), NodeKind::ApiServer, "API server".to_owned(), None));
    inside.extend(federation::nodes(lab, cluster));
    if !lab.is_host(cluster) && !lab.is_manager(cluster) {
        inside.extend(apps(lab, cluster));
    }
    inside.extend(gateways(lab, cluster));
    Group {
        id: cluster_id(cluster),
        kind: GroupKind::Cluster,
        title: cluster.name.clone(),
        lines,
        groups: Vec::new(),
        nodes: inside,
    }
}

/// What it is to the federation.
fn member_by(lab: &Lab, cluster: &LabCluster) -> Option<String> {
    let federation = lab.federation.as_ref()?;
    if lab.is_manager(cluster) {
        return Some("manages the federation".to_owned());
    }
    let member = federation.member(&cluster.name)?;
    Some(format!("member by {}", member.mode.as_str()))
}

fn apps(lab: &Lab, cluster: &LabCluster) -> Vec<Node> {
    let app = |(i, app): (usize, &App)| {
        let (name, version) = match app {
            App::Helloworld { .. } => {
                let here = helloworlds(lab).filter(|h| h.cluster == cluster.name);
                let versions: Vec<String> = here.map(|h| h.version).collect();
                if versions.is_empty() {
                    return None;
                }
                (app.name(), Some(versions.join(", ")))
            }
            _ => (app.name(), None),
        };
        let id = inner(cluster, &format!("app-{}", i + 1));
        let kind = if app.runs_pods() { NodeKind::App } else { NodeKind::Objects };
        app.is_in(&cluster.name).then(|| node(id, kind, name.to_owned(), version))
    };
    lab.apps.iter().enumerate().filter_map(app).collect()
}

/// What of the cluster is reached from elsewhere, with its address.
fn gateways(lab: &Lab, cluster: &LabCluster) -> Vec<Node> {
    let mut nodes = Vec::new();
    for gateway in Gateway::ALL {
        let at = match gateway {
            // On one network it is there for remote clusters' sake only.
            Gateway::EastWestGateway if !lab.is_multi_network() => {
                cluster.east_west_endpoint().map(|e| SocketAddrV4::new(*e.ip(), DISCOVERY_PORT))
            }
            Gateway::EastWestGateway => cluster.east_west_endpoint(),
            Gateway::IngressGateway => cluster.addresses.get(&gateway).map(|a| SocketAddrV4::new(*a, INGRESS_PORT)),
            Gateway::Istiod => cluster.addresses.get(&gateway).map(|a| SocketAddrV4::new(*a, DISCOVERY_PORT)),
        };
        let Some(at) = at else { continue };
        let title = match gateway {
            Gateway::Istiod => "istiod's address",
            Gateway::EastWestGateway if cluster.published_gateway.is_some() => "east-west node port",
            gateway => gateway.title(),
        };
        nodes.push(node(gateway_id(cluster, gateway), NodeKind::Gateway, title.to_owned(), Some(at.to_string())));
    }
    nodes
}

fn gateway_id(cluster: &LabCluster, gateway: Gateway) -> String {
    inner(
        cluster,
        match gateway {
            Gateway::EastWestGateway => "east-west-gateway",
            Gateway::IngressGateway => "ingress-gateway",
            Gateway::Istiod => "istiod-address",
        },
    )
}

/// Every istiod reads every other cluster of the mesh, by a remote secret.
fn watches(lab: &Lab) -> impl Iterator<Item = Edge> {
    let readers = lab.istio_clusters().filter(|c| c.runs_istiod());
    readers.flat_map(|reader| {
        let others = lab.meshed_with(reader).filter(|of| of.name != reader.name);
        others.map(|of| Edge { from: inner(reader, "istiod"), to: inner(of, "api-server"), kind: EdgeKind::Watches })
    })
}

/// Where clusters without an istiod of their own find it.
fn configured(lab: &Lab) -> impl Iterator<Item = Edge> {
    lab.data_clusters().filter(|c| lab.has_mesh() && !c.runs_istiod()).map(|remote| {
        let primary = lab.control_plane(remote);
        let at = if lab.exposes_istiod(primary) { Gateway::EastWestGateway } else { Gateway::Istiod };
        Edge { from: cluster_id(remote), to: gateway_id(primary, at), kind: EdgeKind::Configured }
    })
}

/// Calls go to the east-west gateways of other networks.
fn calls(lab: &Lab) -> impl Iterator<Item = Edge> {
    lab.data_clusters().flat_map(|from| {
        let others = lab.meshed_with(from).filter(|to| to.network != from.network && to.east_west_endpoint().is_some());
        others.map(|to| Edge {
            from: cluster_id(from),
            to: gateway_id(to, Gateway::EastWestGateway),
            kind: EdgeKind::Calls,
        })
    })
}

fn enters_at(lab: &Lab) -> impl Iterator<Item = Edge> {
    let with = lab.data_clusters().filter(|c| c.addresses.contains_key(&Gateway::IngressGateway));
    with.map(|c| Edge { from: CALLERS.to_owned(), to: gateway_id(c, Gateway::IngressGateway), kind: EdgeKind::Enters })
}
