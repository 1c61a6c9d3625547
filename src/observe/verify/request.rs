//! Requests of the user's own.

use std::time::Duration;

use super::super::traffic::{Call, EnvoyPod, REQUEST_LIMIT, counted};
use super::way::Way;
use super::{Run, retry_while_settling};
use crate::context::{LabContext, StepError};
use crate::plan::{Helloworld, helloworlds};
use crate::scenario::{Expect, RequestCheck, ServiceUrl, Target, Through};
use crate::sys::kube::Cluster;
use crate::sys::poll::poll_until;
use crate::verdict::{Endpoint, Seen, SourceVerdict, request, request_failure, requests_for, since};

/// So many failures more than are allowed decide.
const ENOUGH_FAILURES: usize = 5;
/// How long the last copies may take after the answers to their requests: nobody waits for what a copy is answered.
const COPIES: Duration = Duration::from_secs(3);
/// Between two looks for them.
const PAUSE: Duration = Duration::from_millis(100);

/// Judges one source, again while the lab settles.
pub(super) async fn source(
    ctx: &LabContext,
    check: &RequestCheck,
    cluster: &str,
    run: &Run<'_>,
) -> Result<SourceVerdict, StepError> {
    let helloworlds: Vec<Helloworld<'_>> = helloworlds(&ctx.lab).collect();
    let versions: Vec<(&str, &str)> = helloworlds.iter().map(|h| (h.cluster, h.version.as_str())).collect();
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
        (Some(service), Through::LoadBalancer) => {
            Way::to_load_balancer(ctx, cluster, service, check.method.as_deref(), &check.headers).await?
        }
        _ => Way::from_pod(ctx, (cluster, None), &check.caller).await?,
    };
    // A bound on time must be exceeded before curl gives up.
    let (limit, mirror) = match &check.expect {
        Expect::Answers(expect) => {
            let seconds = expect.within.max(expect.at_least).map_or(0, |millis| millis.div_ceil(1000) + 1);
            (u32::try_from(seconds).unwrap_or(REQUEST_LIMIT).max(REQUEST_LIMIT), expect.mirror.as_ref())
        }
        Expect::Denied { .. } => (REQUEST_LIMIT, None),
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
    let counter = way.envoy().zip(mirror);
    let before = match counter {
        Some(((client, pod), mirror)) => pod.endpoints(client, mirror).await?,
        None => Vec::new(),
    };
    let (replies, endpoints) = counted(way.envoy(), service, calls).await?;
    let copies = match counter {
        Some((envoy, mirror)) => Some(answered_copies(envoy, mirror, &before, replies.len() as u64).await?),
        None => None,
    };
    Ok(Seen { replies, endpoints, copies, broken: None })
}

/// How many copies the service that gets them has answered since its endpoints were `before`, at the latest when they are as many as are wanted.
async fn answered_copies(
    (client, pod): (&Cluster, &EnvoyPod),
    mirror: &ServiceUrl,
    before: &[Endpoint],
    wanted: u64,
) -> Result<u64, StepError> {
    let mut answered = 0;
    let enough = poll_until(COPIES, PAUSE, async || {
        answered = since(before, pod.endpoints(client, mirror).await?).iter().map(|e| e.answers).sum();
        Ok::<_, StepError>((answered >= wanted).then_some(()))
    });
    enough.await?;
    Ok(answered)
}

/// So many failures decide.
fn enough_failures(expect: &Expect) -> usize {
    match expect {
        Expect::Answers(expect) => ENOUGH_FAILURES + expect.failures as usize,
        Expect::Denied { .. } => ENOUGH_FAILURES,
    }
}
