//! `up`: runs the steps of a plan, and then the verdict.

use std::sync::OnceLock;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::brought;
use crate::context::run::{leftovers, newcomers};
use crate::context::{LabContext, RunContext, StepError};
use crate::exec::{Events, Executor, Progress, execute};
use crate::observe::verify::{self, Waits};
use crate::plan::render;
use crate::plan::{Action, Lab, Plan, PlannedStep};
use crate::steps::{self, metallb};
use crate::sys::docker::LAB_LABEL;
use crate::sys::state::LabState;
use crate::verdict::Verdict;

/// What stopped a change of a lab that is up.
#[derive(Debug)]
pub enum Stopped {
    /// An interrupt. What was begun last may be half done.
    Interrupted,
    /// The lab was not well, before or in between.
    Red(Box<Verdict>),
    /// Something could not be done.
    Failed(StepError),
}

impl<E: Into<StepError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The steps of a lab, with those that take away what was planned before and is not any more.
///
/// # Errors
/// The lab's state cannot be read.
pub fn planned(lab: &Lab, state: &LabState) -> Result<Plan, StepError> {
    let mut plan = Plan::of(lab);
    let left = leftovers(state, &plan, &lab.clusters)?;
    for (cluster, _) in &left {
        plan.retire(cluster);
    }
    plan.unlink(left.iter().map(|(cluster, steps)| (cluster.as_str(), steps.as_slice())));
    plan.promote(left.iter().map(|(cluster, steps)| (cluster.as_str(), steps.as_slice())));
    plan.admit(newcomers(state, &lab.clusters)?.iter().map(String::as_str));
    Ok(plan)
}

/// What runs the steps of one run.
#[derive(Debug)]
pub struct Up {
    /// What the steps work with.
    pub ctx: RunContext,
    waits: Waits,
    processors: Option<usize>,
    verdict: OnceLock<Verdict>,
}

impl Up {
    /// A run whose verdict waits so long.
    #[must_use]
    pub fn new(ctx: RunContext, waits: Waits) -> Self {
        Self { ctx, waits, processors: None, verdict: OnceLock::new() }
    }

    /// The same on an engine with so many processors, if that is known.
    #[must_use]
    pub fn with_processors(self, processors: Option<usize>) -> Self {
        Self { processors, ..self }
    }

    /// The verdict, once step `verify` has run.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.get()
    }

    /// The same with another lab, which is from now on what the lab is to be.
    ///
    /// # Errors
    /// The lab's state cannot be written.
    pub fn becoming(&self, lab: Lab) -> Result<Self, StepError> {
        self.ctx.state.store(&lab)?;
        let ctx = LabContext::new(lab, self.ctx.engine.clone(), self.ctx.state.clone());
        Ok(Self::new(RunContext::new(ctx, self.ctx.choice), self.waits).with_processors(self.processors))
    }

    /// Runs all steps of the lab but the verdict, and tells nobody of each.
    ///
    /// # Errors
    /// That of the first step that failed, or an interrupt.
    pub async fn build(&self, interrupt: &CancellationToken) -> Result<(), Stopped> {
        self.build_only(|_| true, interrupt).await
    }

    /// The same of some steps, as if what the others do were done.
    ///
    /// # Errors
    /// As of [`Self::build`].
    pub async fn build_only(
        &self,
        is_meant: impl Fn(&Action) -> bool,
        interrupt: &CancellationToken,
    ) -> Result<(), Stopped> {
        let (events, _unread) = Events::channel();
        let mut plan = planned(&self.ctx.lab, &self.ctx.state)?;
        plan.keep(|action| action.is_construction() && is_meant(action));
        let finished = Box::pin(execute(&plan, self, &events, interrupt)).await;
        match finished.failures.into_iter().next() {
            Some(failure) => Err(Stopped::Failed(failure.error)),
            None if finished.interrupted => Err(Stopped::Interrupted),
            None => Ok(()),
        }
    }

    /// The verdict of the lab while nothing is taken away from it.
    ///
    /// # Errors
    /// The lab could not be asked.
    pub async fn judge_at_rest(&self, waits: Waits, progress: &Progress) -> Result<Verdict, StepError> {
        let ctx = LabContext::new(self.ctx.lab.at_rest(), self.ctx.engine.clone(), self.ctx.state.clone());
        Box::pin(verify::judge(&ctx, waits, progress)).await
    }

    /// The same; goes on only if all is well.
    ///
    /// # Errors
    /// The lab could not be asked, or the verdict is red.
    pub async fn until_well(&self, waits: Waits, progress: &Progress) -> Result<Verdict, Stopped> {
        let verdict = self.judge_at_rest(waits, progress).await?;
        if verdict.passed { Ok(verdict) } else { Err(Stopped::Red(Box::new(verdict))) }
    }

    async fn verify(&self, progress: &Progress) -> Result<bool, StepError> {
        // What was ready for an instant, and has crashed since, is not ready.
        steady(&self.ctx, Duration::ZERO, progress).await?;
        let verdict = if self.ctx.lab.is_brought() {
            // What load balancers have given is what the verdict compares with.
            let lab = brought::with_addresses(&self.ctx).await?;
            let ctx = LabContext::new(lab, self.ctx.engine.clone(), self.ctx.state.clone());
            verify::run(&ctx, self.waits, progress).await?
        } else {
            verify::run(&self.ctx, self.waits, progress).await?
        };
        let passed = verdict.passed;
        let _ = self.verdict.set(verdict);
        if passed {
            steady(&self.ctx, TRIAL, progress).await?;
        }
        Ok(true)
    }
}

