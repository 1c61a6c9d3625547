//! The plan: its snapshot for the reference scenario, and what holds for the plan of any lab.

#[path = "plan/any_lab.rs"]
mod any_lab;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use any_lab::any_lab;
use lab::plan::{Action, Gateway, Lab, LabCluster, Plan, StepId, resolve};
use lab::scenario::parse;
use proptest::prelude::*;

/// What `lab plan` prints for the reference scenario.
fn printed(form: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["plan", "scenarios/three-network.yaml", "--output", form])
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, text) });
}

#[test]
fn all_scenarios_may_run_side_by_side() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = std::fs::read_dir(directory).expect("scenarios").map(|entry| entry.expect("a file").path());
    let files: BTreeSet<_> = files.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    let mut networks: BTreeMap<ipnet::Ipv4Net, String> = BTreeMap::new();
    for file in files {
        let plan = Command::new(env!("CARGO_BIN_EXE_lab")).args(["plan", "--output", "json"]).arg(&file).output();
        let plan: serde_json::Value = serde_json::from_slice(&plan.expect("the binary starts").stdout).expect("JSON");
        let lab: Lab = serde_json::from_value(plan["lab"].clone()).expect("a lab");
        let subnet = lab.docker_network.subnet;
        let other = networks.iter().find(|(n, _)| n.contains(&subnet) || subnet.contains(*n));
        assert!(
            other.is_none(),
            "{} and {} have one subnet, {subnet}: write `dockerNetwork.subnet`",
            lab.name,
            other.unwrap().1
        );
        networks.insert(subnet, lab.name);
    }
    assert!(networks.len() > 20, "{networks:?}");
}

#[test]
fn the_reference_scenario_as_text() {
    snapshot("three_network_text", &printed("text"));
}

#[test]
fn the_reference_scenario_as_json() {
    let text = printed("json");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let lab: Lab = serde_json::from_value(value["lab"].clone()).expect("the lab reads back");
    assert_eq!(value["steps"], serde_json::to_value(Plan::of(&lab).steps).expect("JSON"));
    snapshot("three_network_json", &text);
}

/// All steps that must have ended before each step starts, directly or not. Reading the plan in its order suffices because each step comes
/// after its needs, which is asserted on the way.
fn ancestors(plan: &Plan) -> BTreeMap<&StepId, BTreeSet<&StepId>> {
    let mut ancestors: BTreeMap<&StepId, BTreeSet<&StepId>> = BTreeMap::new();
    for step in &plan.steps {
        let mut all = BTreeSet::new();
        for need in &step.needs {
            let before = ancestors.get(need);
            all.extend(before.unwrap_or_else(|| panic!("{} needs {need}, which does not come before it", step.id)));
            all.insert(need);
        }
        let again = ancestors.insert(&step.id, all);
        assert!(again.is_none(), "{} is there twice", step.id);
    }
    ancestors
}

/// The step after which a cluster's pods get sidecars.
fn joined(lab: &Lab, cluster: &LabCluster) -> Action {
    let c = cluster.name.clone();
    match (lab.is_host(cluster), cluster.primary == cluster.name) {
        (true, _) => Action::ExternalIstiod { cluster: c },
        (_, true) => Action::Istiod { cluster: c, revision: None },
        _ => Action::IstiodRemote { cluster: c },
    }
}

/// The same of a federation.
fn federation_uses(lab: &Lab) -> Vec<(Action, Action)> {
    let Some(federation) = &lab.federation else { return Vec::new() };
    let manager = || federation.manager.clone();
    let karmada = Action::Karmada { cluster: manager() };
    let mut uses =
        vec![(karmada.clone(), Action::KarmadaImages), (karmada.clone(), Action::Cluster { cluster: manager() })];
    for member in &federation.members {
        let (c, apps) = (|| member.cluster.clone(), || Action::FederatedApps { cluster: manager() });
        let joins = Action::KarmadaMember { cluster: c() };
        uses.extend([
            (joins.clone(), karmada.clone()),
            (joins.clone(), Action::Cluster { cluster: c() }),
            (apps(), joins),
        ]);
        if lab.has_mesh() {
            // Pods that start before injection works have no sidecar.
            uses.push((apps(), joined(lab, lab.cluster(&member.cluster).expect("a cluster"))));
        }
    }
    uses
}

