//! Requests of the user's own.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::super::traffic::{Call, EnvoyPod, REQUEST_LIMIT, counted};
use super::way::Way;
use super::{Run, retry_while_settling};
use crate::context::{LabContext, StepError};
use crate::plan::{Helloworld, helloworlds};
use crate::scenario::{Body, Expect, Protocol, RequestCheck, ServiceUrl, Target, Through};
use crate::sys::kube::Cluster;
use crate::sys::poll::poll_until;
use crate::verdict::{Endpoint, Seen, SourceVerdict, request, request_failure, requests_for, since};

/// So many failures more than are allowed decide.
const ENOUGH_FAILURES: usize = 5;
/// Header that is sent for the sake of its length.
const PADDING: &str = "x-lab-padding";
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
    let service = match &check.target {
        Target::Service(service) => Some(service),
        Target::Url(_) => None,
    };
    let mut headers = check.headers.clone();
    if let Some(bytes) = check.header_bytes {
        headers.insert(PADDING.to_owned(), "a".repeat(bytes as usize));
    }
    let way = match (service, check.through) {
        (Some(service), Through::Ingress) => {
            Way::through_ingress(ctx, cluster, None, service, check.method.as_deref(), &headers).await?
        }
        (Some(service), Through::LoadBalancer) => {
            Way::to_load_balancer(ctx, cluster, service, check.method.as_deref(), &headers).await?
        }
        _ => Way::from_pod(ctx, (cluster, None), &check.caller).await?,
    };
    let mirror = match &check.expect {
        Expect::Answers(expect) => expect.mirror.as_ref(),
        Expect::Denied { .. } => None,
    };
    run.progress.say(format!("{cluster}: {requests} requests to {}", check.called()));
    let call = call(check, &headers);
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

/// What is sent.
fn call<'a>(check: &'a RequestCheck, headers: &'a BTreeMap<String, String>) -> Call<'a> {
    let url = match (&check.target, check.protocol) {
        (Target::Service(service), Protocol::Http) => format!("http://{service}"),
        _ => check.called(),
    };
    let (seconds, counted) = match &check.expect {
        // A bound on time must be exceeded before curl gives up.
        Expect::Answers(expect) => {
            (expect.within.max(expect.at_least).map_or(0, |millis| millis.div_ceil(1000) + 1), expect.body_bytes)
        }
        Expect::Denied { .. } => (0, None),
    };
    let body = check.body.as_ref().map(|body| match body {
        Body::Text(text) => Bytes::from(text.clone()),
        Body::Bytes(bytes) => Bytes::from(vec![b'a'; *bytes as usize]),
    });
    let sent = body.as_ref().map_or(0, Bytes::len) + counted.map_or(0, |bytes| bytes as usize);
    let large = u32::try_from(sent >> 20).unwrap_or(REQUEST_LIMIT);
    Call {
        protocol: check.protocol,
        method: check.method.as_deref(),
        headers,
        body,
        limit: u32::try_from(seconds).unwrap_or(REQUEST_LIMIT).max(REQUEST_LIMIT) + large,
        counted,
        expect: Some(&check.expect),
        ..Call::get(url)
    }
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
