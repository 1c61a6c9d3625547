//! What took how long: steps folded into phases, one for each verb.

use std::collections::BTreeSet;
use std::time::Duration;

use comfy_table::CellAlignment;
use serde::{Deserialize, Serialize};

use super::{table, table_text};
use crate::exec::{Event, Outcome};
use crate::plan::{Plan, StepId};

/// Every finished step of a run, in the order in which they ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// The steps.
    pub steps: Vec<StepTime>,
}

/// One finished step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepTime {
    /// Its identifier.
    pub step: StepId,
    /// How it ended.
    pub outcome: Outcome,
    /// Seconds from the start of the run to its own.
    pub started: f64,
    /// Seconds that it took.
    pub took: f64,
}

/// All steps of one verb together.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTime {
    /// The verb.
    pub phase: String,
    /// Number of steps.
    pub steps: usize,
    /// Those of them that had nothing to do.
    pub unchanged: usize,
    /// Seconds from the start of the run to the first of them.
    pub started: f64,
    /// Seconds from the start of the run to the end of the last.
    pub ended: f64,
}

impl Timeline {
    /// Takes note of an event.
    pub fn record(&mut self, event: &Event) {
        if let Event::StepFinished { step, outcome, started, took } = event {
            self.steps.push(StepTime {
                step: step.clone(),
                outcome: outcome.clone(),
                started: seconds(*started),
                took: seconds(*took),
            });
        }
    }

    /// The phases in the order in which they began.
    #[must_use]
    pub fn phases(&self) -> Vec<PhaseTime> {
        let mut phases: Vec<PhaseTime> = Vec::new();
        for step in &self.steps {
            let verb = step.step.verb();
            let (started, ended) = (step.started, step.started + step.took);
            let unchanged = usize::from(step.outcome == Outcome::Unchanged);
            match phases.iter_mut().find(|p| p.phase == verb) {
                Some(phase) => {
                    phase.steps += 1;
                    phase.unchanged += unchanged;
                    phase.started = phase.started.min(started);
                    phase.ended = phase.ended.max(ended);
                }
                None => phases.push(PhaseTime { phase: verb.to_owned(), steps: 1, unchanged, started, ended }),
            }
        }
        phases.sort_by(|a, b| a.started.total_cmp(&b.started).then(a.ended.total_cmp(&b.ended)));
        phases
    }

    /// The steps that made the run as long as it was: from the one that ended last, always the one of those it needs that ended last.
    #[must_use]
    pub fn critical_path(&self, plan: &Plan) -> BTreeSet<&StepId> {
        let ended = |step: &StepTime| step.started + step.took;
        let time = |id: &StepId| self.steps.iter().find(|s| s.step == *id);
        let latest = |a: &&StepTime, b: &&StepTime| ended(a).total_cmp(&ended(b));
        let mut path = BTreeSet::new();
        let mut next = self.steps.iter().max_by(latest);
        while let Some(step) = next {
            path.insert(&step.step);
            let needs = plan.steps.iter().find(|s| s.id == step.step).map_or(&[][..], |s| &s.needs);
            // A step cannot need itself, so this ends; a timeline that says otherwise must not make it go round.
            next = needs.iter().filter_map(time).filter(|s| !path.contains(&s.step)).max_by(latest);
        }
        path
    }

    /// The phases as a table for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = table(["PHASE", "STEPS", "UNCHANGED", "FROM s", "TO s", "SECONDS"]);
        for phase in self.phases() {
            table.add_row([
                phase.phase,
                phase.steps.to_string(),
                phase.unchanged.to_string(),
                format!("{:.1}", phase.started),
                format!("{:.1}", phase.ended),
                format!("{:.1}", phase.ended - phase.started),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table_text(&table)
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, PlannedStep};

    #[test]
    fn steps_of_one_verb_are_one_phase() {
        let mut timeline = Timeline::default();
        for (step, outcome, started, took) in [
            ("cluster/c1", Outcome::Done, 1, 10),
            ("cluster/c2", Outcome::Unchanged, 2, 12),
            ("verify", Outcome::Done, 14, 3),
        ] {
            timeline.record(&Event::StepFinished {
                step: StepId(step.into()),
                outcome,
                started: Duration::from_secs(started),
                took: Duration::from_secs(took),
            });
        }
        insta::assert_snapshot!(timeline.table());
    }

    #[test]
    fn the_critical_path_goes_by_what_ended_last() {
        let id = |id: &str| StepId(id.to_owned());
        let step = |name: &str, started, took| StepTime { step: id(name), outcome: Outcome::Done, started, took };
        let timeline = Timeline {
            steps: vec![
                step("images", 0.0, 5.0),
                step("root-ca", 0.0, 1.0),
                step("cluster", 5.0, 20.0),
                step("verify", 25.0, 3.0),
            ],
        };
        let needs = |name: &str, needs: &[&str]| PlannedStep {
            id: id(name),
            action: Action::Verify,
            needs: needs.iter().map(|n| id(n)).collect(),
        };
        let plan = Plan {
            steps: vec![
                needs("images", &[]),
                needs("root-ca", &[]),
                needs("cluster", &["images", "root-ca"]),
                needs("verify", &["cluster", "root-ca"]),
            ],
        };
        assert_eq!(timeline.critical_path(&plan), [&id("cluster"), &id("images"), &id("verify")].into());
    }
}