/// Pairs of a step and one that makes what it uses, as far as the plan must know.
fn uses(lab: &Lab) -> Vec<(Action, Action)> {
    let mut uses = federation_uses(lab);
    for cluster in &lab.clusters {
        let c = || cluster.name.clone();
        uses.extend([
            (Action::Cluster { cluster: c() }, Action::Images),
            (Action::Cluster { cluster: c() }, Action::DockerNetwork),
        ]);
        if cluster.pool.is_some() {
            uses.push((Action::AddressPool { cluster: c() }, Action::Metallb { cluster: c() }));
        }
        if !lab.has_istio(cluster) {
            if !lab.is_manager(cluster) {
                uses.push((Action::Apps { cluster: c(), apps: Vec::new() }, Action::Cluster { cluster: c() }));
            }
            continue;
        }
        let joined = joined(lab, cluster);
        uses.extend([
            (Action::RenderIstio { cluster: c(), revision: None }, Action::Images),
            (Action::IstioBase { cluster: c() }, Action::RenderIstio { cluster: c(), revision: None }),
            // istiod makes a root of its own when it starts without one.
            (joined.clone(), Action::RootCa),
        ]);
        if cluster.locality.is_some() {
            // Endpoints get the locality that their node had when istiod first saw them.
            uses.push((joined.clone(), Action::Locality { cluster: c() }));
        }
        if lab.is_host(cluster) {
            uses.push((joined.clone(), Action::AddressPool { cluster: c() }));
            // It mounts the kubeconfig of the cluster that its configuration is in.
            let config = lab.clusters[1].name.clone();
            uses.push((joined, Action::RemoteSecret { of: config, to: c() }));
            continue;
        }
        // Pods that start before injection works have no sidecar.
        uses.push((Action::Apps { cluster: c(), apps: Vec::new() }, joined.clone()));
        // What pods carry is compared with what they would get now, so all are there, and the control plane is up to date.
        let sidecars = Action::Sidecars { cluster: c() };
        uses.push((sidecars.clone(), Action::Apps { cluster: c(), apps: Vec::new() }));
        uses.push((sidecars.clone(), self::joined(lab, lab.control_plane(cluster))));
        if !cluster.runs_istiod() {
            // Its webhook leads to the other control plane, which must have taken it on.
            let primary = lab.cluster(&cluster.primary).expect("a primary");
            uses.push((joined.clone(), Action::RemoteSecret { of: c(), to: primary.name.clone() }));
            let at = if lab.is_host(primary) {
                Action::ExternalIstiod { cluster: primary.name.clone() }
            } else if primary.addresses.contains_key(&Gateway::Istiod) {
                Action::IstiodAddress { cluster: primary.name.clone() }
            } else {
                Action::EastWestGateway { cluster: primary.name.clone() }
            };
            uses.push((joined.clone(), at));
        }
        for (gateway, step) in [
            (Gateway::EastWestGateway, Action::EastWestGateway { cluster: c() }),
            (Gateway::IngressGateway, Action::IngressGateway { cluster: c() }),
        ] {
            if cluster.addresses.contains_key(&gateway) {
                uses.push((sidecars.clone(), step.clone()));
                uses.push((step.clone(), Action::AddressPool { cluster: c() }));
                uses.push((step, joined.clone()));
            }
        }
        if cluster.addresses.contains_key(&Gateway::Istiod) {
            let address = Action::IstiodAddress { cluster: c() };
            uses.push((address.clone(), Action::AddressPool { cluster: c() }));
            uses.push((address, joined.clone()));
        }
        for peer in lab.data_clusters().filter(|p| p.network == cluster.network) {
            if lab.data_clusters().count() > 1 {
                uses.push((Action::NodeNetwork { cluster: c() }, Action::Cluster { cluster: peer.name.clone() }));
            }
        }
        for reader in lab.istio_clusters().filter(|r| r.runs_istiod() && r.name != cluster.name) {
            // It holds the token of an account in the one, and goes into the namespace of the other.
            let secret = || Action::RemoteSecret { of: c(), to: reader.name.clone() };
            uses.push((secret(), Action::IstioBase { cluster: c() }));
            uses.push((secret(), Action::IstioBase { cluster: reader.name.clone() }));
        }
    }
    uses
}

/// How many steps a lab has, counted from what its clusters are.
fn count(lab: &Lab) -> usize {
    let data = lab.data_clusters().count();
    let istio = lab.istio_clusters().count();
    let readers = lab.istio_clusters().filter(|c| c.runs_istiod()).count();
    let pools = lab.clusters.iter().filter(|c| c.pool.is_some()).count();
    let localities = lab.clusters.iter().filter(|c| c.locality.is_some()).count();
    let gateways: usize = lab.data_clusters().map(|c| c.addresses.len()).sum();
    // The routes of gateways elsewhere are where their configuration is read from.
    let enters = |c: &LabCluster| c.addresses.contains_key(&Gateway::IngressGateway);
    let read_by = |c: &LabCluster| lab.data_clusters().any(|o| enters(o) && lab.config_cluster(o).name == c.name);
    let routes = lab.data_clusters().filter(|c| !enters(c) && read_by(c)).count();
    let networks = if data > 1 && lab.has_mesh() { data } else { 0 };
    // Every istiod reads every cluster of the mesh but its own.
    let own = lab.istio_clusters().filter(|c| c.runs_istiod() && !lab.is_host(c)).count();
    let secrets = readers * data - own;
    // Karmada's images, Karmada, and what it is given.
    let federation = lab.federation.as_ref().map_or(0, |f| 3 + f.members.len());
    // Once for the lab: images, network, verify, and with a mesh the root CA. Once a cluster: the cluster itself, and MetalLB with its pool. Once
    // where Istio is: render, base, istiod. Once where apps run: apps, and sidecars if there are any.
    3 + usize::from(lab.has_mesh())
        + lab.clusters.len()
        + 2 * pools
        + 3 * istio
        + data * (1 + usize::from(lab.has_mesh()))
        + (localities + gateways + routes + networks + secrets + federation)
}

