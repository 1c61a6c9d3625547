//! What took how long: steps folded into phases, one for each verb.

use std::time::Duration;

use comfy_table::CellAlignment;
use serde::{Deserialize, Serialize};

use super::{table, table_text};
use crate::exec::{Event, Outcome};
use crate::plan::StepId;

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
}
