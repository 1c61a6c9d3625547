//! What is under way, in lines for people. Pure: whoever asks says what time it is, since the start of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exec::{Count, Event, Outcome};
use crate::plan::StepId;

/// Without a terminal, a line about a step that is under way comes at most this often.
const OFTEN: Duration = Duration::from_secs(5);

/// Without a terminal, something is said at least this often while any step is under way.
const SELDOM: Duration = Duration::from_secs(15);

/// So many of what is under way side by side are named; the others are counted.
const NAMED: usize = 3;

/// All steps under way, and when something was last said.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    titles: BTreeMap<StepId, String>,
    /// In the order in which they began.
    steps: Vec<(StepId, Step)>,
    said: Duration,
}

#[derive(Debug, Default)]
struct Step {
    began: Duration,
    told: Option<Duration>,
    /// How far it was, and when.
    count: Option<(Count, Duration)>,
    /// What it said last, since the last count.
    message: Option<String>,
}

impl UnderWay {
    /// Takes note of an event, and gives the lines that tell of it without a terminal.
    pub fn see(&mut self, event: &Event, now: Duration) -> Vec<String> {
        let was_idle = self.steps.is_empty();
        let lines = match event {
            Event::Planned { steps } => {
                self.titles = steps.iter().cloned().collect();
                Vec::new()
            }
            Event::Note { message } => vec![format!("        {message}")],
            Event::StepStarted { step, .. } => {
                self.step(step, now).told = Some(now);
                Vec::new()
            }
            Event::StepProgress { step, message } => {
                self.step(step, now).message = Some(message.clone());
                self.news(step, now)
            }
            Event::StepCount { step, count } => {
                let known = self.step(step, now);
                known.count = Some((count.clone(), now));
                known.message = None;
                self.news(step, now)
            }
            Event::StepFinished { step, outcome, took, .. } => {
                self.steps.retain(|(id, _)| id != step);
                self.finished(step, outcome, *took, now)
            }
        };
        // Silence is reckoned from where there is somebody who could have spoken.
        if !lines.is_empty() || (was_idle && !self.steps.is_empty()) {
            self.said = now;
        }
        lines
    }

    /// When something must be said, unless something happens before.
    pub fn due(&self) -> Option<Duration> {
        (!self.steps.is_empty()).then(|| self.said + SELDOM)
    }

    /// What is under way, when it has been quiet for long.
    pub fn overdue(&mut self, now: Duration) -> Option<String> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        self.said = now;
        for (_, step) in &mut self.steps {
            step.told = Some(now);
        }
        let all = self.steps.iter().map(|(id, step)| match step.tell(now) {
            Some(said) => format!("{}: {said}", self.title(id)),
            None => format!("{} since {}", self.title(id), seconds(now.saturating_sub(step.began))),
        });
        Some(line(now, "..", &some(all.collect(), "; ")))
    }

    /// What a step does now, for a line that stays; `None` if it has said nothing.
    pub fn tell(&self, step: &StepId, now: Duration) -> Option<String> {
        self.steps.iter().find(|(id, _)| id == step)?.1.tell(now)
    }

    /// The title of a step.
    pub fn title(&self, step: &StepId) -> String {
        self.titles.get(step).cloned().unwrap_or_else(|| step.to_string())
    }

    /// The steps under way that count jobs, of which the lines go on by themselves.
    pub fn counting(&self) -> impl Iterator<Item = &StepId> {
        self.steps.iter().filter(|(_, step)| step.count.is_some()).map(|(id, _)| id)
    }

    fn step(&mut self, step: &StepId, now: Duration) -> &mut Step {
        let at = self.steps.iter().position(|(id, _)| id == step).unwrap_or_else(|| {
            self.steps.push((step.clone(), Step { began: now, ..Step::default() }));
            self.steps.len() - 1
        });
        &mut self.steps[at].1
    }

    fn news(&mut self, step: &StepId, now: Duration) -> Vec<String> {
        let title = self.title(step);
        let known = self.step(step, now);
        if known.told.is_some_and(|told| now < told + OFTEN) {
            return Vec::new();
        }
        known.told = Some(now);
        let said = known.tell(now).unwrap_or_default();
        vec![line(now, "..", &format!("{title}: {said}"))]
    }

    fn finished(&self, step: &StepId, outcome: &Outcome, took: Duration, now: Duration) -> Vec<String> {
        let mark = match outcome {
            Outcome::Done => "ok",
            // The table at the end counts them.
            Outcome::Unchanged => return Vec::new(),
            Outcome::Failed(_) => "FAILED",
            Outcome::Cancelled => "stopped",
        };
        let mut lines = vec![line(now, mark, &format!("{} ({:.1} s)", self.title(step), took.as_secs_f64()))];
        // In full it comes at the end of the run, which what still runs may hold up for long.
        if let Outcome::Failed(reason) = outcome {
            lines.extend(reason.lines().next().map(|reason| format!("         {reason}")));
        }
        lines
    }
}

impl Step {
    fn tell(&self, now: Duration) -> Option<String> {
        let count = self.count.as_ref().map(|(count, at)| counted(count, now.saturating_sub(*at)));
        match (count, &self.message) {
            (Some(count), Some(message)) => Some(format!("{count}; {message}")),
            (count, message) => count.or_else(|| message.clone()),
        }
    }
}

/// How far a step is, as it was told some time ago.
fn counted(count: &Count, ago: Duration) -> String {
    let mut parts = vec![format!("{} of {} done", count.done, count.total)];
    let running = count.running.iter().map(|(what, age)| format!("{what} since {}", seconds(*age + ago)));
    parts.extend((!count.running.is_empty()).then(|| some(running.collect(), ", ")));
    parts.extend(count.left.map(|left| about(left.saturating_sub(ago))));
    parts.join(", ")
}

/// The first of them, and how many others there are.
fn some(mut all: Vec<String>, between: &str) -> String {
    let others = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let named = all.join(between);
    if others == 0 { named } else { format!("{named}{between}{others} more") }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

/// A guess, as exact as it is good.
fn about(left: Duration) -> String {
    match left.as_secs() {
        0..10 => "a few seconds left".to_owned(),
        seconds @ 10..90 => format!("about {} s left", seconds.div_ceil(10) * 10),
        seconds => format!("about {} min left", seconds.div_ceil(60)),
    }
}

fn line(now: Duration, mark: &str, text: &str) -> String {
    format!("{:>6.1}s  {mark:<3} {text}", now.as_secs_f64())
}

#[cfg(test)]
mod tests;
