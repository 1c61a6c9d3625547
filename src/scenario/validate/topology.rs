//! Rules for topology, primaries, networks and gateways.

use super::{Draft, Gateway, Located, Mesh, Problems, Topology, TopologyProblem, known_cluster};
use crate::scenario::check::named;
use crate::scenario::form::{Names, TruthOr};
use crate::scenario::model::IngressGateways;

/// Says of each draft whose control plane it uses, as [`Topology::primary`] has it.
pub(super) fn assign(topology: Topology, drafts: &mut [Draft]) {
    let first = drafts.iter().find(|d| !d.manages).map(|d| d.name.value.clone()).unwrap_or_default();
    let any_named = drafts.iter().any(|d| !d.manages && d.primary.is_some());
    for draft in drafts.iter_mut() {
        if draft.manages {
            draft.uses.clone_from(&draft.name.value);
            continue;
        }
        let named = draft.primary.as_ref().map(|p| p.value.as_str());
        draft.uses = topology.primary(&draft.name.value, named, &first, any_named).to_owned();
    }
    for draft in drafts {
        draft.hosts = topology == Topology::External && draft.uses == draft.name.value && !draft.manages;
    }
}

/// Which clusters have an ingress gateway.
pub(super) fn ingress(given: Option<&TruthOr<Names>>) -> IngressGateways {
    match given {
        None | Some(TruthOr::Truth(false)) => IngressGateways::None,
        Some(TruthOr::Truth(true)) => IngressGateways::All,
        Some(TruthOr::Value(names)) => IngressGateways::Of(names.value.iter().map(|n| n.value.clone()).collect()),
    }
}

/// Checks the clusters that are named for that.
pub(super) fn check_ingress(given: Option<&TruthOr<Names>>, drafts: &[Draft], problems: &mut Problems) {
    let Some(TruthOr::Value(names)) = given else { return };
    let remedy = "write `true` for all clusters, `false` for none, or name clusters";
    named("ingressGateway", "cluster", remedy, names, problems);
    for name in &names.value {
        let is_outside = |d: &Draft| d.is_outside() && d.name.value == name.value;
        if known_cluster("ingressGateway", name, drafts, problems) && drafts.iter().any(is_outside) {
            problems.add(name.span, TopologyProblem::IngressOutside { cluster: name.value.clone() });
        }
    }
}

/// Checks primaries, and what follows from them, over all clusters.
pub(super) fn check(mesh: &Mesh, topology: Option<&Located<Topology>>, drafts: &[Draft], problems: &mut Problems) {
    for draft in drafts {
        if let Some(primary) = &draft.primary
            && !draft.manages
            && known_cluster("primary", primary, drafts, problems)
        {
            check_primary(mesh.topology, draft, primary, drafts, problems);
        }
    }
    if let Some(topology) = topology {
        check_roles(mesh.topology, topology, drafts, problems);
    }
    for draft in drafts {
        check_load_balancer(mesh, draft, drafts, problems);
        for (gateway, address) in &draft.addresses {
            if let Some((reason, remedy)) = unused(*gateway, mesh, draft, drafts) {
                let (field, cluster) = (gateway.field(), draft.name.value.clone());
                problems.add(address.span, TopologyProblem::NoSuchGateway { field, cluster, reason, remedy });
            }
        }
    }
}

fn check_primary(
    topology: Topology,
    draft: &Draft,
    primary: &Located<String>,
    drafts: &[Draft],
    problems: &mut Problems,
) {
    let (cluster, name) = (draft.name.value.clone(), primary.value.clone());
    if name == cluster {
        return;
    }
    if topology == Topology::MultiPrimary {
        problems.add(primary.span, TopologyProblem::RemoteInMultiPrimary { cluster, primary: name });
        return;
    }
    let of_primary = drafts.iter().find(|d| d.name.value == name).and_then(|d| d.primary.as_ref());
    if let Some(other) = of_primary.filter(|p| p.value != name) {
        let problem = TopologyProblem::PrimaryIsRemote { cluster, primary: name, other: other.value.clone() };
        problems.add(primary.span, problem).also(other.span, "it uses another control plane itself");
    }
}

/// Whether the topology has the clusters that its name promises.
fn check_roles(topology: Topology, name: &Located<Topology>, drafts: &[Draft], problems: &mut Problems) {
    let drafts: Vec<&Draft> = drafts.iter().filter(|d| !d.manages).collect();
    let own = drafts.iter().filter(|d| d.uses == d.name.value).count();
    match topology {
        Topology::PrimaryRemote if own == drafts.len() => _ = problems.add(name.span, TopologyProblem::NoRemote),
        // Who names a primary that is none has been told already.
        Topology::External if own > 1 && drafts.iter().all(|d| drafts.iter().any(|p| p.name.value == d.uses)) => {
            problems.add(name.span, TopologyProblem::NotOneHost { count: own });
        }
        Topology::External if drafts.len() < 2 => _ = problems.add(name.span, TopologyProblem::NoDataCluster),
        _ => {}
    }
}

