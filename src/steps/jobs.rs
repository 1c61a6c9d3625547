//! `jobs`: the Jobs of the scenario, until they have done what they are for. They may need other clusters, so all apps are there before.

use futures::future::try_join_all;

use super::apps;
use super::step::{Custom, Step, cluster};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::sys::kube::{JobState, Manifest, is_job};

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(async move { is_satisfied(ctx, &*cluster(ctx, action)?).await }),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let jobs = jobs(ctx, cluster)?;
    let states = try_join_all(jobs.objects.iter().map(|job| client.job_state(job))).await?;
    Ok(states.iter().all(|state| *state == JobState::Done))
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let jobs = jobs(ctx, cluster)?;
    try_join_all(jobs.objects.iter().map(|job| client.until_done(job, ctx.patience, progress))).await?;
    // It has only waited: whoever applied them has told what changed.
    Ok(false)
}

fn jobs(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    Ok(apps::manifest(ctx, cluster)?.split(is_job).0)
}
