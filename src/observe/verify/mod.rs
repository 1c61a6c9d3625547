//! `verify`: looks at the callers' endpoints, sends real requests from the real pods, and judges.

mod causes;
mod failover;
mod fault;
mod federation;
mod links;
mod loss;
mod lost;
mod outside;
mod reachability;
mod request;
mod rotation;
mod undo;
mod way;

pub use fault::bear;

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::diagnose::{Failed, is_denied};
use crate::context::{LabContext, StepError, files, nodes};
use crate::exec::Progress;
use crate::scenario::{Check, Expect, Protocol, ServiceUrl, Target, Through};
use crate::verdict::{
    CalledHost, Cell, FaultVerdict, Finding, LinkVerdict, Settling, SourceVerdict, Spread, Standing, Verdict,
};

/// How long a verdict waits for a lab to be well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// How long a check that is red is made again from the beginning, because the lab has just been changed. Zero: what is, counts.
    pub retry: Duration,
    /// How long it waits for endpoints to be as they must.
    pub settle: Duration,
}

/// Runs every check and stores the verdict. A red verdict is an outcome, not an error.
pub async fn run(ctx: &LabContext, waits: Waits, progress: &Progress) -> Result<Verdict, StepError> {
    let verdict = match judge(ctx, waits, progress).await {
        Ok(verdict) => verdict,
        Err(error) => return Err(nodes::explained(ctx, error).await),
    };
    if let Err(error) = ctx.state.write_json(files::VERDICT, &verdict) {
        progress.say(format!("warning: this verdict is not kept: {error}"));
    }
    Ok(verdict)
}

