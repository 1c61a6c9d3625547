//! Whether the pools have addresses for the Services of the scenario besides those of the gateways.

use serde_json::Value as Json;

use super::manifests::Balanced;
use super::{Draft, Gateway, Mesh, Problems, Topology};
use crate::scenario::layout::POOL_SIZE;
use crate::scenario::problem::ManifestProblem;

/// Whether an object is a Service that gets an address of its own from the pool of the scenario.
pub(super) fn wants_address(object: &Json) -> bool {
    let (spec, annotations) = (&object["spec"], &object["metadata"]["annotations"]);
    // Services of one key share an address; those of a class have a load balancer of their own, and others ask for a pool of the user's own.
    let otherwise = [
        "metallb.io/allow-shared-ip",
        "metallb.universe.tf/allow-shared-ip",
        "metallb.io/address-pool",
        "metallb.universe.tf/address-pool",
    ];
    object["kind"] == "Service"
        && spec["type"] == "LoadBalancer"
        && spec["loadBalancerClass"].is_null()
        && otherwise.iter().all(|key| annotations[*key].is_null())
}

/// Records the first Service of each cluster that would wait for an address for ever.
pub(super) fn check(services: &[Balanced], mesh: &Mesh, drafts: &[Draft], problems: &mut Problems) {
    for draft in drafts.iter().filter(|d| d.no_load_balancer.is_none()) {
        let fixed = draft.fixed_pool();
        if fixed.is_none() && draft.existing_at.is_some() {
            continue;
        }
        // Outside a mesh only a fixed pool makes a load balancer.
        let size = match &fixed {
            Some(pool) => pool.value.size(),
            None if mesh.topology != Topology::None && !draft.manages => POOL_SIZE,
            None => continue,
        };
        let kept = gateways(mesh, draft, drafts, size);
        let left = usize::try_from(size.saturating_sub(kept)).unwrap_or(usize::MAX);
        let mut of_cluster = services.iter().filter(|s| s.clusters.contains(&draft.name.value));
        if let Some(Balanced { name, span, place, .. }) = of_cluster.nth(left) {
            let problem = ManifestProblem::NoAddress {
                place: place.clone(),
                object: name.clone(),
                cluster: draft.name.value.clone(),
                size,
                kept,
            };
            let found = problems.add(*span, problem);
            if let Some(pool) = fixed {
                found.also(pool.span, "the pool");
            }
        }
    }
}

/// How many addresses of a pool are for gateways, as `plan` keeps them: in a large pool also for those that come later.
fn gateways(mesh: &Mesh, draft: &Draft, drafts: &[Draft], size: u32) -> u32 {
    if mesh.topology == Topology::None || draft.manages {
        return 0;
    }
    if draft.hosts {
        return 1;
    }
    let istiod = u32::from(draft.fixes(Gateway::Istiod));
    if size >= POOL_SIZE {
        return 2 + istiod;
    }
    let mut data = drafts.iter().filter(|d| !d.is_outside());
    let first = data.next().map(Draft::network);
    let is_multi_network = data.any(|d| Some(d.network()) != first);
    let exposes = istiod == 0 && draft.serves_others(drafts);
    let has_east_west = is_multi_network || exposes || draft.fixes(Gateway::EastWestGateway);
    u32::from(has_east_west) + u32::from(mesh.ingress_gateway.has(&draft.name.value)) + istiod
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_of_another_pool_takes_none_of_this_one() {
        let service = |annotations: Json| json!({ "kind": "Service", "metadata": { "annotations": annotations }, "spec": { "type": "LoadBalancer" } });
        assert!(wants_address(&service(json!({ "a": "b" }))));
        assert!(!wants_address(&service(json!({ "metallb.io/address-pool": "staff" }))));
        assert!(!wants_address(&service(json!({ "metallb.io/allow-shared-ip": "web" }))));
    }
}
