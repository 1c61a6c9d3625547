//! `verify`: looks at the callers' endpoints, sends real requests from the real pods, and judges.

mod failover;
mod federation;
mod loss;
mod outside;
mod reachability;
mod request;
mod rotation;
pub(super) mod traffic;

use std::time::{Duration, Instant};

use futures::future::try_join_all;

use super::diagnose::{self, Failed};
use super::{Context, StepError};
use crate::exec::Progress;
use crate::scenario::{Check, Expect, ServiceUrl, Target, Through};
use crate::verdict::{Cell, SourceVerdict, Spread, Verdict};

/// File of the last verdict in the lab's state.
pub const VERDICT_FILE: &str = "verdict.json";

/// Runs every check and stores the verdict. A red verdict is an outcome, not an error.
pub async fn run(ctx: &Context, progress: &Progress) -> Result<Verdict, StepError> {
    let verdict = judge(ctx, progress).await?;
    if let Err(error) = ctx.state.write_json(VERDICT_FILE, &verdict) {
        progress.say(format!("warning: this verdict is not kept: {error}"));
    }
    ctx.set_verdict(verdict.clone());
    Ok(verdict)
}

/// Runs every check of the context's lab, and stores nothing.
pub async fn judge(ctx: &Context, progress: &Progress) -> Result<Verdict, StepError> {
    let run = &Run { progress, until: Instant::now() + ctx.retry };
    let mut sources = Vec::new();
    let mut reachability = Vec::new();
    let mut spreads = Vec::new();
    let mut unexplained = Vec::new();
    for check in &ctx.lab.checks {
        let judged = match check {
            Check::Rotation { service, from, through: Through::Mesh } => {
                try_join_all(from.iter().map(|c| rotation::source(ctx, service, c, from.len(), run))).await?
            }
            Check::Rotation { service, from, through: Through::Ingress } => {
                try_join_all(from.iter().map(|c| rotation::ingress(ctx, service, c, from.len(), run))).await?
            }
            Check::Request(check) => {
                try_join_all(check.from.iter().map(|c| request::source(ctx, check, c, run))).await?
            }
            Check::Failover(check) => failover::sources(ctx, check, run).await?,
            Check::Federation(check) => {
                spreads.push(federation::spread(ctx, check, run).await?);
                Vec::new()
            }
            Check::Reachability => {
                reachability = reachability::cells(ctx, run).await?;
                Vec::new()
            }
        };
        let failed = judged.iter().filter(|s| !s.passed && is_unexplained(check, s));
        unexplained.extend(failed.map(|s| Failed { verdict: s.clone(), service: called(check).cloned() }));
        sources.extend(judged);
    }
    let reached = sources.iter().all(|s| s.passed) && reachability.iter().all(Cell::passed);
    let passed = reached && spreads.iter().all(Spread::passed);
    let findings = if passed {
        Vec::new()
    } else {
        progress.say("red: looking for the cause");
        let red = diagnose::Red { sources: &unexplained, cells: &reachability, spreads: &spreads, is_reached: reached };
        diagnose::findings(ctx, &red).await
    };
    let at = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    Ok(Verdict { lab: ctx.lab.name.clone(), passed, at, sources, reachability, federation: spreads, findings })
}

/// Whether the mesh may be to blame for a source that is red. A request may be red for reasons of the user's own: where nothing is missing it
/// counts only if what came back was an Envoy's word that it reached nobody, or nothing.
fn is_unexplained(check: &Check, source: &SourceVerdict) -> bool {
    let unreached =
        |error: &String| ["no answer", "status 502", "status 503", "status 504"].iter().any(|s| error.starts_with(s));
    match check {
        Check::Rotation { .. } => true,
        Check::Request(request) if matches!(request.expect, Expect::Answers(_)) => {
            !source.missing.is_empty() || source.errors.keys().any(unreached)
        }
        _ => !source.missing.is_empty(),
    }
}

/// The service that a check calls.
fn called(check: &Check) -> Option<&ServiceUrl> {
    match check {
        Check::Rotation { service, .. } => Some(service),
        Check::Failover(failover) => Some(&failover.service),
        Check::Request(request) => match &request.target {
            Target::Service(service) => Some(service),
            Target::Url(_) => None,
        },
        Check::Federation(_) | Check::Reachability => None,
    }
}

/// Between two judgements of a lab that settles.
const PAUSE: Duration = Duration::from_millis(500);

/// What all checks of one verdict share.
struct Run<'a> {
    progress: &'a Progress,
    /// Until then a check that is red is made again from the beginning: the lab has just been changed.
    until: Instant,
}

/// Judges a source, again while a lab that has just been changed settles: nodes that have just started report what was so before they
/// stopped, until their kubelet has looked.
///
/// `judge` is told whether its verdict counts even when it is red. Before that it need not find out all that is wrong.
async fn until_well<F>(run: &Run<'_>, cluster: &str, judge: impl Fn(bool) -> F) -> Result<SourceVerdict, StepError>
where
    F: Future<Output = Result<SourceVerdict, StepError>>,
{
    loop {
        let counts = Instant::now() >= run.until;
        let verdict = judge(counts).await?;
        if verdict.passed || counts {
            return Ok(verdict);
        }
        run.progress.say(format!("{cluster}: waiting, not all is well yet"));
        tokio::time::sleep(PAUSE).await;
    }
}
