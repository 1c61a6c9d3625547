//! Rules for clusters in meshes of their own. What nobody has tried with several meshes is refused.

use std::collections::BTreeMap;

use super::{Draft, Located, Problems, RawMesh, Span, Topology, names};
use crate::scenario::fault::RawFault;
use crate::scenario::form::OrWord;
use crate::scenario::problem::MeshProblem;
use crate::scenario::raw::RawFederation;

/// A DNS label is no longer, and a trust domain of it is short.
const MAX_MESH_NAME: usize = 20;

/// What of a file cannot stand beside clusters in meshes of their own, in the order of the fields.
pub(super) fn excluded(
    mesh: Option<&OrWord<Located<RawMesh>>>,
    federation: Option<&Located<RawFederation>>,
    faults: Option<&Located<Vec<Located<RawFault>>>>,
) -> Vec<(Span, MeshProblem)> {
    let beside = |what, reason, remedy| MeshProblem::Beside { what, reason, remedy };
    let mut all = Vec::new();
    match mesh {
        Some(OrWord::Word(span)) => {
            all.push((*span, beside("`mesh: none`", "there is none to be in", "leave `mesh` of the clusters out")));
        }
        Some(OrWord::Value(Located { value: mesh, .. })) => {
            let named = "each has its name as ID, and NAME.local as trust domain";
            all.extend(mesh.id.as_ref().map(|id| (id.span, beside("`id`", named, "leave `id` out"))));
            let domain = mesh.trust_domain.as_ref();
            all.extend(domain.map(|d| (d.span, beside("`trustDomain`", named, "leave `trustDomain` out"))));
            if let Some(topology) = mesh.topology.as_ref().filter(|t| t.value != Topology::MultiPrimary) {
                let reason = "each cluster needs an istiod of its own mesh, and lab gives every cluster its own";
                all.push((topology.span, beside("this topology", reason, "write `topology: multi-primary`")));
            }
            let ca = mesh.ca.as_ref().map(|ca| ca.span);
            let own = "lab makes a root for each mesh, and a file of yours would be the root of all";
            all.extend(ca.map(|span| (span, beside("`ca`", own, "leave `ca` out"))));
        }
        None => {}
    }
    if let Some(federation) = federation {
        let reason = "nobody has tried Karmada over several meshes";
        all.push((federation.span, beside("a federation", reason, "leave `federation` out")));
    }
    if let Some(faults) = faults.filter(|faults| !faults.value.is_empty()) {
        let reason = "what a fault must do to calls is derived for one mesh";
        let remedy = "leave `faults` out; `lab fault` breaks something of the running lab";
        all.push((faults.span, beside("`faults`", reason, remedy)));
    }
    all
}

/// Checks the meshes of all clusters.
pub(super) fn check(drafts: &[Draft], excluded: Vec<(Span, MeshProblem)>, problems: &mut Problems) {
    let Some(first) = drafts.iter().find_map(|d| d.mesh.as_ref()) else { return };
    for (span, problem) in excluded {
        problems.add(span, problem).also(first.span, "a cluster is put into a mesh here");
    }
    let mut networks: BTreeMap<String, &Draft> = BTreeMap::new();
    for draft in drafts {
        let cluster = &draft.name;
        let Some(mesh) = &draft.mesh else {
            problems
                .add(cluster.span, MeshProblem::InNone { cluster: cluster.value.clone() })
                .also(first.span, "a cluster is put into a mesh here");
            continue;
        };
        if names::dns_label("mesh name", mesh, MAX_MESH_NAME, problems) && mesh.value == "cluster" {
            problems.add(mesh.span, MeshProblem::Reserved);
        }
        let network = draft.network();
        let before = networks.get(&network).and_then(|d| Some((d.name.value.clone(), d.mesh.as_ref()?)));
        if let Some((other, theirs)) = before.filter(|(_, theirs)| theirs.value != mesh.value) {
            let problem = MeshProblem::SharedNetwork { cluster: cluster.value.clone(), other, network };
            problems.add(mesh.span, problem).also(theirs.span, "the other mesh");
        } else {
            networks.entry(network).or_insert(draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::{parse, render};

    /// Everything that refused files show, after the files themselves.
    fn refused(texts: &[&str]) -> String {
        let shown = texts.iter().map(|text| {
            let errors = parse(&format!("name: demo\n{text}"), "lab.yaml").expect_err(text);
            format!("{text}\n{}", render(&errors))
        });
        shown.collect::<Vec<_>>().join("\n========================================\n")
    }

    #[test]
    fn what_nobody_has_tried_with_several_meshes_is_refused() {
        insta::assert_snapshot!(refused(&[
            "mesh: { id: a, trustDomain: b.c, topology: primary-remote }\nclusters: [{ name: c1, mesh: east }, { name: c2, mesh: east }]\nfaults: [partition: { between: [c1, c2] }]\n",
            "mesh: none\nclusters: [{ name: c1, mesh: east }]\n",
            "mesh: { ca: { files: { rootCert: a, rootKey: b } } }\nclusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }, { name: m, mesh: west }]\nfederation: { manager: m }\n",
        ]));
    }

    #[test]
    fn each_cluster_is_in_one_mesh_and_each_network_too() {
        insta::assert_snapshot!(refused(&[
            "clusters: [{ name: c1, mesh: east, network: n }, { name: c2, mesh: west, network: n }, c3]\n",
            "clusters: [{ name: c1, mesh: cluster }, { name: c2, mesh: West_1 }]\n",
        ]));
    }

    #[test]
    fn nobody_is_called_in_another_mesh_by_the_name_of_a_service() {
        insta::assert_snapshot!(refused(&[
            "clusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }]\nchecks: [failover: { order: { c1: [c1, c2] } }]\n",
            "clusters: [{ name: c1, mesh: east }, { name: c2, mesh: west }]\napps: [sleep, helloworld: { versions: { c1: v1 } }]\n",
        ]));
    }
}
