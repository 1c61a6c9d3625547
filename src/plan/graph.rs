//! Derives the graph of steps from a lab, and proves that it is acyclic.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Lab, Plan, PlannedStep, StepId};

impl Plan {
    /// The steps that build `lab`. Steps depend on no more than what they use, so that everything else runs side by side.
    #[must_use]
    pub fn of(lab: &Lab) -> Self {
        let mut steps = vec![step(Action::Images, []), step(Action::DockerNetwork, []), step(Action::RootCa, [])];
        for cluster in &lab.clusters {
            let c = || cluster.name.clone();
            steps.extend([
                step(Action::RenderIstio { cluster: c() }, [Action::Images]),
                step(Action::Cluster { cluster: c() }, [Action::Images, Action::DockerNetwork]),
                step(Action::Metallb { cluster: c() }, [Action::Cluster { cluster: c() }]),
                step(Action::AddressPool { cluster: c() }, [Action::Metallb { cluster: c() }]),
                step(
                    Action::IstioBase { cluster: c() },
                    [Action::Cluster { cluster: c() }, Action::RenderIstio { cluster: c() }, Action::RootCa],
                ),
            ]);
            let mut before_istiod = vec![Action::IstioBase { cluster: c() }];
            if cluster.locality.is_some() {
                steps.push(step(Action::Locality { cluster: c() }, [Action::Cluster { cluster: c() }]));
                before_istiod.push(Action::Locality { cluster: c() });
            }
            steps.push(step(Action::Istiod { cluster: c() }, before_istiod));
            let apps = lab.apps.iter().filter(|a| a.is_in(&cluster.name)).map(|a| a.name().to_owned()).collect();
            steps.push(step(Action::Apps { cluster: c(), apps }, [Action::Istiod { cluster: c() }]));
            if lab.is_multi_network() {
                steps.push(step(
                    Action::EastWestGateway { cluster: c() },
                    [Action::Istiod { cluster: c() }, Action::AddressPool { cluster: c() }],
                ));
            }
        }
        for of in &lab.clusters {
            for to in lab.clusters.iter().filter(|to| to.name != of.name) {
                steps.push(step(
                    Action::RemoteSecret { of: of.name.clone(), to: to.name.clone() },
                    [Action::IstioBase { cluster: of.name.clone() }, Action::IstioBase { cluster: to.name.clone() }],
                ));
            }
        }
        let everything: Vec<Action> = steps.iter().map(|s| s.action.clone()).collect();
        steps.push(step(Action::Verify, everything));
        Self { steps: reduce(in_order(steps)) }
    }

    /// The step of that identifier.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&PlannedStep> {
        self.steps.iter().find(|s| &s.id == id)
    }
}

fn step(action: Action, needs: impl IntoIterator<Item = Action>) -> PlannedStep {
    PlannedStep { id: action.id(), needs: needs.into_iter().map(|a| a.id()).collect(), action }
}

/// Sorts the steps so that each comes after those that it needs, keeping the given order otherwise.
///
/// A cycle, or a need that no step meets, is a mistake in [`Plan::of`]; what cannot be ordered is left out, and
/// `tests/plan.rs` proves for arbitrary labs that nothing is.
fn in_order(steps: Vec<PlannedStep>) -> Vec<PlannedStep> {
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
fn reduce(steps: Vec<PlannedStep>) -> Vec<PlannedStep> {
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
