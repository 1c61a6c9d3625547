//! Rotation: the caller's endpoints, then real requests from the real sleep pods, or from this process through an ingress gateway.

use std::collections::BTreeMap;

use super::super::{Context, StepError};
use super::traffic::{Call, Caller, EnvoyPod, REQUEST_LIMIT, settled};
use super::{Run, until_well};
use crate::plan::render::{APP_NAMESPACE, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, helloworlds};
use crate::scenario::ServiceUrl;
use crate::sys::http::Http;
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
    ctx: &Context,
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
fn versions(ctx: &Context) -> Vec<String> {
    let mut versions: Vec<String> = helloworlds(&ctx.lab).map(|(_, version)| version.to_owned()).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// Judges a series, again while the lab settles.
pub(super) async fn judged(ctx: &Context, series: &Series<'_>, run: &Run<'_>) -> Result<SourceVerdict, StepError> {
    until_well(run, series.cluster, async |counts| {
        let seen = observe(ctx, series, counts, run).await;
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

async fn observe(ctx: &Context, series: &Series<'_>, counts: bool, run: &Run<'_>) -> Result<Observation, StepError> {
    let source = ctx.cluster(series.cluster)?;
    let caller = Caller::find(ctx, &source.name, APP_NAMESPACE, "sleep").await?;
    let (before, endpoint_problems) =
        settled(ctx, caller.envoy(), series.service, source, series.order, run.progress).await?;
    run.progress.say(format!("{}: {} requests to {}", source.name, series.requests, series.service));
    let headers = BTreeMap::new();
    let url = format!("http://{}", series.service);
    let call = Call { url, method: None, headers: &headers, limit: REQUEST_LIMIT, to_first_failure: !counts };
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
    ctx: &Context,
    service: &ServiceUrl,
    cluster: &str,
    sources: usize,
    run: &Run<'_>,
) -> Result<SourceVerdict, StepError> {
    let expected = versions(ctx);
    let requests = requests_needed(expected.len(), sources);
    let title = format!("rotation {service} through ingress");
    until_well(run, cluster, |_| async {
        let seen = observe_outside(ctx, service, cluster, requests, run).await;
        let mut verdict = rotation(&title, cluster, requests, &expected, or_broken(seen));
        OUTSIDE.clone_into(&mut verdict.caller);
        Ok(verdict)
    })
    .await
}

async fn observe_outside(
    ctx: &Context,
    service: &ServiceUrl,
    cluster: &str,
    requests: u32,
    run: &Run<'_>,
) -> Result<Observation, StepError> {
    let source = ctx.cluster(cluster)?;
    let address = source
        .addresses
        .get(&Gateway::IngressGateway)
        .ok_or_else(|| StepError::Missing(format!("an address of the ingress gateway of {cluster}")))?;
    let client = ctx.client(cluster).await?;
    let selector = format!("app={INGRESS_GATEWAY}");
    let name = client.pod(ISTIO_NAMESPACE, &selector).await?;
    let envoy = EnvoyPod { namespace: ISTIO_NAMESPACE.to_owned(), name };
    let (before, endpoint_problems) = settled(ctx, (&client, &envoy), service, source, None, run.progress).await?;
    let http = Http::direct().map_err(|e| StepError::Machine {
        problem: format!("no HTTP client can be made: {e}"),
        remedy: "see the reason above".to_owned(),
    })?;
    let url = format!("http://{address}{}", service.path);
    let host = format!("{}.{}", service.service, service.namespace);
    run.progress.say(format!("{cluster}: {requests} requests to {url}"));
    let mut answers = Vec::new();
    let mut failures = 0;
    while answers.len() < requests as usize && failures < ENOUGH_FAILURES {
        let reply = match http.get(&url, &host).await {
            Ok(answered) => Reply { status: answered.status, body: answered.body, ..Reply::default() },
            Err(error) => Reply { error: error.to_string(), ..Reply::default() },
        };
        let answer = Answer::of(&reply);
        failures += usize::from(matches!(answer, Answer::Failure(_)));
        answers.push(answer);
    }
    let after = envoy.endpoints(&client, service).await.unwrap_or_else(|_| before.clone());
    Ok(Observation { answers, endpoints: since(&before, after), endpoint_problems, broken: None })
}
