//! Requests of the user's own.

use super::super::traffic::{Call, REQUEST_LIMIT, counted};
use super::way::Way;
use super::{Run, retry_while_settling};
use crate::context::{LabContext, StepError};
use crate::plan::helloworlds;
use crate::scenario::{Expect, RequestCheck, Target, Through};
use crate::verdict::{Seen, SourceVerdict, request, request_failure, requests_for};

/// So many failures more than are allowed decide.
const ENOUGH_FAILURES: usize = 5;

/// Judges one source, again while the lab settles.
pub(super) async fn source(
    ctx: &LabContext,
    check: &RequestCheck,
    cluster: &str,
    run: &Run<'_>,
) -> Result<SourceVerdict, StepError> {
    let versions: Vec<(&str, &str)> = helloworlds(&ctx.lab).collect();
    let requests = requests_for(check, versions.len());
    retry_while_settling(run, cluster, requests, async |round| {
        let seen = run.in_time(observe(ctx, check, cluster, round.requests, run)).await;
        let seen = seen.unwrap_or_else(|e| Seen { broken: Some(e.to_string()), ..Seen::default() });
        Ok(request(check, cluster, &versions, round.requests, seen))
    })
    .await
}

async fn observe(
    ctx: &LabContext,
    check: &RequestCheck,
    cluster: &str,
    requests: u32,
    run: &Run<'_>,
) -> Result<Seen, StepError> {
    let (url, service) = match &check.target {
        Target::Service(service) => (format!("http://{service}"), Some(service)),
        Target::Url(url) => (url.clone(), None),
    };
    let way = match (service, check.through) {
        (Some(service), Through::Ingress) => {
            Way::through_ingress(ctx, cluster, None, service, check.method.as_deref(), &check.headers).await?
        }
        _ => Way::from_pod(ctx, cluster, &check.caller).await?,
    };
    // A bound on time must be exceeded before curl gives up.
    let limit = match &check.expect {
        Expect::Answers(expect) => {
            let seconds = expect.within.map_or(0, |within| u32::try_from(within.div_ceil(1000)).unwrap_or(60) + 1);
            seconds.max(REQUEST_LIMIT)
        }
        Expect::Denied { .. } => REQUEST_LIMIT,
    };
    run.progress.say(format!("{cluster}: {requests} requests to {}", check.target));
    let call = Call {
        url,
        method: check.method.as_deref(),
        headers: &check.headers,
        limit,
        family: None,
        to_first_failure: false,
    };
    let failed = |reply: &_| request_failure(&check.expect, reply).is_some();
    let calls = way.send(&call, requests, enough_failures(&check.expect), failed);
    let (replies, endpoints) = counted(way.envoy(), service, calls).await?;
    Ok(Seen { replies, endpoints, broken: None })
}

/// So many failures decide.
fn enough_failures(expect: &Expect) -> usize {
    match expect {
        Expect::Answers(expect) => ENOUGH_FAILURES + expect.failures as usize,
        Expect::Denied { .. } => ENOUGH_FAILURES,
    }
}
