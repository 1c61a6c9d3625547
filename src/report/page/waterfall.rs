//! The steps of a run on one scale of time, and the chain of them that made it as long as it was.

use maud::{Markup, html};

use crate::exec::Outcome;
use crate::plan::Plan;
use crate::report::Timeline;
use crate::report::phases::StepTime;

/// A row for each step, in the order in which they began.
pub(super) fn waterfall(timeline: &Timeline, plan: &Plan) -> Markup {
    let mut steps: Vec<&StepTime> = timeline.steps.iter().collect();
    steps.sort_by(|a, b| a.started.total_cmp(&b.started));
    let end = steps.iter().map(|s| ended(s)).fold(0.001, f64::max);
    let critical = timeline.critical_path(plan);
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