#[test]
fn jobs_run_once_all_that_they_may_call_is_there() {
    let job = "{ apiVersion: batch/v1, kind: Job, metadata: { name: seed } }";
    let text =
        format!("name: demo\nclusters: [c1, c2]\napps:\n  - manifests: {{ clusters: [c1], objects: [{job}] }}\n");
    let lab = resolve(&parse(&text, "lab.yaml").expect("valid")).expect("a lab");
    let plan = Plan::of(&lab);
    let jobs: Vec<_> = plan.steps.iter().filter(|s| s.action.verb() == "jobs").collect();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].action, Action::Jobs { cluster: "c1".to_owned(), jobs: vec!["seed".to_owned()] });
    let before = &ancestors(&plan)[&jobs[0].id];
    // All but itself and the verdict.
    assert_eq!(before.len(), plan.steps.len() - 2);
}

/// A plan in which something is taken away in every cluster.
fn retiring(lab: &Lab) -> Plan {
    let mut plan = Plan::of(lab);
    lab.clusters.iter().for_each(|c| plan.retire(&c.name));
    plan
}

proptest! {
    #[test]
    fn what_is_no_longer_planned_goes_before_pods_are_compared(lab in any_lab()) {
        let plan = retiring(&lab);
        let ancestors = ancestors(&plan);
        let last = plan.steps.last().expect("steps");
        prop_assert_eq!(&last.action, &Action::Verify);
        prop_assert_eq!(ancestors[&last.id].len(), plan.steps.len() - 1);
        for cluster in &lab.clusters {
            let c = || cluster.name.clone();
            let retire = Action::Retire { cluster: c() }.id();
            if lab.data_clusters().any(|d| d.name == cluster.name) {
                // What is applied comes first, so that what two steps share stays.
                let apps = Action::Apps { cluster: c(), apps: Vec::new() }.id();
                prop_assert!(ancestors[&retire].contains(&apps), "{} does not wait for {}", retire, apps);
                if lab.has_mesh() {
                    let sidecars = Action::Sidecars { cluster: c() }.id();
                    prop_assert!(ancestors[&sidecars].contains(&retire), "{} does not wait for {}", sidecars, retire);
                }
            }
        }
    }

    #[test]
    fn every_step_comes_once_after_what_it_needs(lab in any_lab()) {
        let plan = Plan::of(&lab);
        let ancestors = ancestors(&plan);

        prop_assert_eq!(plan.steps.len(), count(&lab));

        for step in &plan.steps {
            prop_assert_eq!(&step.id, &step.action.id());
            prop_assert_eq!(plan.step(&step.id), Some(step));
            let distinct: BTreeSet<_> = step.needs.iter().collect();
            prop_assert_eq!(distinct.len(), step.needs.len(), "{} needs something twice", step.id);
            for need in &step.needs {
                let implied = step.needs.iter().any(|other| ancestors[other].contains(need));
                prop_assert!(!implied, "{} names {}, which another need implies", step.id, need);
            }
        }
    }

    #[test]
    fn the_verdict_comes_last_and_after_everything(lab in any_lab()) {
        let plan = Plan::of(&lab);
        let ancestors = ancestors(&plan);
        let last = plan.steps.last().expect("steps");
        prop_assert_eq!(&last.action, &Action::Verify);
        prop_assert_eq!(ancestors[&last.id].len(), plan.steps.len() - 1);
    }

    #[test]
    fn what_a_step_uses_is_made_before_it(lab in any_lab()) {
        let plan = Plan::of(&lab);
        let ancestors = ancestors(&plan);
        for (step, need) in uses(&lab) {
            let (step, need) = (step.id(), need.id());
            prop_assert!(ancestors[&step].contains(&need), "{step} uses what {need} makes, and does not wait for it");
        }
    }

    #[test]
    fn the_same_lab_has_the_same_plan(lab in any_lab()) {
        prop_assert_eq!(Plan::of(&lab), Plan::of(&lab));
    }
}

#[test]
fn a_cluster_without_a_control_plane_of_its_own_runs_the_istio_of_its_primary() {
    let text = "name: a\nmesh: { topology: primary-remote }\nversions: { kubernetes: 1.36, istio: 1.32 }\nclusters: [{ name: c1, versions: { kubernetes: 1.35, istio: 1.31 } }, c2]\n";
    let lab = lab::plan::resolve(&lab::scenario::parse(text, "lab.yaml").expect("a scenario")).expect("room");
    assert_eq!(lab.clusters[1].versions.to_string(), "Kubernetes 1.36, Istio 1.31");
}
