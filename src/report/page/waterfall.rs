//! The steps of a run on one scale of time, and the chain of them that made it as long as it was.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::exec::Outcome;
use crate::plan::{Plan, StepId};
use crate::report::Timeline;
use crate::report::phases::StepTime;

/// A row for each step, in the order in which they began.
pub(super) fn waterfall(timeline: &Timeline, plan: &Plan) -> Markup {
    let mut steps: Vec<&StepTime> = timeline.steps.iter().collect();
    steps.sort_by(|a, b| a.started.total_cmp(&b.started));
    let end = steps.iter().map(|s| ended(s)).fold(0.001, f64::max);
    let critical = critical_path(timeline, plan);
    let percent = |seconds: f64| format!("{:.2}%", seconds / end * 100.0);
    html! {
        p {
            (format!("{end:.1}")) " s in all. Steps printed in bold are the critical path: each of them ended last of all that the next one needed."
        }
        div.wide.steps tabindex="0" role="group" aria-label="Waterfall of the steps" {
            table.fall {
                thead { tr { th scope="col" { "Step" } th.time scope="col" { "Seconds" } th scope="col" { "From the first second to the last" } } }
                tbody {
                    @for step in &steps {
                        tr.critical[critical.contains(&step.step)].failed[matches!(step.outcome, Outcome::Failed(_))] {
                            th scope="row" { (step.step) }
                            td.time { (format!("{:.1}", step.took)) }
                            td {
                                div.lane {
                                    span style={ "left: " (percent(step.started)) "; width: " (percent(step.took)) }
                                        title={ (words(&step.outcome)) ", from " (format!("{:.1}", step.started)) " s to " (format!("{:.1}", ended(step))) " s" } {}
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn words(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Unchanged => "nothing to do",
        Outcome::Failed(_) => "failed",
        Outcome::Cancelled => "cancelled",
    }
}

fn ended(step: &StepTime) -> f64 {
    step.started + step.took
}

/// From the step that ended last, always the one of those it needs that ended last.
fn critical_path<'a>(timeline: &'a Timeline, plan: &Plan) -> BTreeSet<&'a StepId> {
    let time = |id: &StepId| timeline.steps.iter().find(|s| s.step == *id);
    let latest = |a: &&StepTime, b: &&StepTime| ended(a).total_cmp(&ended(b));
    let mut path = BTreeSet::new();
    let mut next = timeline.steps.iter().max_by(latest);
    while let Some(step) = next {
        path.insert(&step.step);
        let needs = plan.steps.iter().find(|s| s.id == step.step).map_or(&[][..], |s| &s.needs);
        // A step cannot need itself, so this ends; a timeline that says otherwise must not make it go round.
        next = needs.iter().filter_map(time).filter(|s| !path.contains(&s.step)).max_by(latest);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, PlannedStep};

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
        assert_eq!(critical_path(&timeline, &plan), [&id("cluster"), &id("images"), &id("verify")].into());
    }
}
