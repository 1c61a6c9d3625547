//! Derives the graph of steps from a lab, and proves that it is acyclic.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::render::optional_images;
use super::{Action, Gateway, Lab, LabCluster, Plan, PlannedStep, StepId};
use crate::scenario::{App, Federation};

impl Plan {
    /// The steps that build `lab`. Steps depend on no more than what they use, so that everything else runs side by side.
    #[must_use]
    pub fn of(lab: &Lab) -> Self {
        if lab.is_existing() {
            return Self { steps: vec![step(Action::Verify, [])] };
        }
        let mut steps = vec![step(Action::Images, []), step(Action::DockerNetwork, [])];
        if lab.has_mesh() {
            steps.push(step(Action::RootCa, []));
        } else {
            steps.extend(lab.data_clusters().map(|c| apps(lab, c, Action::Cluster { cluster: c.name.clone() })));
        }
        steps.extend(lab.federation.iter().flat_map(|f| federation(lab, f)));
        for cluster in &lab.clusters {
            steps.extend(machine(lab, cluster));
            if lab.has_istio(cluster) {
                steps.extend(mesh(lab, cluster));
            }
        }
        for of in lab.data_clusters().filter(|_| lab.has_mesh()) {
            for to in lab.istio_clusters().filter(|to| to.runs_istiod() && to.name != of.name && to.is_meshed_with(of))
            {
                let secret = Action::RemoteSecret { of: of.name.clone(), to: to.name.clone() };
                let bases = [of, to].map(|c| Action::IstioBase { cluster: c.name.clone() });
                // The pods of a network that an istiod does not find listed yet would be called as if they were next door. An external one finds
                // the list only when it starts.
                let lists = lab.mesh.mesh_networks && lab.is_host(to) && lab.config_cluster(to).name != of.name;
                let host = lists.then(|| Action::ExternalIstiod { cluster: to.name.clone() });
                steps.push(step(secret, bases.into_iter().chain(host)));
            }
        }
        steps.extend(lab.data_clusters().filter(|_| lab.has_mesh()).map(|c| sidecars(lab, c)));
        // They may call whatever the lab has.
        let everything = actions(&steps);
        for cluster in lab.data_clusters() {
            let jobs = jobs(lab, cluster);
            if !jobs.is_empty() {
                steps.push(step(Action::Jobs { cluster: cluster.name.clone(), jobs }, everything.clone()));
            }
        }
        let everything = actions(&steps);
        steps.push(step(Action::Verify, everything));
        let mut plan = Self { steps: reduce(in_order(steps)) };
        if lab.is_brought() {
            plan.keep(|action| !action.is_of_machines());
        }
        plan
    }

    /// The step of that identifier.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&PlannedStep> {
        self.steps.iter().find(|s| &s.id == id)
    }
}

/// The cluster itself, its load balancer and what joins its network to others, or keeps it apart.
fn machine(lab: &Lab, cluster: &LabCluster) -> Vec<PlannedStep> {
    let c = || cluster.name.clone();
    let mut steps = vec![step(Action::Cluster { cluster: c() }, [Action::Images, Action::DockerNetwork])];
    if cluster.pool.is_some() {
        steps.push(step(Action::Metallb { cluster: c() }, [Action::Cluster { cluster: c() }]));
        steps.push(step(Action::AddressPool { cluster: c() }, [Action::Metallb { cluster: c() }]));
    }
    if cluster.locality.is_some() {
        steps.push(step(Action::Locality { cluster: c() }, [Action::Cluster { cluster: c() }]));
    }
    if let Some(images) = app_images(lab, cluster) {
        steps.push(step(images, [Action::Cluster { cluster: c() }]));
    }
    if lab.has_mesh() && !lab.is_host(cluster) && !lab.is_manager(cluster) && lab.data_clusters().count() > 1 {
        // Nodes learn the addresses and pod subnets of the nodes that they have routes to.
        let peers = lab.network_peers(cluster).map(|p| Action::Cluster { cluster: p.name.clone() });
        let needs: Vec<Action> = peers.chain([Action::Cluster { cluster: c() }]).collect();
        steps.push(step(Action::NodeNetwork { cluster: c() }, needs));
    }
    steps
}

