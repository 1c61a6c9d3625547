//! Faults: something is broken for a while, and mended again, while every cluster calls without a pause.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};

use super::super::probe::Probe;
use super::outside::Outside;
use super::undo::Undo;
use crate::context::{LabContext, StepError};
use crate::exec::Progress;
use crate::fault::{self, Record};
use crate::mirror;
use crate::plan::render::{APP_NAMESPACE, ISTIO_NAMESPACE};
use crate::scenario::{FAULT_BACK, Fault};
use crate::sys::poll::poll_until;
use crate::verdict::{FaultCalls, FaultJudge, FaultVerdict, Finding, WINDOW, is_settled};

/// How long it may take until it is clear who answers before the fault.
const BEFORE: Duration = Duration::from_secs(60);
/// How much later a fault ends by itself than it is ended here.
const GRACE: Duration = Duration::from_secs(10);
/// How long it may take until all is as before.
const BACK: Duration = Duration::from_secs(FAULT_BACK as u64);
/// Between two looks whether a lost cluster is well again.
const LOOK: Duration = Duration::from_secs(1);

/// All faults of the scenario, each mended before the next.
pub(super) async fn all(ctx: &LabContext, progress: &Progress) -> Vec<FaultVerdict> {
    let mut verdicts = Vec::new();
    for fault in &ctx.lab.faults {
        let verdict = bear(ctx, fault, progress).await.unwrap_or_else(|error| FaultVerdict {
            fault: fault.kind.to_string(),
            kind: fault.kind.name().to_owned(),
            service: fault.service.to_string(),
            seconds: fault.seconds,
            problems: vec![format!("it could not be looked at: {error}")],
            ..FaultVerdict::default()
        });
        verdicts.push(verdict);
    }
    verdicts
}

/// Breaks something for as long as it is said, and judges what callers see of it.
///
/// # Errors
/// It cannot be broken, or not mended: then `lab heal` does it.
pub async fn bear(ctx: &LabContext, fault: &Fault, progress: &Progress) -> Result<FaultVerdict, StepError> {
    let judge = FaultJudge::of(&ctx.lab, fault);
    progress.say(format!("calls to {}, before {}", fault.service, fault.kind));
    let begin = judge.callers().into_iter().map(|from| async move {
        let calls = FaultCalls { from: from.to_owned(), ..FaultCalls::default() };
        Ok::<_, StepError>((Probe::begin(ctx, from, &fault.service).await?, calls))
    });
    let mut all = try_join_all(begin).await?;
    let enter = judge.entrances().into_iter().map(|at| async move {
        let outside = Outside::find(ctx, (ctx.cluster(at)?, None), &fault.service, None, &BTreeMap::new()).await?;
        let calls = FaultCalls { from: at.to_owned(), is_outside: true, ..FaultCalls::default() };
        Ok::<_, StepError>((outside.probe(), calls))
    });
    all.extend(try_join_all(enter).await?);
    let start = Instant::now();
    join_all(all.iter_mut().map(|(probe, calls)| async move {
        calls.before = probe.collect(start, BEFORE, is_settled).await;
        calls.before.drain(..calls.before.len().saturating_sub(WINDOW));
    }))
    .await;
    let calls = |all: Vec<(Probe, FaultCalls)>| all.into_iter().map(|(_, calls)| calls).collect::<Vec<_>>();
    if !all.iter().all(|(_, calls)| is_settled(&calls.before)) {
        return Ok(judge.judge(&calls(all), 0.0));
    }

    let lasts = Duration::from_secs(fault.seconds.into());
    let calm = start;
    let start = Instant::now();
    let record = fault::begin(ctx, &fault.kind, lasts + GRACE).await?;
    let undo = Undo::by({
        let of = (Arc::new(LabContext::new(ctx.lab.clone(), ctx.engine.clone(), ctx.state.clone())), record.id.clone());
        move || {
            let (ctx, id) = of.clone();
            Box::pin(async move { fault::heal(&ctx, &id).await.map(|_| ()) })
        }
    });
    progress.say(format!("{}, for {} s", fault.kind, fault.seconds));
    // To begin it may take its time on a busy machine.
    let there = start.elapsed();
    let is_ended = &AtomicBool::new(false);
    let collected = join_all(all.iter_mut().map(|(probe, calls)| async move {
        calls.there = u64::try_from(there.as_millis()).unwrap_or(u64::MAX);
        calls.away = probe.collect(start, there + lasts, |_| is_ended.load(Ordering::Relaxed)).await;
    }));
    tokio::select! {
        _ = collected => {}
        never = until_ended(ctx, &record.id, is_ended) => match never {},
    }

    progress.say(format!("calls, until all is as before: {} no more", fault.kind));
    let end = Instant::now();
    let healed = end.duration_since(start).as_secs_f64();
    let ended = undo.now().await;
    join_all(all.iter_mut().map(|(probe, calls)| {
        let judge = &judge;
        async move {
            let mut seen = std::mem::take(calls);
            let before = seen.before.clone();
            seen.back = probe.collect(end, BACK, |moments| judge.is_back(moments, &before)).await;
            *calls = seen;
        }
    }))
    .await;
    for (probe, calls) in &mut all {
        calls.within = [probe.most_within(calm, start), probe.most_within(start, end)];
    }
    ended?;
    let mut verdict = judge.judge(&calls(all), (healed * 100.0).round() / 100.0);
    if is_ended.load(Ordering::Relaxed) {
        // What was held against a fault that lasts says nothing.
        for source in &mut verdict.sources {
            source.problems.clear();
        }
        verdict.problems =
            vec![format!("`lab heal` or `lab up` ended it after {healed:.0} s of its {} s", fault.seconds)];
    }
    if let Some(lost) = ctx.lab.ground().lost(&fault.kind)
        && !is_well(ctx, &lost.name, BACK.saturating_sub(end.elapsed())).await
    {
        verdict.problems.push(format!("{FAULT_BACK} s after its end {} is not well again", lost.name));
    }
    Ok(verdict)
}

