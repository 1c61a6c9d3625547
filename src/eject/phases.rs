//! The order of a script: the plan's steps one after the other, those of one verb together as far as the plan allows.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Plan, PlannedStep, StepId};

/// The steps in groups of one verb. Each step comes after all that it needs.
pub(super) fn phases(plan: &Plan) -> Vec<Vec<&PlannedStep>> {
    let mut done: BTreeSet<&StepId> = BTreeSet::new();
    let mut waiting: Vec<&PlannedStep> = plan.steps.iter().collect();
    let mut phases = Vec::new();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.iter().copied().partition(|s| s.needs.iter().all(|n| done.contains(n)));
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for step in &rest {
            *left.entry(step.action.verb()).or_default() += 1;
        }
        // A verb that can be finished now is not told twice.
        let Some(next) = ready.iter().min_by_key(|s| left.get(s.action.verb()).copied().unwrap_or(0)) else {
            // A cycle, which `tests/plan.rs` proves that there is not.
            break;
        };
        let verb = next.action.verb();
        let phase: Vec<&PlannedStep> = ready.iter().copied().filter(|s| s.action.verb() == verb).collect();
        done.extend(phase.iter().map(|s| &s.id));
        waiting.retain(|s| !done.contains(&s.id));
        phases.push(phase);
    }
    phases
}
