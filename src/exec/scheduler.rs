//! The scheduler: starts every step as soon as what it needs has ended.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

use super::{Event, Events, Outcome, Progress};
use crate::plan::{Action, Plan, PlannedStep, StepId};

/// What runs one step. The scheduler knows nothing about what steps do.
pub trait Executor {
    /// The error of a step.
    type Error: std::error::Error;

    /// Runs the step, unless it is satisfied already; tells whether it changed anything.
    fn run(&self, step: &PlannedStep, progress: &Progress) -> impl Future<Output = Result<bool, Self::Error>>;

    /// How many clusters may be made at once. Steps that do not make one never wait for a turn.
    fn clusters_at_once(&self) -> usize {
        usize::MAX
    }
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
    let mut turns = executor.clusters_at_once().max(1);
    let mut finished = Finished { failures: Vec::new(), interrupted: false, changed: false, took: Duration::ZERO };
    loop {
        if finished.failures.is_empty() {
            let is_ready = |s: &PlannedStep| s.needs.iter().all(|need| ended.contains(need));
            let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|s| {
                let starts = is_ready(s) && (turns > 0 || !makes_cluster(s));
                turns -= usize::from(starts && makes_cluster(s));
                starts
            });
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
        turns += usize::from(makes_cluster(step));
        let started = started_at.remove(&step.id).unwrap_or_default();
        let outcome = match result {
            Ok(changed) => {
                finished.changed |= changed && step.action.is_construction();
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

/// Whether a step makes a cluster, which is most of the work of a run.
fn makes_cluster(step: &PlannedStep) -> bool {
    matches!(step.action, Action::Cluster { .. })
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Mutex;

    use tokio::sync::{Barrier, mpsc};

    use super::*;

    /// What a step does in these tests.
    #[derive(Clone, Copy)]
    enum Does {
        Change,
        Nothing,
        Fail,
        /// Changes something, but only when so many steps run at once.
        Meet,
        /// Fails, but only when so many steps run at once.
        MeetAndFail,
        /// Interrupts the run and never ends.
        Interrupt,
        /// Never ends.
        Hang,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("it broke")]
    struct Broken(#[source] std::fmt::Error);

    struct Fake {
        does: BTreeMap<&'static str, Does>,
        together: Barrier,
        interrupt: CancellationToken,
        at_once: usize,
        /// Steps that were entered and have not ended; a dropped one leaves as well.
        inside: Mutex<BTreeSet<StepId>>,
    }

    struct Inside<'a>(&'a Fake, StepId);

    impl Drop for Inside<'_> {
        fn drop(&mut self) {
            self.0.inside.lock().expect("no panic").remove(&self.1);
        }
    }

    impl Executor for Fake {
        type Error = Broken;

        fn clusters_at_once(&self) -> usize {
            self.at_once
        }

        async fn run(&self, step: &PlannedStep, progress: &Progress) -> Result<bool, Broken> {
            self.inside.lock().expect("no panic").insert(step.id.clone());
            let _inside = Inside(self, step.id.clone());
            progress.say("at it");
            match self.does[step.id.0.as_str()] {
                Does::Change => Ok(true),
                Does::Nothing => Ok(false),
                Does::Fail => Err(Broken(std::fmt::Error)),
                Does::Meet => {
                    self.together.wait().await;
                    // Still at work when the others have ended.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(true)
                }
                Does::MeetAndFail => {
                    self.together.wait().await;
                    Err(Broken(std::fmt::Error))
                }
                Does::Interrupt => {
                    self.interrupt.cancel();
                    std::future::pending().await
                }
                Does::Hang => std::future::pending().await,
            }
        }
    }

    struct Ran {
        finished: Finished<Broken>,
        events: Vec<Event>,
        /// Steps still inside their executor after the run.
        left: usize,
    }

    impl Ran {
        /// Each finished step with its outcome, in the order in which they ended.
        fn outcomes(&self) -> Vec<(&str, &Outcome)> {
            let mut outcomes = Vec::new();
            for event in &self.events {
                if let Event::StepFinished { step, outcome, .. } = event {
                    outcomes.push((step.0.as_str(), outcome));
                }
            }
            outcomes
        }

        fn started(&self) -> Vec<&str> {
            let mut started = Vec::new();
            for event in &self.events {
                if let Event::StepStarted { step, .. } = event {
                    started.push(step.0.as_str());
                }
            }
            started
        }
    }

    /// Runs steps given as identifier, needs and deed. `together` steps must run at once for those that meet.
    async fn run(together: usize, steps: &[(&'static str, &[&str], Does)]) -> Ran {
        run_at_once(usize::MAX, together, steps).await
    }

    async fn run_at_once(at_once: usize, together: usize, steps: &[(&'static str, &[&str], Does)]) -> Ran {
        let id = |name: &str| StepId(name.to_owned());
        let plan = Plan {
            steps: steps
                .iter()
                .map(|(name, needs, _)| PlannedStep {
                    id: id(name),
                    action: Action::Cluster { cluster: (*name).to_owned() },
                    needs: needs.iter().map(|n| id(n)).collect(),
                })
                .collect(),
        };
        let fake = Fake {
            does: steps.iter().map(|(name, _, does)| (*name, *does)).collect(),
            together: Barrier::new(together),
            interrupt: CancellationToken::new(),
            at_once,
            inside: Mutex::default(),
        };
        let (events, receiver) = Events::channel();
        let run = execute(&plan, &fake, &events, &fake.interrupt);
        let finished = tokio::time::timeout(Duration::from_secs(10), run).await.expect("the run ends");
        drop(events);
        let left = fake.inside.lock().expect("no panic").len();
        Ran { finished, events: drain(receiver).await, left }
    }

    async fn drain(mut receiver: mpsc::UnboundedReceiver<Event>) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    }

    #[tokio::test]
    async fn steps_run_side_by_side_and_after_what_they_need() {
        // Three that end only when all of them run, and one that needs two of them.
        let ran = run(
            3,
            &[
                ("a", &[], Does::Meet),
                ("b", &[], Does::Meet),
                ("last", &["a", "b"], Does::Change),
                ("c", &[], Does::Meet),
            ],
        )
        .await;
        assert_eq!(ran.outcomes().len(), 4);
        assert!(ran.outcomes().iter().all(|(_, outcome)| **outcome == Outcome::Done));
        assert_eq!(ran.started(), ["a", "b", "c", "last"]);
        let position = |wanted: &dyn Fn(&Event) -> bool| ran.events.iter().position(wanted).expect("the event");
        let ended = |name: &'static str| position(&|e| matches!(e, Event::StepFinished { step, .. } if step.0 == name));
        let last = position(&|e| matches!(e, Event::StepStarted { step, .. } if step.0 == "last"));
        assert!(ended("a") < last && ended("b") < last);
        let Event::Planned { steps } = &ran.events[0] else { panic!("{:?}", ran.events[0]) };
        assert_eq!(steps[2], (StepId("last".into()), "last: kind cluster".into()));
        assert!(ran.finished.changed && !ran.finished.interrupted && ran.finished.failures.is_empty());
    }

    #[tokio::test]
    async fn clusters_are_made_in_turn() {
        // `a` and `b` meet, so two run at once; `c` starts when one of them has ended, and `d` when another has.
        let steps: [(&str, &[&str], Does); 4] =
            [("a", &[], Does::Meet), ("b", &[], Does::Meet), ("c", &[], Does::Nothing), ("d", &[], Does::Nothing)];
        let ran = run_at_once(2, 2, &steps).await;
        let mut inside: usize = 0;
        for event in &ran.events {
            match event {
                Event::StepStarted { .. } => inside += 1,
                Event::StepFinished { .. } => inside -= 1,
                _ => {}
            }
            assert!(inside <= 2, "{:?}", ran.events);
        }
        assert_eq!(ran.started(), ["a", "b", "c", "d"]);
    }

    #[tokio::test]
    async fn a_step_does_not_wait_for_what_it_does_not_need() {
        // `slow` and `next` meet, so `next` must start while `slow` still runs.
        let ran =
            run(2, &[("quick", &[], Does::Change), ("slow", &[], Does::Meet), ("next", &["quick"], Does::Meet)]).await;
        assert_eq!(ran.outcomes().len(), 3);
    }

    #[tokio::test]
    async fn after_a_failure_nothing_starts_and_what_runs_finishes() {
        let ran = run(
            3,
            &[
                ("broken", &[], Does::MeetAndFail),
                ("broken-too", &[], Does::MeetAndFail),
                ("working", &[], Does::Meet),
                ("after-broken", &["broken"], Does::Change),
                ("after-working", &["working"], Does::Change),
            ],
        )
        .await;
        let failed = Outcome::Failed("it broke: an error occurred when formatting an argument".to_owned());
        let outcomes: BTreeMap<_, _> = ran.outcomes().into_iter().collect();
        assert_eq!(outcomes, [("broken", &failed), ("broken-too", &failed), ("working", &Outcome::Done)].into());
        assert_eq!(ran.started(), ["broken", "broken-too", "working"]);
        let mut failures: Vec<&str> = ran.finished.failures.iter().map(|f| f.title.as_str()).collect();
        failures.sort_unstable();
        assert_eq!(failures, ["broken-too: kind cluster", "broken: kind cluster"]);
        assert!(!ran.finished.interrupted);
    }

    #[tokio::test]
    async fn an_interrupt_drops_what_runs_and_says_so() {
        let ran = run(
            1,
            &[
                ("done", &[], Does::Nothing),
                ("hanging", &[], Does::Hang),
                ("interrupts", &["done"], Does::Interrupt),
                ("never", &["interrupts"], Does::Change),
            ],
        )
        .await;
        assert!(ran.finished.interrupted && ran.finished.failures.is_empty());
        assert_eq!(ran.left, 0, "dropped steps have left their executor");
        assert_eq!(
            ran.outcomes(),
            [("done", &Outcome::Unchanged), ("hanging", &Outcome::Cancelled), ("interrupts", &Outcome::Cancelled)]
        );
    }

    #[tokio::test]
    async fn nothing_changed_only_if_no_step_changed_anything() {
        let nothing = run(1, &[("a", &[], Does::Nothing), ("b", &["a"], Does::Nothing)]).await;
        assert!(!nothing.finished.changed);
        assert_eq!(nothing.outcomes(), [("a", &Outcome::Unchanged), ("b", &Outcome::Unchanged)]);
        let one = run(1, &[("a", &[], Does::Change), ("b", &["a"], Does::Nothing)]).await;
        assert!(one.finished.changed);
        assert_eq!(one.outcomes(), [("a", &Outcome::Done), ("b", &Outcome::Unchanged)]);
        // What was done before a failure was done.
        let failed = run(1, &[("a", &[], Does::Change), ("b", &["a"], Does::Fail)]).await;
        assert!(failed.finished.changed && failed.finished.failures.len() == 1);
    }
}