/// What only works with a load balancer.
fn check_load_balancer(mesh: &Mesh, draft: &Draft, drafts: &[Draft], problems: &mut Problems) {
    let Some(span) = draft.no_load_balancer.filter(|_| !draft.manages && mesh.topology != Topology::None) else {
        return;
    };
    let publishes_istiod = |d: &&Draft| d.no_load_balancer.is_some() && d.serves_others(drafts);
    let (what, remedy) = if draft.hosts {
        ("others reach its control plane by a load balancer's address", "leave `loadBalancer` out")
    } else if publishes_istiod(&draft) && drafts.iter().find(publishes_istiod).is_some_and(|d| !std::ptr::eq(d, draft))
    {
        (
            "the host publishes ports 15012 and 15017, by which others reach a control plane, for one cluster only",
            "leave `loadBalancer` out here",
        )
    } else if mesh.ingress_gateway.has(&draft.name.value) {
        ("its ingress gateway has a load balancer's address", "leave `loadBalancer` or `ingressGateway` out")
    } else if !mesh.mesh_networks {
        (
            "other networks find a gateway by its load balancer, unless `meshNetworks` lists it",
            "write `mesh: { meshNetworks: true }`",
        )
    } else {
        return;
    };
    let cluster = draft.name.value.clone();
    problems.add(span, TopologyProblem::NeedsLoadBalancer { cluster, what, remedy });
}

/// Why a cluster does not have the gateway that an address is fixed for, and what to do.
fn unused(gateway: Gateway, mesh: &Mesh, draft: &Draft, drafts: &[Draft]) -> Option<(&'static str, &'static str)> {
    match gateway {
        _ if draft.manages => Some(("it manages the federation and is no part of the mesh", "remove it")),
        _ if mesh.topology == Topology::None => Some(("there is no mesh", "remove it, or `mesh: none`")),
        Gateway::Istiod if !draft.hosts && !draft.serves_others(drafts) => Some((
            "no other cluster uses its control plane",
            "remove it, or give it to the cluster that others name as `primary`",
        )),
        Gateway::EastWestGateway | Gateway::IngressGateway if draft.hosts => {
            Some(("it hosts the control plane and is no part of the mesh", "fix `istiod` instead, or remove it"))
        }
        Gateway::IngressGateway if mesh.ingress_gateway == IngressGateways::None => {
            Some(("the mesh has none", "write `mesh: { ingressGateway: true }`, or remove it"))
        }
        Gateway::IngressGateway if !mesh.ingress_gateway.has(&draft.name.value) => {
            Some(("`ingressGateway` of the mesh names other clusters", "name it there too, or remove the address"))
        }
        Gateway::EastWestGateway => {
            let mut data = drafts.iter().filter(|d| !d.is_outside());
            let first = data.next()?;
            let one_network = data.all(|d| d.network() == first.network());
            let exposes = draft.serves_others(drafts) && !draft.fixes(Gateway::Istiod);
            // A single cluster keeps the address for when others join it.
            (one_network && !exposes && drafts.len() > 1).then_some((
                "all clusters are on one network, where pods reach each other without it",
                "remove it, or put the clusters on different networks",
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::parse;

    /// What is refused of a scenario, with its place.
    fn refused(text: &str) -> Vec<String> {
        let errors = parse(&format!("name: demo\n{text}"), "lab.yaml").expect_err(text);
        let told = |error: &crate::scenario::ScenarioError| {
            let (line, column) = error.position();
            format!("{line}:{column}: {error}")
        };
        errors.errors().iter().map(told).collect()
    }

    #[test]
    fn an_ingress_gateway_is_in_clusters_of_the_mesh() {
        assert_eq!(
            refused("mesh: { topology: external, ingressGateway: [host, w1, w1, w3] }\nclusters: [host, w1, w2]\n"),
            [
                "2:46: cluster `host` cannot have an ingress gateway: it is no part of the mesh",
                "2:56: `ingressGateway` names cluster `w1` twice",
                "2:60: `ingressGateway` names cluster `w3`, which does not exist",
            ]
        );
        let none = refused("mesh: { ingressGateway: [] }\nclusters: [c1]\n");
        assert_eq!(none, ["2:25: `ingressGateway` names no cluster"]);
    }

    #[test]
    fn what_a_cluster_has_not_has_no_address_and_is_not_called() {
        let address =
            |gateway: &str| format!("{{ name: c2, loadBalancer: {{ addresses: {{ {gateway}: 172.30.255.10 }} }} }}");
        let ingress = address("ingressGateway");
        assert_eq!(
            refused(&format!(
                "mesh: {{ ingressGateway: [c1] }}\nclusters: [c1, {ingress}]\nchecks: [rotation: {{ through: ingress, from: [c1, c2] }}]\n"
            )),
            [
                "3:73: cluster `c2` has no `ingressGateway` to give an address to: `ingressGateway` of the mesh names other clusters",
                "4:51: `through: ingress` calls the ingress gateway of cluster `c2`, which has none",
            ]
        );
        let istiod = address("istiod").replace("name: c2", "name: c2, primary: c1");
        assert_eq!(
            refused(&format!("mesh: {{ topology: primary-remote }}\nclusters: [c1, {istiod}]\n")),
            ["3:78: cluster `c2` has no `istiod` to give an address to: no other cluster uses its control plane"]
        );
    }
}
