//! What a lab has keeps its addresses, whatever clusters come before or after it in the scenario. Pure.

use std::collections::BTreeSet;

use super::addresses::{ResolveError, resolve};
use super::{Lab, LabCluster};
use crate::scenario::layout::overlap;
use crate::scenario::{AddressRange, Scenario};

/// Decides what a scenario leaves out, as it was decided for the lab of that name that is there.
///
/// # Errors
/// As of [`resolve`].
pub fn resolve_again(scenario: &Scenario, old: &Lab) -> Result<Lab, ResolveError> {
    let mut lab = resolve_as_before(scenario, old)?;
    lab.keep_seen(old);
    Ok(lab)
}

fn resolve_as_before(scenario: &Scenario, old: &Lab) -> Result<Lab, ResolveError> {
    let mut scenario = scenario.clone();
    let fixed: Vec<AddressRange> = scenario.clusters.iter().filter_map(|c| c.fixed_pool()).collect();
    if fixed.is_empty() {
        scenario.docker_subnet.get_or_insert(old.docker_network.subnet);
    }
    // A lab cannot change its network; that it would is told by who compares them.
    if scenario.docker_subnet.is_none_or(|subnet| subnet != old.docker_network.subnet) {
        return resolve(&scenario);
    }
    let given: Vec<_> =
        scenario.clusters.iter().flat_map(|c| c.pod_subnet.into_iter().chain(c.service_subnet)).collect();
    for cluster in &mut scenario.clusters {
        let Some(before) = old.cluster(&cluster.name) else { continue };
        let is_free = |subnet| given.iter().all(|other| !overlap(*other, subnet));
        cluster.pod_subnet = cluster.pod_subnet.or(Some(before.pod_subnet).filter(|s| is_free(*s)));
        cluster.service_subnet = cluster.service_subnet.or(Some(before.service_subnet).filter(|s| is_free(*s)));
        if cluster.load_balancer && cluster.fixed_pool().is_none() {
            cluster.pool = before.pool.filter(|pool| fixed.iter().all(|other| !other.overlaps(pool)));
        }
    }
    let mut lab = resolve(&scenario)?;
    keep_published(&mut lab, old);
    for cluster in &mut lab.clusters {
        let Some(before) = old.cluster(&cluster.name) else { continue };
        // What was found now counts.
        if cluster.existing.is_some() {
            continue;
        }
        cluster.copy_of.clone_from(&before.copy_of);
        (cluster.revision, cluster.beside) = (before.revision.clone(), before.beside.clone());
    }
    Ok(lab)
}

/// A node's ports are published for its whole life.
fn keep_published(lab: &mut Lab, old: &Lab) {
    let before = |cluster: &LabCluster| old.cluster(&cluster.name).and_then(|c| c.published_gateway);
    let mut taken: BTreeSet<u16> = lab.clusters.iter().filter_map(before).map(|at| at.port()).collect();
    for cluster in &mut lab.clusters {
        let kept = before(cluster);
        let Some(at) = &mut cluster.published_gateway else { continue };
        match kept {
            Some(kept) => *at = kept,
            None => {
                while !taken.insert(at.port()) {
                    at.set_port(at.port().saturating_add(1));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    fn scenario(clusters: &str) -> Scenario {
        parse(&format!("name: a\n{clusters}\n"), "a.yaml").expect("valid")
    }

    fn lab(clusters: &str) -> Lab {
        resolve(&scenario(clusters)).expect("resolves")
    }

    #[test]
    fn the_same_scenario_gives_the_same_lab_again() {
        for clusters in [
            "clusters: [c1, c2, c3]",
            "clusters: [c1]\nmesh: { ingressGateway: true }",
            "ipFamily: dual\nclusters: [c1, c2]",
            "clusters: [{ name: c1, loadBalancer: { pool: 172.30.255.10-172.30.255.13 } }, c2]",
            "dockerNetwork: { subnet: 172.29.0.0/20 }\nclusters: [c1, { name: c2, podSubnet: 10.101.0.0/16, network: n }]",
            "mesh: { meshNetworks: true }\nclusters: [c1, { name: c2, loadBalancer: none }]",
        ] {
            let first = lab(clusters);
            assert_eq!(resolve_again(&scenario(clusters), &first).expect(clusters), first, "{clusters}");
        }
    }

    #[test]
    fn what_stays_keeps_its_addresses_when_another_goes_and_one_that_comes_gets_free_ones() {
        let three = lab(
            "mesh: { meshNetworks: true }\nclusters: [c1, { name: c2, loadBalancer: none }, { name: c3, loadBalancer: none }]",
        );
        let without = scenario(
            "mesh: { meshNetworks: true }\nclusters: [c1, { name: c3, loadBalancer: none }, { name: c4, loadBalancer: none }]",
        );
        let again = resolve_again(&without, &three).expect("resolves");
        assert_eq!(again.cluster("c1"), three.cluster("c1"));
        assert_eq!(again.cluster("c3"), three.cluster("c3"));
        let new = again.cluster("c4").expect("there");
        for other in ["c1", "c3"].map(|name| again.cluster(name).expect("there")) {
            assert!(!overlap(new.pod_subnet, other.pod_subnet) && !overlap(new.service_subnet, other.service_subnet));
            assert_ne!(new.published_gateway, other.published_gateway);
        }
    }

    #[test]
    fn a_fork_stays_one() {
        let fork = lab("clusters: [c1, c2]").fork("b", &[]).expect("a fork");
        let mut scenario = scenario("clusters: [c1, c2]");
        scenario.rename("b").expect("a name");
        assert_eq!(resolve_again(&scenario, &fork).expect("resolves"), fork);
    }

    #[test]
    fn what_the_scenario_gives_counts() {
        let two = lab("clusters: [c1, c2]");
        let again =
            resolve_again(&scenario("clusters: [{ name: c1, podSubnet: 10.8.0.0/16 }, c2]"), &two).expect("resolves");
        assert_eq!(again.clusters[0].pod_subnet.to_string(), "10.8.0.0/16");
        let moved = resolve_again(&scenario("dockerNetwork: { subnet: 172.29.0.0/20 }\nclusters: [c1, c2]"), &two);
        assert_eq!(moved.expect("resolves").docker_network.subnet.to_string(), "172.29.0.0/20");
    }
}