impl Executor for Up {
    type Error = StepError;

    async fn run(&self, step: &PlannedStep, progress: &Progress) -> Result<bool, StepError> {
        match &step.action {
            // A verdict is never taken from an earlier run.
            Action::Verify => self.verify(progress).await,
            action => again(progress, async || steps::perform(&self.ctx, action, progress).await).await,
        }
    }

    /// One more than there are processors: more than that wait for each other, and cost more than in turn. See `bench/LOG.md`.
    fn clusters_at_once(&self) -> usize {
        self.processors.map_or(usize::MAX, |processors| processors.saturating_add(1))
    }
}

/// How often a step is done for which an API server does not answer in time.
const TIMES: usize = 3;

/// Does a step again for which an API server was too busy to answer: what it has done already is not done twice.
async fn again<T>(progress: &Progress, step: impl AsyncFn() -> Result<T, StepError>) -> Result<T, StepError> {
    for _ in 1..TIMES {
        match step().await {
            Err(error) if error.is_no_answer() => progress.say(format!("{error}; trying again")),
            done => return done,
        }
    }
    step().await
}

/// So long a container of the user's must have run when a lab is called up: what ends at once is seen by then, also on a busy machine.
const TRIAL: Duration = Duration::from_secs(5);

/// Waits until everything of the lab's that runs pods runs them, and has not just crashed.
async fn steady(ctx: &RunContext, trial: Duration, progress: &Progress) -> Result<(), StepError> {
    let label = format!("{LAB_LABEL}={}", ctx.lab.name);
    let own = [render::APP_NAMESPACE, render::LEGACY_NAMESPACE, render::ISTIO_NAMESPACE, metallb::NAMESPACE];
    let is_users = |namespace: &str| !own.contains(&namespace);
    let waits = ctx.lab.clusters.iter().map(|cluster| async {
        let client = ctx.client(&cluster.name).await?;
        Ok::<_, StepError>(client.until_all_steady(&label, trial, is_users, ctx.patience, progress).await?)
    });
    futures::future::try_join_all(waits).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::plan::StepId;
    use crate::sys::kube::KubeError;

    #[tokio::test]
    async fn a_step_is_done_again_if_the_api_server_was_too_busy_and_only_then() {
        let (events, _receiver) = Events::channel();
        let progress = events.progress(&StepId("a step".to_owned()));
        let done = Cell::new(0);
        let step = async |silences: usize| {
            done.set(done.get() + 1);
            if done.get() > silences { Ok(done.get()) } else { Err(KubeError::silent().into()) }
        };
        assert_eq!(again(&progress, async || step(2).await).await.expect("in time"), 3);
        done.set(0);
        assert!(again(&progress, async || step(3).await).await.expect_err("too often").is_no_answer());
        assert_eq!(done.get(), TIMES);
        done.set(0);
        let failing = async || {
            done.set(done.get() + 1);
            Err::<(), _>(StepError::Missing("a plan".to_owned()))
        };
        assert!(!again(&progress, failing).await.expect_err("wrong").is_no_answer());
        assert_eq!(done.get(), 1);
    }
}
