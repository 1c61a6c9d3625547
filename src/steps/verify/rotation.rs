//! Rotation: the caller's endpoints, then real requests from the real sleep pods.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::{Context, StepError};
use super::traffic::{Call, Caller, REQUEST_LIMIT, settled};
use crate::exec::Progress;
use crate::plan::render::APP_NAMESPACE;
use crate::plan::{LabCluster, helloworlds};
use crate::scenario::ServiceUrl;
use crate::verdict::{Answer, Observation, SourceVerdict, requests_needed, rotation, since};

/// So many failures decide.
const ENOUGH_FAILURES: usize = 5;

/// Judges one source, again while the lab settles.
pub(super) async fn source(
    ctx: &Context,
    service: &ServiceUrl,
    cluster: &str,
    sources: usize,
    progress: &Progress,
) -> Result<SourceVerdict, StepError> {
    let mut expected: Vec<String> = helloworlds(&ctx.lab).map(|(_, version)| version.to_owned()).collect();
    expected.sort();
    expected.dedup();
    let requests = requests_needed(expected.len(), sources);
    let source = ctx.cluster(cluster)?;
    let start = Instant::now();
    loop {
        let seen = observe(ctx, service, source, requests, progress).await;
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

async fn observe(
    ctx: &Context,
    service: &ServiceUrl,
    source: &LabCluster,
    requests: u32,
    progress: &Progress,
) -> Result<Observation, StepError> {
    let caller = Caller::find(ctx, &source.name, APP_NAMESPACE, "sleep").await?;
    let (before, endpoint_problems) = settled(ctx, caller.envoy(), service, source, None, progress).await?;
    progress.say(format!("{}: {requests} requests to {service}", source.name));
    let headers = BTreeMap::new();
    let call = Call { url: format!("http://{service}"), method: None, headers: &headers, limit: REQUEST_LIMIT };
    let failed = |reply: &_| matches!(Answer::of(reply), Answer::Failure(_));
    let replies = caller.send(&call, requests, ENOUGH_FAILURES, failed).await?;
    let after = caller.endpoints(service).await.unwrap_or_else(|_| before.clone());
    Ok(Observation {
        answers: replies.iter().map(Answer::of).collect(),
        endpoints: since(&before, after),
        endpoint_problems,
        broken: None,
    })
}
