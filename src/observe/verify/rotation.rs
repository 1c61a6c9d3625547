//! Rotation: the caller's endpoints, then real requests from the real sleep pods, or from this process through an ingress gateway.

use std::collections::{BTreeMap, BTreeSet};

use super::super::traffic::{Call, Family, counted, settled};
use super::way::{Way, caller_name};
use super::{Round, Run, retry_while_settling};
use crate::context::{LabContext, StepError};
use crate::plan::helloworlds;
use crate::plan::render::{APP_NAMESPACE, is_of_apps};
use crate::scenario::{CallerPod, Level, ServiceUrl, Through};
use crate::verdict::{Answer, Observation, Reply, SourceVerdict, requests_needed, rotation};

/// So many failures decide.
const ENOUGH_FAILURES: usize = 5;

/// A series of requests from one cluster's sleep pod or through its ingress gateway, and who must answer.
pub(super) struct Series<'a> {
    /// What the check is called.
    pub title: String,
    /// What is called.
    pub service: &'a ServiceUrl,
    /// Who calls or, from outside, is called.
    pub cluster: &'a str,
    /// In which zone the caller is, where that decides who answers.
    pub zone: Option<&'a str>,
    /// By which way.
    pub through: Through,
    /// To addresses of which family, where a lab has two.
    pub family: Option<Family>,
    /// The versions that must answer.
    pub expected: Vec<String>,
    /// How many requests.
    pub requests: u32,
    /// Who answers, in the order of their endpoints' priorities, where those count.
    pub order: Option<&'a [Level]>,
}

/// The families over which a lab's rotations call, each a judgement of its own; none in a lab of one family.
pub(super) fn families(ctx: &LabContext) -> &'static [Option<Family>] {
    if ctx.lab.is_dual() { &[Some(Family::Ipv4), Some(Family::Ipv6)] } else { &[None] }
}

/// Judges one source of a rotation.
pub(super) async fn source(
    ctx: &LabContext,
    service: &ServiceUrl,
    (through, family): (Through, Option<Family>),
    cluster: &str,
    sources: usize,
    run: &Run<'_>,
) -> Result<SourceVerdict, StepError> {
    let expected = ctx.lab.versions_meshed_with(ctx.cluster(cluster)?);
    // So many that somebody of another mesh, who must not answer, would be seen.
    let all: BTreeSet<String> = helloworlds(&ctx.lab).map(|h| h.version).collect();
    let requests = requests_needed(all.len(), sources);
    let way = through.words();
    let over = family.map_or_else(String::new, |family| format!(" over {}", family.name()));
    let title = format!("rotation {service}{way}{over}");
    judged(ctx, &Series { title, service, cluster, zone: None, through, family, expected, requests, order: None }, run)
        .await
}

/// The pod that calls: lab's own, beside the helloworld that it calls.
fn sleep(service: &ServiceUrl) -> CallerPod {
    let namespace = if is_of_apps(&service.namespace) { &service.namespace } else { APP_NAMESPACE };
    CallerPod { namespace: namespace.to_owned(), app: "sleep".to_owned() }
}

/// Judges a series, again while the lab settles.
pub(super) async fn judged(ctx: &LabContext, series: &Series<'_>, run: &Run<'_>) -> Result<SourceVerdict, StepError> {
    retry_while_settling(run, series.cluster, series.requests, async |round| {
        let seen = run.in_time(observe(ctx, series, round, run)).await;
        // A source that cannot be asked is red, and the others are still worth seeing.
        let seen = seen.unwrap_or_else(|e| Observation { broken: Some(e.to_string()), ..Observation::default() });
        let mut verdict = rotation(&series.title, series.cluster, round.requests, &series.expected, seen);
        verdict.zone = series.zone.map(str::to_owned);
        verdict.caller = caller_name(series.through, &sleep(series.service));
        Ok(verdict)
    })
    .await
}

async fn observe(ctx: &LabContext, series: &Series<'_>, round: Round, run: &Run<'_>) -> Result<Observation, StepError> {
    let Series { service, cluster, .. } = series;
    let source = ctx.cluster(cluster)?;
    let way = match series.through {
        Through::Mesh => Way::from_pod(ctx, (cluster, series.zone), &sleep(service)).await?,
        Through::Ingress => Way::through_ingress(ctx, cluster, series.family, service, None, &BTreeMap::new()).await?,
        Through::LoadBalancer => Way::to_load_balancer(ctx, cluster, service, None, &BTreeMap::new()).await?,
    };
    let endpoint_problems = match way.envoy() {
        Some(envoy) => settled(ctx, envoy, service, source, series.order, (run.progress, run.settles)).await?,
        None => vec!["list cannot be had: the caller has no sidecar".to_owned()],
    };
    run.progress.say(format!("{cluster}: {} requests to {service}", round.requests));
    let call =
        Call { family: series.family, to_first_failure: !round.counts, ..Call::get(format!("http://{service}")) };
    let failed = |reply: &Reply| matches!(Answer::of(reply), Answer::Failure(_));
    let enough = if round.counts { ENOUGH_FAILURES } else { 1 };
    let (replies, endpoints) =
        counted(way.envoy(), Some(service), way.send(&call, round.requests, enough, failed)).await?;
    Ok(Observation { answers: replies.iter().map(Answer::of).collect(), endpoints, endpoint_problems, broken: None })
}
