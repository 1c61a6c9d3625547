//! `verify`: looks at the caller's endpoints, sends real requests from the real sleep pods, and judges.

use std::time::{Duration, Instant};

use kube::ResourceExt;

use super::{Context, StepError, diagnose};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::{App, Check, ServiceUrl};
use crate::sys::kube::{Cluster, KubeError};
use crate::verdict::{
    Answer, Expected, Observation, STATUS_MARK, SourceVerdict, Verdict, differences, envoy_endpoints, parse_answers,
    requests_needed, rotation,
};

/// File of the last verdict in the lab's state.
pub const VERDICT_FILE: &str = "verdict.json";

/// Envoy's admin port inside every sidecar.
const ENVOY_ADMIN: u16 = 15000;
/// Requests are sent in batches of this size, so that a broken mesh is known before every request has timed out.
const BATCH: u32 = 20;
/// So many failures decide.
const ENOUGH_FAILURES: usize = 5;
/// Seconds that one request may take.
const REQUEST_LIMIT: u32 = 3;

/// Runs every check and stores the verdict. A red verdict is an outcome, not an error.
pub async fn run(ctx: &Context, progress: &Progress) -> Result<Verdict, StepError> {
    let mut sources = Vec::new();
    for check in &ctx.lab.checks {
        match check {
            Check::Rotation { service, from } => {
                let all = from.iter().map(|cluster| check_source(ctx, service, cluster, from.len(), progress));
                sources.extend(futures::future::try_join_all(all).await?);
            }
        }
    }
    let passed = sources.iter().all(|s| s.passed);
    let findings = if passed {
        Vec::new()
    } else {
        progress.say("red: looking for the cause");
        diagnose::findings(ctx, &sources).await
    };
    let at = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    let verdict = Verdict { lab: ctx.lab.name.clone(), passed, at, sources, findings };
    ctx.state.write_json(VERDICT_FILE, &verdict)?;
    ctx.set_verdict(verdict.clone());
    Ok(verdict)
}

async fn check_source(
    ctx: &Context,
    service: &ServiceUrl,
    cluster: &str,
    sources: usize,
    progress: &Progress,
) -> Result<SourceVerdict, StepError> {
    let versions = versions(ctx);
    let mut expected: Vec<String> = versions.iter().map(|(_, version)| version.clone()).collect();
    expected.sort();
    expected.dedup();
    let requests = requests_needed(expected.len(), sources);
    let source = ctx.cluster(cluster)?;
    let start = Instant::now();
    loop {
        let seen = observe(ctx, service, source, &versions, requests, progress).await;
        // A source that cannot be asked is red, and the others are still worth seeing.
        let seen = seen.unwrap_or_else(|e| Observation { broken: Some(e.to_string()), ..Observation::default() });
        let verdict = rotation(&format!("rotation {service}"), cluster, requests, &expected, seen);
        if verdict.passed || start.elapsed() >= ctx.retry {
            return Ok(verdict);
        }
        // Nodes that have just started report what was so before they stopped, until their kubelet has looked.
        progress.say(format!("{cluster}: waiting, not all is well yet"));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Cluster and version of every helloworld.
fn versions(ctx: &Context) -> Vec<(String, String)> {
    let of = |app: &App| match app {
        App::Helloworld { versions } => versions.clone(),
        App::Sleep | App::Manifests(_) => std::collections::BTreeMap::new(),
    };
    ctx.lab.apps.iter().flat_map(of).collect()
}

async fn observe(
    ctx: &Context,
    service: &ServiceUrl,
    source: &LabCluster,
    versions: &[(String, String)],
    requests: u32,
    progress: &Progress,
) -> Result<Observation, StepError> {
    let client = ctx.client(&source.name).await?;
    let pod = client.pod(APP_NAMESPACE, "app=sleep").await?;
    let host = format!("{}.{}.svc.cluster.local", service.service, service.namespace);
    let mut seen = Observation::default();
    let start = Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        // Pods come and go while a lab settles, so what is expected is asked each time.
        let expected = expected_endpoints(ctx, service, source, versions).await?;
        match client.http_get(APP_NAMESPACE, &pod, ENVOY_ADMIN, "/clusters?format=json").await {
            Ok(answer) => {
                seen.endpoints = envoy_endpoints(&answer.body, &host, service.port);
                seen.endpoint_problems = differences(&seen.endpoints, &expected);
            }
            Err(error) => seen.endpoint_problems = vec![format!("list cannot be had from the sidecar: {error}")],
        }
        match seen.endpoint_problems.first() {
            Some(problem) if start.elapsed() < ctx.settle => {
                progress.say(format!("{}: waiting, {problem}", source.name));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            _ => break,
        }
    }
    progress.say(format!("{}: {requests} requests to {service}", source.name));
    while seen.answers.len() < requests as usize {
        let left = requests - u32::try_from(seen.answers.len()).unwrap_or(requests);
        let answers = send(&client, &pod, service, left.min(BATCH)).await?;
        let failures = |answers: &[Answer]| answers.iter().filter(|a| matches!(a, Answer::Failure(_))).count();
        if answers.is_empty() {
            seen.broken = Some("curl printed nothing".to_owned());
            break;
        }
        seen.answers.extend(answers);
        if failures(&seen.answers) >= ENOUGH_FAILURES {
            break;
        }
    }
    Ok(seen)
}

/// The endpoints that the caller must have: pods on its own network, gateways of the other networks.
async fn expected_endpoints(
    ctx: &Context,
    service: &ServiceUrl,
    source: &LabCluster,
    versions: &[(String, String)],
) -> Result<Vec<Expected>, StepError> {
    let mut expected = Vec::new();
    for (name, version) in versions {
        let target = ctx.cluster(name)?;
        if target.network == source.network {
            let selector = format!("app={},version={version}", service.service);
            for pod in ctx.client(name).await?.pods(&service.namespace, &selector).await? {
                let address = pod.status.as_ref().and_then(|s| s.pod_ip.clone()).unwrap_or_default();
                let what = format!("the pod of {version} in {name}, {}", pod.name_any());
                expected.push(Expected { address: format!("{address}:{}", service.port), what });
            }
        } else if let Some(endpoint) = target.east_west_endpoint() {
            let what = format!("the east-west gateway of {name}");
            expected.push(Expected { address: endpoint.to_string(), what });
        }
    }
    Ok(expected)
}

/// Sends requests one after the other: at once they would favour the near endpoint.
async fn send(client: &Cluster, pod: &str, service: &ServiceUrl, requests: u32) -> Result<Vec<Answer>, KubeError> {
    // One curl for all of them: it numbers them in the fragment, which is not sent.
    let url = format!("http://{service}#[1-{requests}]");
    let limit = REQUEST_LIMIT.to_string();
    let format = format!("\\n{STATUS_MARK}%{{http_code}} %{{errormsg}}\\n");
    let command = ["curl", "-s", "-m", &limit, "-w", &format, &url];
    let whole = Duration::from_secs(u64::from(REQUEST_LIMIT * requests) + 10);
    let output = tokio::time::timeout(whole, client.exec(APP_NAMESPACE, pod, "sleep", &command)).await;
    match output {
        Ok(output) => output.map(|o| parse_answers(&o.stdout)),
        Err(_) => Err(KubeError::Pod {
            pod: format!("{APP_NAMESPACE}/{pod}"),
            reason: format!("curl did not end within {} s", whole.as_secs()),
        }),
    }
}