/// Notes that somebody else has ended a fault, which is so where its record is gone.
async fn until_ended(ctx: &LabContext, id: &str, is_ended: &AtomicBool) -> Infallible {
    loop {
        tokio::time::sleep(LOOK).await;
        if matches!(fault::read(&ctx.state, id), Ok(None)) {
            is_ended.store(true, Ordering::Relaxed);
        }
    }
}

/// Waits until a cluster that was lost can call again, so that the next fault finds it as this one did.
async fn is_well(ctx: &LabContext, cluster: &str, limit: Duration) -> bool {
    let Some(of) = ctx.lab.cluster(cluster) else { return false };
    let mut wanted = vec![(APP_NAMESPACE, "sleep".to_owned())];
    if ctx.lab.has_istio(of) && of.runs_istiod() {
        wanted.push((ISTIO_NAMESPACE, of.istiod()));
    }
    let well = poll_until(limit.max(LOOK), LOOK, async || {
        let Ok(client) = ctx.client(cluster).await else { return Ok(None) };
        for (namespace, deployment) in &wanted {
            if !client.is_available(namespace, deployment).await.unwrap_or(false) {
                return Ok(None);
            }
        }
        Ok::<_, StepError>(Some(()))
    });
    matches!(well.await, Ok(Some(())))
}

/// That a verdict is about a lab in which something is broken by hand.
pub(super) fn finding(ctx: &LabContext, record: &Record) -> Finding {
    let left = record.until.saturating_sub(fault::now()) / 1000;
    Finding {
        cause: format!("a fault is there: {}", record.kind),
        evidence: format!("`lab fault` has written it down; it ends by itself in {left} s"),
        remedy: format!("lab heal {}", ctx.lab.name),
    }
}

/// That something was broken by hand while a part of the verdict was made.
pub(super) fn ended(ctx: &LabContext, record: &Record) -> Finding {
    Finding {
        cause: format!("a fault was there at first: {}", record.kind),
        evidence: "`lab fault` had written it down, and it ended while the checks ran".to_owned(),
        remedy: format!("lab verify {}", ctx.lab.name),
    }
}

/// That a verdict is about a lab in which something else answers for a service.
pub(super) fn mirrored(ctx: &LabContext, record: &mirror::Record) -> Finding {
    Finding {
        cause: format!("a mirror is there: {record}"),
        evidence: "`lab mirror` has written it down; it ends with that command".to_owned(),
        remedy: format!("lab heal {}", ctx.lab.name),
    }
}
