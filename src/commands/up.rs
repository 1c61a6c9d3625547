//! `up`: runs the steps of a plan, and then the verdict.

use std::sync::OnceLock;
use std::time::Duration;

use crate::context::{RunContext, StepError};
use crate::exec::{Executor, Progress};
use crate::observe::verify::{self, Waits};
use crate::plan::render;
use crate::plan::{Action, PlannedStep};
use crate::steps::{self, metallb};
use crate::sys::docker::LAB_LABEL;
use crate::verdict::Verdict;

/// What runs the steps of one run.
#[derive(Debug)]
pub struct Up {
    /// What the steps work with.
    pub ctx: RunContext,
    waits: Waits,
    verdict: OnceLock<Verdict>,
}

impl Up {
    /// A run whose verdict waits so long.
    #[must_use]
    pub fn new(ctx: RunContext, waits: Waits) -> Self {
        Self { ctx, waits, verdict: OnceLock::new() }
    }

    /// The verdict, once step `verify` has run.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.get()
    }

    async fn verify(&self, progress: &Progress) -> Result<bool, StepError> {
        // What was ready for an instant, and has crashed since, is not ready.
        steady(&self.ctx, Duration::ZERO, progress).await?;
        let verdict = verify::run(&self.ctx, self.waits, progress).await?;
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
            action => steps::perform(&self.ctx, action, progress).await,
        }
    }
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