/// Istio and the apps.
fn mesh(lab: &Lab, cluster: &LabCluster) -> Vec<PlannedStep> {
    let c = || cluster.name.clone();
    let render = |cluster: &LabCluster| Action::RenderIstio { cluster: c(), revision: cluster.revision.clone() };
    let other = cluster.with_other();
    let renders: Vec<Action> = std::iter::once(cluster).chain(&other).map(render).collect();
    let base = [Action::Cluster { cluster: c() }, Action::RootCa].into_iter().chain(renders.clone());
    let mut steps: Vec<PlannedStep> = renders.iter().map(|render| step(render.clone(), [Action::Images])).collect();
    steps.push(step(Action::IstioBase { cluster: c() }, base));
    let pool = || cluster.pool.map(|_| Action::AddressPool { cluster: c() });
    let locality = cluster.locality.as_ref().map(|_| Action::Locality { cluster: c() });
    let images = cluster.is_upgraded().then(|| Action::IstioImages { cluster: c() });
    steps.extend(images.clone().map(|images| step(images, [Action::Cluster { cluster: c() }])));
    let before: Vec<Action> = locality.into_iter().chain(images).chain([Action::IstioBase { cluster: c() }]).collect();
    if lab.is_host(cluster) {
        // It starts with the kubeconfig of the cluster that it reads its configuration from.
        let config = lab.config_cluster(cluster).name.clone();
        let kubeconfig = Action::RemoteSecret { of: config, to: c() };
        let needs: Vec<Action> = before.into_iter().chain(pool()).chain([kubeconfig]).collect();
        steps.push(step(Action::ExternalIstiod { cluster: c() }, needs));
        return steps;
    }
    let mut control_plane = control_plane(cluster);
    if cluster.runs_istiod() {
        steps.push(step(control_plane.clone(), before));
        if let Some(other) = &other {
            // Both would answer for new pods as long as it has not let go of them.
            let beside = self::control_plane(other);
            steps.push(step(beside.clone(), [control_plane]));
            control_plane = beside;
        }
        if cluster.addresses.contains_key(&Gateway::Istiod) {
            let address = Action::IstiodAddress { cluster: c() };
            steps.push(step(address, pool().into_iter().chain([control_plane.clone()])));
        }
    } else {
        let primary = lab.control_plane(cluster);
        let secret = Action::RemoteSecret { of: c(), to: primary.name.clone() };
        let needs: Vec<Action> = before.into_iter().chain([reached(lab, primary), secret]).collect();
        steps.push(step(control_plane.clone(), needs));
    }
    steps.push(apps(lab, cluster, control_plane.clone()));
    for (gateway, action) in [
        (cluster.has(Gateway::EastWestGateway), Action::EastWestGateway { cluster: c() }),
        (lab.is_entered(cluster), Action::IngressGateway { cluster: c() }),
    ] {
        if gateway {
            steps.push(step(action, pool().into_iter().chain([control_plane.clone()])));
        }
    }
    steps
}

/// After which other clusters reach the control plane of `host`.
fn reached(lab: &Lab, host: &LabCluster) -> Action {
    let cluster = host.name.clone();
    if lab.is_host(host) {
        Action::ExternalIstiod { cluster }
    } else if lab.exposes_istiod(host) {
        Action::EastWestGateway { cluster }
    } else {
        Action::IstiodAddress { cluster }
    }
}

/// After which pods of a cluster of the mesh get sidecars.
fn control_plane(cluster: &LabCluster) -> Action {
    let cluster_name = cluster.name.clone();
    if cluster.runs_istiod() {
        Action::Istiod { cluster: cluster_name, revision: cluster.revision.clone() }
    } else {
        Action::IstiodRemote { cluster: cluster_name }
    }
}

/// The apps of a cluster, once it is ready for them.
fn apps(lab: &Lab, cluster: &LabCluster, ready: Action) -> PlannedStep {
    let apps = lab.apps.iter().filter(|a| a.is_in(&cluster.name)).map(|a| a.name().to_owned()).collect();
    let pools = Action::AddressPool { cluster: cluster.name.clone() };
    let pools = (cluster.pool.is_some() && objects(lab, cluster).any(is_of_metallb)).then_some(pools);
    let needs = pools.into_iter().chain(app_images(lab, cluster)).chain([ready]);
    step(Action::Apps { cluster: cluster.name.clone(), apps }, needs)
}

/// What puts images that no node image holds into the nodes of a cluster, where its objects name any.
fn app_images(lab: &Lab, cluster: &LabCluster) -> Option<Action> {
    let federated = lab.federation.iter().filter(|f| f.member(&cluster.name).is_some()).flat_map(|f| &f.objects);
    let named: BTreeSet<&str> = objects(lab, cluster).chain(federated).flat_map(optional_images).collect();
    let images = named.into_iter().map(str::to_owned).collect::<Vec<_>>();
    (!images.is_empty()).then(|| Action::AppImages { cluster: cluster.name.clone(), images })
}

/// Whether an object is of a kind that MetalLB defines, such as a pool of the user's own.
fn is_of_metallb(object: &Value) -> bool {
    object["apiVersion"].as_str().is_some_and(|version| version.starts_with("metallb.io/"))
}

/// The scenario's own objects of a cluster.
fn objects<'a>(lab: &'a Lab, cluster: &'a LabCluster) -> impl Iterator<Item = &'a Value> {
    let manifests = lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
    manifests.filter(|m| m.is_in(&cluster.name)).flat_map(|m| &m.objects)
}

/// What must have ended before the sidecars of a cluster can be compared with what they would be now: all that makes pods there. By that the
/// control plane that would make them is up to date as well.
fn sidecars(lab: &Lab, cluster: &LabCluster) -> PlannedStep {
    let c = || cluster.name.clone();
    let gateways = [
        (cluster.has(Gateway::EastWestGateway), Action::EastWestGateway { cluster: c() }),
        (lab.is_entered(cluster), Action::IngressGateway { cluster: c() }),
    ];
    let member = lab.federation.iter().filter(|f| f.member(&cluster.name).is_some());
    let spread = member.map(|f| Action::FederatedApps { cluster: f.manager.clone() });
    let gateways = gateways.into_iter().filter_map(|(is_there, action)| is_there.then_some(action));
    let own = Action::Apps { cluster: c(), apps: Vec::new() };
    step(Action::Sidecars { cluster: c() }, gateways.chain(spread).chain([own]))
}