/// Runs every check of the context's lab, and stores nothing.
pub async fn judge(ctx: &LabContext, waits: Waits, progress: &Progress) -> Result<Verdict, StepError> {
    let broken_before = crate::fault::records(&ctx.state)?;
    let amiss = nodes::findings(ctx).await?;
    for finding in &amiss {
        progress.say(&finding.cause);
    }
    // Right after `up` has waited for all of them, workloads are not looked at again.
    let is_whole = nodes::are_up(ctx).await? && (!waits.retry.is_zero() || !lost::is_anything(ctx).await);
    let mut links =
        if ctx.lab.is_existing() && amiss.is_empty() { links::look(ctx, progress).await } else { Vec::new() };
    let run = &Run::begin(ctx, waits, progress, is_whole);
    let mut sources = Vec::new();
    let mut reachability = Vec::new();
    let mut spreads = Vec::new();
    let mut unexplained = Vec::new();
    for check in &ctx.lab.checks {
        let judged = match check {
            Check::Rotation { service, from, through } => {
                let families = rotation::families(ctx);
                let all = from.len() * families.len();
                let sources = families.iter().flat_map(|family| from.iter().map(move |c| (family, c)));
                side_by_side(sources.map(|(f, c)| rotation::source(ctx, service, (*through, *f), c, all, run))).await?
            }
            Check::Request(check) => {
                side_by_side(check.from.iter().map(|c| request::source(ctx, check, c, run))).await?
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
        unexplained.extend(failed.map(|s| Failed {
            verdict: s.clone(),
            service: called(check).cloned(),
            host: called_host(check),
            protocol: protocol(check),
            through: way(check),
        }));
        sources.extend(judged);
    }
    let reached = sources.iter().all(|s| s.passed) && reachability.iter().all(Cell::passed);
    // Without any check that asks them too, nodes that cannot answer are no lab that is well.
    let reached = reached && links.iter().all(LinkVerdict::passed);
    let passed = amiss.is_empty() && reached && spreads.iter().all(Spread::passed);
    let by_hand = crate::fault::records(&ctx.state)?;
    let faults = if passed && by_hand.is_empty() { fault::all(ctx, progress).await } else { Vec::new() };
    let unborne =
        !faults.iter().all(FaultVerdict::passed) || (passed && !by_hand.is_empty() && !ctx.lab.faults.is_empty());
    let mut findings: Vec<Finding> = Vec::new();
    if !passed || unborne {
        findings.extend(by_hand.iter().map(|record| fault::finding(ctx, record)));
        let ended = broken_before.iter().filter(|before| !by_hand.iter().any(|now| now.id == before.id));
        findings.extend(ended.map(|record| fault::ended(ctx, record)));
        findings.extend(crate::mirror::records(&ctx.state)?.iter().map(|record| fault::mirrored(ctx, record)));
    }
    for finding in links.iter().filter_map(|link| link.finding.clone()) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    // Calls fail for what is wrong on their way.
    let is_told = !links.iter().all(LinkVerdict::passed);
    findings.extend(if passed || is_told {
        Vec::new()
    } else {
        progress.say("red: looking for the cause");
        // Where nodes cannot answer, nothing else is worth asking.
        let now = nodes::all_findings(ctx).await?;
        let amiss = if now.is_empty() { amiss } else { now };
        let red = causes::Red { sources: &unexplained, cells: &reachability, spreads: &spreads, is_reached: reached };
        if amiss.is_empty() { causes::findings(ctx, &red).await } else { amiss }
    });
    for finding in findings.iter_mut().chain(links.iter_mut().filter_map(|link| link.finding.as_mut())) {
        finding.remedy = ctx.lab.reached(&finding.remedy);
    }
    let passed = passed && !unborne;
    let at = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    Ok(Verdict {
        lab: ctx.lab.name.clone(),
        passed,
        at,
        sources,
        reachability,
        links,
        federation: spreads,
        faults,
        findings,
    })
}

/// Whether the mesh may be to blame for a source that is red. A request may be red for reasons of the user's own: where nothing is missing it
/// counts only if what came back was an Envoy's word that it reached nobody or lets nobody in, or nothing.
fn is_unexplained(check: &Check, source: &SourceVerdict) -> bool {
    let by_envoy = ["no answer", "status 502", "status 503", "status 504", "gRPC status 4 ", "gRPC status 14 "];
    let unreached = |error: &String| is_denied(error) || by_envoy.iter().any(|s| error.starts_with(s));
    match check {
        Check::Rotation { .. } => true,
        // Whether its Service has an address is not the user's own matter.
        Check::Request(request) if request.through == Through::LoadBalancer => true,
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

/// The host of the URL that a check calls.
fn called_host(check: &Check) -> Option<CalledHost> {
    let Check::Request(request) = check else { return None };
    if let Target::Url(url) = &request.target { url.parse().ok() } else { None }
}

/// What a check speaks.
fn protocol(check: &Check) -> Protocol {
    match check {
        Check::Request(request) => request.protocol,
        Check::Rotation { .. } | Check::Failover(_) | Check::Federation(_) | Check::Reachability => Protocol::Http,
    }
}

/// By which way a check calls.
fn way(check: &Check) -> Through {
    match check {
        Check::Rotation { through, .. } => *through,
        Check::Request(request) => request.through,
        Check::Failover(_) | Check::Federation(_) | Check::Reachability => Through::Mesh,
    }
}

/// Between two judgements of a lab that settles.
const PAUSE: Duration = Duration::from_millis(500);

/// How often is looked whether a lab that settles still can.
const LOOK: Duration = Duration::from_secs(5);

/// How long a verdict may take at most, before causes are looked for; a lab that still settles included.
const VERDICT: Duration = Duration::from_secs(300);
/// How much longer for each cluster from which something is taken away.
const EXERCISE: Duration = Duration::from_secs(900);
/// Sources that are judged at once.
const AT_ONCE: usize = 8;

/// What all checks of one verdict share.
struct Run<'a> {
    ctx: &'a LabContext,
    progress: &'a Progress,
    /// Until then a check that is red is made again from the beginning: the lab has just been changed.
    until: Instant,
    /// Until then endpoints may settle, of whatever source.
    settles: Instant,
    /// Until then all must be seen.
    end: Instant,
}

impl<'a> Run<'a> {
    /// `is_whole`: whether everything can answer. Where it cannot, waiting does not help.
    fn begin(ctx: &'a LabContext, waits: Waits, progress: &'a Progress, is_whole: bool) -> Self {
        let now = Instant::now();
        let taken_away = ctx.lab.checks.iter().map(|check| match check {
            Check::Failover(check) => check.exercise.len(),
            Check::Federation(check) => check.exercise.len(),
            Check::Rotation { .. } | Check::Request(_) | Check::Reachability => 0,
        });
        let exercises = u32::try_from(taken_away.sum::<usize>()).unwrap_or(u32::MAX);
        let (until, settles) = if is_whole { (now + waits.retry, now + waits.settle) } else { (now, now) };
        Self { ctx, progress, until, settles, end: now + VERDICT + EXERCISE.saturating_mul(exercises) }
    }

    /// What was seen, if it was in time.
    async fn in_time<T>(&self, look: impl Future<Output = Result<T, StepError>>) -> Result<T, StepError> {
        let late = || StepError::Failed {
            problem: format!("it was not seen within the {} s that a verdict may take", VERDICT.as_secs()),
            remedy: format!("`lab status {}` shows what does not answer", self.ctx.lab.name),
        };
        // On the heap: what looks is a large future.
        tokio::time::timeout_at(self.end.into(), Box::pin(look)).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Judges sources side by side, but not too many at once.
async fn side_by_side<F>(sources: impl Iterator<Item = F>) -> Result<Vec<SourceVerdict>, StepError>
where
    F: Future<Output = Result<SourceVerdict, StepError>>,
{
    stream::iter(sources).buffered(AT_ONCE).try_collect().await
}

/// One round of calls of a source.
#[derive(Clone, Copy)]
struct Round {
    /// How many calls.
    requests: u32,
    /// Whether its verdict counts even when it is red. Before that it need not find out all that is wrong.
    counts: bool,
}

/// Judges a source, again while a lab that has just been changed settles: nodes that have just started report what was so before they
/// stopped, until their kubelet has looked. After a round that was red, [`Settling`] says what a pass takes; once time is up, a round that is red
/// ends it, and what is well so far may still be proved.
///
/// `requests` is how many calls a judgement needs.
async fn retry_while_settling(
    run: &Run<'_>,
    cluster: &str,
    requests: u32,
    judge: impl AsyncFn(Round) -> Result<SourceVerdict, StepError>,
) -> Result<SourceVerdict, StepError> {
    let mut is_lost = false;
    let mut looked_at = Instant::now();
    let mut settling = Settling::default();
    loop {
        let counts = is_lost || Instant::now() >= run.until;
        let mut verdict = judge(Round { requests: settling.calls(requests), counts }).await?;
        match settling.judge(&mut verdict) {
            Standing::Well => return Ok(verdict),
            Standing::Red if counts => return Ok(verdict),
            Standing::Unproven(more) => {
                run.progress.say(format!("{cluster}: well now, and to be seen {more} times more"));
                continue;
            }
            Standing::Red => run.progress.say(format!("{cluster}: waiting, not everything is well yet")),
        }
        tokio::time::sleep(PAUSE).await;
        // A node that has gone down does not settle, nor does what will never run.
        is_lost = !nodes::are_up(run.ctx).await?;
        if !is_lost && looked_at.elapsed() >= LOOK {
            looked_at = Instant::now();
            is_lost = lost::is_anything(run.ctx).await;
        }
    }
}
