//! The scheduler: starts every step as soon as what it needs has ended.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

use super::{Event, Events, Outcome, Progress};
use crate::plan::{Plan, PlannedStep, StepId};

/// What runs one step. The scheduler knows nothing about what steps do.
pub trait Executor {
    /// The error of a step.
    type Error: std::error::Error;

    /// Runs the step, unless it is satisfied already; tells whether it changed anything.
    fn run(&self, step: &PlannedStep, progress: &Progress) -> impl Future<Output = Result<bool, Self::Error>>;
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure<E> {
    /// Which step.
    pub step: StepId,
    /// Its title.
    pub title: String,
    /// Why.
    pub error: E,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished<E> {
    /// Every step that failed: those that ran side by side when the first failed are let finish.
    pub failures: Vec<Failure<E>>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether any step changed anything.
    pub changed: bool,
    /// How long it took.
    pub took: Duration,
}

/// Runs all steps of `plan`. After a failure no further step starts, and those under way finish; after an interrupt they are dropped
/// where they are.
pub async fn execute<X: Executor>(
    plan: &Plan,
    executor: &X,
    events: &Events,
    interrupt: &CancellationToken,
) -> Finished<X::Error> {
    let start = Instant::now();
    events.send(Event::Planned { steps: plan.steps.iter().map(|s| (s.id.clone(), s.action.title())).collect() });
    let mut waiting: Vec<&PlannedStep> = plan.steps.iter().collect();
    let mut running = FuturesUnordered::new();
    let mut started_at: BTreeMap<StepId, Duration> = BTreeMap::new();
    let mut ended = std::collections::BTreeSet::new();
    let mut finished = Finished { failures: Vec::new(), interrupted: false, changed: false, took: Duration::ZERO };
    loop {
        if finished.failures.is_empty() {
            let (ready, rest): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|s| s.needs.iter().all(|need| ended.contains(need)));
            waiting = rest;
            for step in ready {
                let at = start.elapsed();
                started_at.insert(step.id.clone(), at);
                events.send(Event::StepStarted { step: step.id.clone(), at });
                let progress = events.progress(&step.id);
                running.push(async move { executor.run(step, &progress).await }.map(move |result| (step, result)));
            }
        }
        let next = tokio::select! {
            biased;
            () = interrupt.cancelled() => {
                finished.interrupted = true;
                break;
            }
            next = running.next() => next,
        };
        let Some((step, result)) = next else { break };
        let started = started_at.remove(&step.id).unwrap_or_default();
        let outcome = match result {
            Ok(changed) => {
                finished.changed |= changed;
                ended.insert(step.id.clone());
                if changed { Outcome::Done } else { Outcome::Unchanged }
            }
            Err(error) => {
                let outcome = Outcome::Failed(chain(&error));
                finished.failures.push(Failure { step: step.id.clone(), title: step.action.title(), error });
                outcome
            }
        };
        let took = start.elapsed().saturating_sub(started);
        events.send(Event::StepFinished { step: step.id.clone(), outcome, started, took });
    }
    drop(running);
    for (step, started) in started_at {
        let took = start.elapsed().saturating_sub(started);
        events.send(Event::StepFinished { step, outcome: Outcome::Cancelled, started, took });
    }
    finished.took = start.elapsed();
    finished
}

/// An error with its causes on one line each.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