/// The names of the Jobs that a cluster gets.
fn jobs(lab: &Lab, cluster: &LabCluster) -> Vec<String> {
    let jobs = objects(lab, cluster).filter(|o| o["kind"] == "Job" && o["apiVersion"] == "batch/v1");
    jobs.filter_map(|job| job["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

fn actions(steps: &[PlannedStep]) -> Vec<Action> {
    steps.iter().map(|s| s.action.clone()).collect()
}

/// Karmada, its members, and what it spreads over them.
fn federation(lab: &Lab, federation: &Federation) -> Vec<PlannedStep> {
    let manager = || federation.manager.clone();
    let karmada = Action::Karmada { cluster: manager() };
    let installed = [Action::KarmadaImages, Action::Cluster { cluster: manager() }];
    let mut steps = vec![step(Action::KarmadaImages, [Action::Images]), step(karmada.clone(), installed)];
    let mut ready = Vec::new();
    for member in &federation.members {
        let joined = Action::KarmadaMember { cluster: member.cluster.clone() };
        steps.push(step(joined.clone(), [karmada.clone(), Action::Cluster { cluster: member.cluster.clone() }]));
        ready.push(joined);
        // Pods that come before the control plane would have no sidecars.
        ready.extend(lab.cluster(&member.cluster).filter(|_| lab.has_mesh()).map(control_plane));
        ready.extend(lab.cluster(&member.cluster).and_then(|cluster| app_images(lab, cluster)));
    }
    steps.push(step(Action::FederatedApps { cluster: manager() }, ready));
    steps
}

fn step(action: Action, needs: impl IntoIterator<Item = Action>) -> PlannedStep {
    PlannedStep { id: action.id(), needs: needs.into_iter().map(|a| a.id()).collect(), action }
}

/// Sorts the steps so that each comes after those that it needs, keeping the given order otherwise.
///
/// A cycle, or a need that no step meets, is a mistake in [`Plan::of`]; what cannot be ordered is left out, and
/// `tests/plan.rs` proves for arbitrary labs that nothing is.
pub(super) fn in_order(steps: Vec<PlannedStep>) -> Vec<PlannedStep> {
    let mut placed = BTreeSet::new();
    let mut ordered = Vec::with_capacity(steps.len());
    let mut waiting = steps;
    loop {
        let before = ordered.len();
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|s| s.needs.iter().all(|need| placed.contains(need)));
        placed.extend(ready.iter().map(|s: &PlannedStep| s.id.clone()));
        ordered.extend(ready);
        waiting = rest;
        if waiting.is_empty() || ordered.len() == before {
            return ordered;
        }
    }
}

/// Drops needs that another need implies, so that a reader sees only the edges that matter.
pub(super) fn reduce(steps: Vec<PlannedStep>) -> Vec<PlannedStep> {
    let mut ancestors: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
    for s in &steps {
        let all =
            s.needs.iter().flat_map(|n| ancestors.get(n).into_iter().flatten().cloned().chain([n.clone()])).collect();
        ancestors.insert(s.id.clone(), all);
    }
    steps
        .into_iter()
        .map(|mut s| {
            let needs = s.needs.clone();
            s.needs.retain(|n| !needs.iter().any(|other| other != n && ancestors[other].contains(n)));
            s
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the apps of c1 come after, with these objects of the user's own.
    fn needs(object: &str) -> Vec<String> {
        let text = format!("name: x\nclusters: [c1]\napps: [{{ manifests: {{ name: m, objects: [{object}] }} }}]\n");
        let lab = crate::plan::resolve(&crate::scenario::parse(&text, "x").expect("a scenario")).expect("a lab");
        let plan = Plan::of(&lab);
        let apps = plan.steps.iter().find(|s| matches!(s.action, Action::Apps { .. })).expect("apps");
        apps.needs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn pods_wait_for_an_image_that_no_node_image_holds() {
        let pod = |image: &str| {
            format!(
                "{{ apiVersion: v1, kind: Pod, metadata: {{ name: a }}, spec: {{ containers: [{{ name: a, image: {image} }}] }} }}"
            )
        };
        assert_eq!(needs(&pod("protocols")), ["app-images/c1", "istiod/c1"]);
        assert_eq!(needs(&pod("sleep")), ["istiod/c1"]);
    }

    #[test]
    fn pools_of_the_users_own_wait_for_metallb_and_nothing_else_does() {
        let pool =
            "{ apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: { name: a, namespace: metallb-system } }";
        assert_eq!(needs(pool), ["address-pool/c1", "istiod/c1"]);
        assert_eq!(needs("{ apiVersion: v1, kind: ConfigMap, metadata: { name: a } }"), ["istiod/c1"]);
    }
}
