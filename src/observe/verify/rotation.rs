//! Rotation: the caller's endpoints, then real requests from the real sleep pods, or from this process through an ingress gateway.

use std::collections::BTreeMap;

use super::super::traffic::{Call, Caller, settled};
use super::outside::Outside;
use super::{Run, retry_while_settling};
use crate::context::{LabContext, StepError};
use crate::plan::helloworlds;
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::ServiceUrl;
use crate::verdict::{Answer, OUTSIDE, Observation, Reply, SourceVerdict, requests_needed, rotation, since};

/// So many failures decide.
const ENOUGH_FAILURES: usize = 5;

/// A series of requests from one cluster's sleep pod, and who must answer.
pub(super) struct Series<'a> {
    /// What the check is called.
    pub title: String,
    /// What is called.
    pub service: &'a ServiceUrl,
    /// Who calls.
    pub cluster: &'a str,
    /// The versions that must answer.
    pub expected: Vec<String>,
    /// How many requests.
    pub requests: u32,
    /// Clusters in the order of their endpoints' priorities, where those count.
    pub order: Option<&'a [String]>,
}

/// Judges one source of a rotation.
pub(super) async fn source(
    ctx: &LabContext,
    service: &ServiceUrl,
    cluster: &str,
    sources: usize,
    run: &Run<'_>,
) -> Result<SourceVerdict, StepError> {
    let expected = versions(ctx);
    let requests = requests_needed(expected.len(), sources);
    let series = Series { title: format!("rotation {service}"), service, cluster, expected, requests, order: None };
    judged(ctx, &series, run).await
}

/// Every version of helloworld once.
fn versions(ctx: &LabContext) -> Vec<String> {
    let mut versions: Vec<String> = helloworlds(&ctx.lab).map(|(_, version)| version.to_owned()).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// Judges a series, again while the lab settles.
pub(super) async fn judged(ctx: &LabContext, series: &Series<'_>, run: &Run<'_>) -> Result<SourceVerdict, StepError> {
    retry_while_settling(run, series.cluster, async |counts| {
        let seen = run.in_time(observe(ctx, series, counts, run)).await;
        let mut verdict = rotation(&series.title, series.cluster, series.requests, &series.expected, or_broken(seen));
        verdict.caller = format!("{APP_NAMESPACE}/sleep");
        Ok(verdict)
    })
    .await
}

/// A source that cannot be asked is red, and the others are still worth seeing.
fn or_broken(seen: Result<Observation, StepError>) -> Observation {
    seen.unwrap_or_else(|e| Observation { broken: Some(e.to_string()), ..Observation::default() })
}

async fn observe(ctx: &LabContext, series: &Series<'_>, counts: bool, run: &Run<'_>) -> Result<Observation, StepError> {
    let source = ctx.cluster(series.cluster)?;
    let caller = Caller::find(ctx, &source.name, APP_NAMESPACE, "sleep").await?;
    let (before, endpoint_problems) =
        settled(ctx, caller.envoy(), series.service, source, series.order, (run.progress, run.settles)).await?;
    run.progress.say(format!("{}: {} requests to {}", source.name, series.requests, series.service));
    let call = Call { to_first_failure: !counts, ..Call::get(format!("http://{}", series.service)) };
    let failed = |reply: &Reply| matches!(Answer::of(reply), Answer::Failure(_));
    let replies = caller.send(&call, series.requests, if counts { ENOUGH_FAILURES } else { 1 }, failed).await?;
    let after = caller.endpoints(series.service).await.unwrap_or_else(|_| before.clone());
    Ok(Observation {
        answers: replies.iter().map(Answer::of).collect(),
        endpoints: since(&before, after),
        endpoint_problems,
        broken: None,
    })
}

/// Judges what calls from outside see through one cluster's ingress gateway.
pub(super) async fn ingress(
    ctx: &LabContext,
    service: &ServiceUrl,
    cluster: &str,
    sources: usize,
    run: &Run<'_>,
) -> Result<SourceVerdict, StepError> {
    let expected = versions(ctx);
    let requests = requests_needed(expected.len(), sources);
    let title = format!("rotation {service} through ingress");
    retry_while_settling(run, cluster, |_| async {
        let seen = run.in_time(observe_outside(ctx, service, cluster, requests, run)).await;
        let mut verdict = rotation(&title, cluster, requests, &expected, or_broken(seen));
        OUTSIDE.clone_into(&mut verdict.caller);
        Ok(verdict)
    })
    .await
}

async fn observe_outside(
    ctx: &LabContext,
    service: &ServiceUrl,
    cluster: &str,
    requests: u32,
    run: &Run<'_>,
) -> Result<Observation, StepError> {
    let source = ctx.cluster(cluster)?;
    let outside = Outside::find(ctx, source, service, None, &BTreeMap::new()).await?;
    let (before, endpoint_problems) =
        settled(ctx, outside.envoy(), service, source, None, (run.progress, run.settles)).await?;
    run.progress.say(format!("{cluster}: {requests} requests to {}", outside.url));
    let failed = |reply: &Reply| matches!(Answer::of(reply), Answer::Failure(_));
    let replies = outside.send(requests, ENOUGH_FAILURES, failed).await;
    let (client, envoy) = outside.envoy();
    let after = envoy.endpoints(client, service).await.unwrap_or_else(|_| before.clone());
    let answers = replies.iter().map(Answer::of).collect();
    Ok(Observation { answers, endpoints: since(&before, after), endpoint_problems, broken: None })
}
