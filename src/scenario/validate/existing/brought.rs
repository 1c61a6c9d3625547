//! Rules for a mesh of lab's own in clusters that it did not make: what it cannot do there is refused by field.

use super::{Located, Problems};
use crate::scenario::check::RawCheck;
use crate::scenario::form::{OrWord, TruthOr};
use crate::scenario::model::{IpFamily, Topology};
use crate::scenario::problem::ExistingProblem;
use crate::scenario::raw::{RawCluster, RawExisting, RawMesh, RawScenario};
use crate::scenario::server;
use crate::scenario::tree::Span;

/// A field that is not for such clusters, where it is said: its name, why it is not, and what to do.
type Refused = (&'static str, Option<Span>, &'static str, &'static str);

/// Records what a scenario asks for that lab does only where it makes the clusters.
pub(super) fn refuse(raw: &RawScenario, problems: &mut Problems) {
    let of_nodes = "it works in the nodes of clusters that lab makes";
    let kubernetes = raw.versions.as_ref().and_then(|v| v.value.kubernetes.as_ref());
    let mut all: Vec<Refused> = vec![
        (
            "ipFamily: dual",
            raw.ip_family.as_ref().filter(|f| f.value == IpFamily::Dual).map(|f| f.span),
            "their networks are as they are",
            "leave `ipFamily` out",
        ),
        (
            "dockerNetwork",
            raw.docker_network.as_ref().map(|n| n.span),
            "lab makes no Docker network for them",
            "leave it out",
        ),
        ("versions.kubernetes", kubernetes.map(|k| k.span), "they run what they run", "leave it out"),
        ("federation", raw.federation.as_ref().map(|f| f.span), of_nodes, "leave it out"),
        ("faults", raw.faults.as_ref().filter(|f| !f.value.is_empty()).map(|f| f.span), of_nodes, "leave it out"),
    ];
    match &raw.mesh {
        Some(OrWord::Word(span)) => all.push((
            "mesh: none",
            Some(*span),
            "there would be nothing for lab to install",
            "leave `mesh` out, or `existing`",
        )),
        Some(OrWord::Value(mesh)) => all.extend(of_mesh(&mesh.value, mesh.span)),
        None => {}
    }
    for check in raw.checks.iter().flat_map(|checks| &checks.value) {
        let outside = "lab calls from outside at addresses that it knows before";
        let way = check.value.through().map(|through| through.span);
        all.push(("through", way, outside, "leave it out, and call through the mesh"));
        let field = match check.value {
            RawCheck::Rotation(_) | RawCheck::Request(_) => continue,
            RawCheck::Failover(_) => "failover",
            RawCheck::Reachability(_) => "reachability",
            RawCheck::Federation(_) => "federation",
        };
        all.push((field, Some(check.span), of_nodes, "use the checks `rotation` and `request`"));
    }
    record(all, problems);
}

/// What of a mesh lab installs only where it makes the clusters.
fn of_mesh(mesh: &RawMesh, at: Span) -> [Refused; 3] {
    let topology = mesh.topology.as_ref().filter(|t| t.value != Topology::MultiPrimary);
    let networks = mesh.mesh_networks.as_ref().filter(|m| m.value);
    let ingress = mesh.ingress_gateway.as_ref().filter(|i| !matches!(i, TruthOr::Truth(false)));
    [
        (
            "topology",
            topology.map(|t| t.span),
            "lab installs multi-primary meshes only in clusters that it did not make",
            "leave `topology` out",
        ),
        (
            "meshNetworks",
            networks.map(|m| m.span),
            "the list needs the addresses of gateways before they have any",
            "leave it out: networks are found by labels",
        ),
        (
            "ingressGateway",
            ingress.map(|_| at),
            "lab calls from outside at addresses that it knows before",
            "leave it out; yours can stand beside this mesh",
        ),
    ]
}

/// Records what a cluster that lab did not make cannot have in a mesh of lab's own.
pub(super) fn refuse_of_cluster(raw: &RawCluster, existing: &RawExisting, problems: &mut Problems) {
    let as_it_is = "the cluster is as it is";
    let mut all: Vec<Refused> = vec![
        (
            "mesh",
            raw.mesh.as_ref().map(|m| m.span),
            "lab installs one mesh in clusters that it did not make",
            "leave it out",
        ),
        ("podSubnet", raw.pod_subnet.as_ref().map(|s| s.span), as_it_is, "leave it out"),
        ("serviceSubnet", raw.service_subnet.as_ref().map(|s| s.span), as_it_is, "leave it out"),
        ("nodes", raw.nodes.as_ref().map(|n| n.span), as_it_is, "leave it out"),
        (
            "locality",
            raw.locality.as_ref().map(|l| l.span),
            "lab does not label nodes that it did not make",
            "leave it out",
        ),
        (
            "versions",
            raw.versions.as_ref().map(|v| v.span),
            "one version of Istio is installed in all of them",
            "write `versions: { istio }` above the clusters",
        ),
    ];
    match &raw.load_balancer {
        Some(OrWord::Word(span)) => all.push((
            "loadBalancer: none",
            Some(*span),
            "no port of theirs is published on this machine",
            "leave `loadBalancer` out: the cluster's own gives the addresses; or name a pool for MetalLB",
        )),
        Some(OrWord::Value(balancer)) if !balancer.value.pool.as_ref().is_some_and(|p| p.value != "auto") => all.push((
            "loadBalancer",
            Some(balancer.span),
            "only you know which addresses are free there",
            "name them: `loadBalancer: { pool: FIRST-LAST }` has lab install MetalLB; without `loadBalancer` the cluster's own gives the addresses",
        )),
        _ => {}
    }
    record(all, problems);
    let found = [
        ("clusterId", existing.cluster_id.as_ref().map(|f| f.span)),
        ("revision", existing.revision.as_ref().map(|f| f.span)),
        ("eastWestGateway", existing.east_west.as_ref().map(|f| f.span)),
        ("ingressGateway", existing.ingress.as_ref().map(|f| f.span)),
    ];
    for (field, span) in found {
        if let Some(span) = span {
            problems.add(span, ExistingProblem::Found { field });
        }
    }
    if let Some(Located { value, span }) = &existing.server
        && let Some(problem) = server::problem(value)
    {
        problems.add(*span, problem);
    }
}

fn record(all: Vec<Refused>, problems: &mut Problems) {
    for (field, span, why, remedy) in all {
        if let Some(span) = span {
            problems.add(span, ExistingProblem::OnExisting { field, why, remedy });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::{parse, render};

    const TWO: &str = "clusters: [{ name: c1, existing: { kubeconfig: a, context: b } }, { name: c2, existing: { kubeconfig: a, context: c, server: 'https://c2:6443' } }]\n";

    fn refused(text: &str) -> String {
        let errors = parse(&format!("name: demo\n{text}"), "lab.yaml").expect_err(text);
        format!("{text}\n{}", render(&errors))
    }

    #[test]
    fn what_lab_does_only_in_clusters_of_its_own_is_refused_by_field() {
        let cluster =
            |more: &str| format!("clusters: [{{ name: c1, existing: {{ kubeconfig: a, context: b }}{more} }}]\n");
        let all = [
            "clusters: [{ name: c1, existing: { kubeconfig: a, context: b } }, c2]\n".to_owned(),
            format!("mesh: none\n{TWO}"),
            format!("mesh: {{ topology: primary-remote, meshNetworks: true, ingressGateway: true }}\n{TWO}"),
            format!("ipFamily: dual\ndockerNetwork: {{ mtu: 1400 }}\nversions: {{ kubernetes: \"1.35\" }}\nfaults: [partition: {{ between: [c1, c2] }}]\n{TWO}"),
            format!("checks: [reachability, rotation: {{ through: ingress }}, request: {{ service: 'a.b:1/', through: loadBalancer }}]\n{TWO}"),
            cluster(", podSubnet: 10.1.0.0/16, serviceSubnet: 10.2.0.0/16, nodes: { workers: 1 }, locality: { region: a }, versions: { istio: \"1.31\" }, loadBalancer: none"),
            cluster(", loadBalancer: { pool: auto }"),
            cluster(", loadBalancer: { addresses: { eastWestGateway: 172.30.9.2 } }"),
            "clusters: [{ name: c1, existing: { kubeconfig: a, context: b, server: c1, clusterId: d, revision: e, eastWestGateway: { service: a/b } } }]\n".to_owned(),
        ];
        insta::assert_snapshot!(
            all.iter()
                .map(|text| refused(text))
                .collect::<Vec<_>>()
                .join("\n========================================\n")
        );
    }

    #[test]
    fn a_mesh_in_clusters_that_are_there_is_said_by_their_contexts() {
        let scenario = parse(&format!("name: demo\n{TWO}"), "lab.yaml").expect("valid");
        assert!(scenario.is_brought() && !scenario.mesh.existing && scenario.apps.len() == 2);
        let server = scenario.clusters[1].existing.as_ref().and_then(|e| e.server.as_deref());
        assert_eq!(server, Some("https://c2:6443"));
    }
}
