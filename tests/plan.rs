//! The plan: its snapshot for the reference scenario, and what holds for the plan of any lab.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use lab::plan::{Action, Lab, Plan, StepId, resolve};
use lab::scenario::{parse, render};
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

/// How one cluster of an arbitrary lab looks.
#[derive(Clone, Debug)]
struct Shape {
    /// Which of a few networks it is on; its own when left out.
    network: Option<u8>,
    locality: bool,
    workers: u8,
}

fn shape() -> impl Strategy<Value = Shape> {
    (proptest::option::of(0_u8..3), any::<bool>(), 0_u8..3).prop_map(|(network, locality, workers)| Shape {
        network,
        locality,
        workers,
    })
}

/// A lab with one cluster for each shape. No scenario file may share networks yet; the plan of a lab that does must hold all the same.
fn lab_of(shapes: &[Shape]) -> Lab {
    let mut text = "name: demo\nclusters:\n".to_owned();
    for (i, shape) in shapes.iter().enumerate() {
        let _ = writeln!(text, "  - name: c{i}\n    nodes: {{ workers: {} }}", shape.workers);
        if shape.locality {
            text += "    locality: { region: r1 }\n";
        }
    }
    let scenario = parse(&text, "lab.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
    let mut lab = resolve(&scenario).expect("room for every address");
    for (cluster, shape) in lab.clusters.iter_mut().zip(shapes) {
        if let Some(network) = shape.network {
            cluster.network = format!("shared-{network}");
        }
    }
    lab
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

/// Pairs of a step and one that makes what it uses, as far as the plan must know.
fn uses(lab: &Lab) -> Vec<(Action, Action)> {
    let mut uses = Vec::new();
    for cluster in &lab.clusters {
        let c = || cluster.name.clone();
        uses.extend([
            (Action::RenderIstio { cluster: c() }, Action::Images),
            (Action::Cluster { cluster: c() }, Action::Images),
            (Action::Cluster { cluster: c() }, Action::DockerNetwork),
            (Action::AddressPool { cluster: c() }, Action::Metallb { cluster: c() }),
            (Action::IstioBase { cluster: c() }, Action::RenderIstio { cluster: c() }),
            // istiod makes a root of its own when it starts without one.
            (Action::Istiod { cluster: c() }, Action::RootCa),
            // Pods that start before istiod have no sidecar.
            (Action::Apps { cluster: c(), apps: Vec::new() }, Action::Istiod { cluster: c() }),
        ]);
        if cluster.locality.is_some() {
            // Endpoints get the locality that their node had when istiod first saw them.
            uses.push((Action::Istiod { cluster: c() }, Action::Locality { cluster: c() }));
        }
        if lab.is_multi_network() {
            let gateway = || Action::EastWestGateway { cluster: c() };
            uses.push((gateway(), Action::AddressPool { cluster: c() }));
            uses.push((gateway(), Action::Istiod { cluster: c() }));
        }
        for other in lab.clusters.iter().filter(|o| o.name != cluster.name) {
            // It holds the token of an account in the one, and goes into the namespace of the other.
            let secret = || Action::RemoteSecret { of: c(), to: other.name.clone() };
            uses.push((secret(), Action::IstioBase { cluster: c() }));
            uses.push((secret(), Action::IstioBase { cluster: other.name.clone() }));
        }
    }
    uses
}

proptest! {
    #[test]
    fn every_step_comes_once_after_what_it_needs(shapes in proptest::collection::vec(shape(), 1..=8)) {
        let lab = lab_of(&shapes);
        let plan = Plan::of(&lab);
        let ancestors = ancestors(&plan);

        // Once for the lab: images, network, root CA, verify. Once a cluster: render, cluster, MetalLB, pool, base, istiod, apps.
        let clusters = shapes.len();
        let localities = shapes.iter().filter(|s| s.locality).count();
        let gateways = if lab.is_multi_network() { clusters } else { 0 };
        prop_assert_eq!(plan.steps.len(), 4 + 7 * clusters + localities + gateways + clusters * (clusters - 1));

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
    fn the_verdict_comes_last_and_after_everything(shapes in proptest::collection::vec(shape(), 1..=8)) {
        let plan = Plan::of(&lab_of(&shapes));
        let ancestors = ancestors(&plan);
        let last = plan.steps.last().expect("steps");
        prop_assert_eq!(&last.action, &Action::Verify);
        prop_assert_eq!(ancestors[&last.id].len(), plan.steps.len() - 1);
    }

    #[test]
    fn what_a_step_uses_is_made_before_it(shapes in proptest::collection::vec(shape(), 1..=8)) {
        let lab = lab_of(&shapes);
        let plan = Plan::of(&lab);
        let ancestors = ancestors(&plan);
        for (step, need) in uses(&lab) {
            let (step, need) = (step.id(), need.id());
            prop_assert!(ancestors[&step].contains(&need), "{step} uses what {need} makes, and does not wait for it");
        }
    }

    #[test]
    fn the_same_lab_has_the_same_plan(shapes in proptest::collection::vec(shape(), 1..=8)) {
        prop_assert_eq!(Plan::of(&lab_of(&shapes)), Plan::of(&lab_of(&shapes)));
    }
}
