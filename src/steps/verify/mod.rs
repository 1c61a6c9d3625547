//! `verify`: looks at the callers' endpoints, sends real requests from the real pods, and judges.

mod failover;
mod reachability;
mod request;
mod rotation;
mod traffic;

use futures::future::try_join_all;

use super::{Context, StepError, diagnose};
use crate::exec::Progress;
use crate::scenario::{Check, Through};
use crate::verdict::{Cell, SourceVerdict, Verdict};

/// File of the last verdict in the lab's state.
pub const VERDICT_FILE: &str = "verdict.json";

/// Runs every check and stores the verdict. A red verdict is an outcome, not an error.
pub async fn run(ctx: &Context, progress: &Progress) -> Result<Verdict, StepError> {
    let mut sources = Vec::new();
    let mut reachability = Vec::new();
    let mut unexplained = Vec::new();
    for check in &ctx.lab.checks {
        let judged = match check {
            Check::Rotation { service, from, through: Through::Mesh } => {
                try_join_all(from.iter().map(|c| rotation::source(ctx, service, c, from.len(), progress))).await?
            }
            Check::Rotation { service, from, through: Through::Ingress } => {
                try_join_all(from.iter().map(|c| rotation::ingress(ctx, service, c, from.len(), progress))).await?
            }
            Check::Request(check) => {
                try_join_all(check.from.iter().map(|c| request::source(ctx, check, c, progress))).await?
            }
            Check::Failover(check) => failover::sources(ctx, check, progress).await?,
            Check::Reachability => {
                reachability = reachability::cells(ctx, progress).await?;
                Vec::new()
            }
        };
        let rotates = matches!(check, Check::Rotation { .. });
        // A request may be red for reasons of the user's own; where nothing is missing, the mesh is not to blame.
        unexplained.extend(judged.iter().filter(|s| !s.passed && (rotates || !s.missing.is_empty())).cloned());
        sources.extend(judged);
    }
    let passed = sources.iter().all(|s| s.passed) && reachability.iter().all(Cell::passed);
    let findings = if unexplained.is_empty() {
        Vec::new()
    } else {
        progress.say("red: looking for the cause");
        diagnose::findings(ctx, &unexplained).await
    };
    let at = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    let verdict = Verdict { lab: ctx.lab.name.clone(), passed, at, sources, reachability, findings };
    ctx.state.write_json(VERDICT_FILE, &verdict)?;
    ctx.set_verdict(verdict.clone());
    Ok(verdict)
}

/// Judges a source, again while a lab that has just been changed settles: nodes that have just started report what was so before they
/// stopped, until their kubelet has looked.
async fn until_well<F>(
    ctx: &Context,
    cluster: &str,
    progress: &Progress,
    judge: impl Fn() -> F,
) -> Result<SourceVerdict, StepError>
where
    F: Future<Output = Result<SourceVerdict, StepError>>,
{
    let start = std::time::Instant::now();
    loop {
        let verdict = judge().await?;
        if verdict.passed || start.elapsed() >= ctx.retry {
            return Ok(verdict);
        }
        progress.say(format!("{cluster}: waiting, not all is well yet"));
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
