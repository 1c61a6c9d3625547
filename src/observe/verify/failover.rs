//! Failover: who answers while all is well, and who when that one is stopped.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;

use super::super::traffic::{Call, Caller, collect};
use super::Run;
use super::rotation::{Series, judged};
use super::undo::Undo;
use crate::context::{LabContext, PATIENCE, StepError};
use crate::plan::helloworlds;
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::{FailoverCheck, Through};
use crate::sys::kube::Cluster;
use crate::verdict::{CallCheck, Measure, Outage, Roles, SourceVerdict};

/// Requests that must all be answered by the first in the order.
const HOME_REQUESTS: u32 = 100;
/// Answers after the failover that must all be the second's.
const AWAY_ANSWERS: usize = 100;
/// Requests a second while helloworld is stopped and started.
const RATE: &str = "40/s";
/// Seconds that one of these requests may take.
const STREAM_LIMIT: u32 = 1;
/// How long another cluster may take to answer.
const LEAVING: Duration = Duration::from_secs(30);
/// How long the stopped one may take to answer again: a pod has to start and to be found.
const COMING_BACK: Duration = Duration::from_secs(120);

/// Judges every calling cluster, then stops and starts one helloworld after the other.
pub(super) async fn sources(
    ctx: &LabContext,
    check: &FailoverCheck,
    run: &Run<'_>,
) -> Result<Vec<SourceVerdict>, StepError> {
    let home = check.order.iter().map(|(cluster, order)| async move {
        let first = order.first().and_then(|first| version(ctx, first));
        let series = Series {
            family: None,
            title: format!("failover {}", check.service),
            service: &check.service,
            cluster,
            through: Through::Mesh,
            expected: first.map(str::to_owned).into_iter().collect(),
            requests: HOME_REQUESTS,
            order: Some(order),
        };
        judged(ctx, &series, run).await
    });
    let mut sources = try_join_all(home).await?;
    for source in &mut sources {
        source.kind = CallCheck::Failover;
    }
    for cluster in &check.exercise {
        let (measures, problems) = match exercise(ctx, check, cluster, run).await {
            Ok(judged) => judged,
            Err(error) => (Vec::new(), vec![format!("helloworld could not be stopped and started: {error}")]),
        };
        if let Some(source) = sources.iter_mut().find(|s| &s.cluster == cluster) {
            source.passed &= problems.is_empty();
            source.measures.extend(measures);
            source.problems.extend(problems);
        }
    }
    Ok(sources)
}

fn version<'a>(ctx: &'a LabContext, cluster: &str) -> Option<&'a str> {
    helloworlds(&ctx.lab).find(|(c, _)| *c == cluster).map(|(_, version)| version)
}

/// Stops helloworld of a cluster and starts it again, while its own sleep calls without a pause.
async fn exercise(
    ctx: &LabContext,
    check: &FailoverCheck,
    cluster: &str,
    run: &Run<'_>,
) -> Result<(Vec<Measure>, Vec<String>), StepError> {
    let lacks = |what: &str| StepError::Missing(format!("{what} of {cluster}"));
    let home = version(ctx, cluster).ok_or_else(|| lacks("helloworld"))?;
    let next =
        check.order.get(cluster).and_then(|order| order.get(1)).ok_or_else(|| lacks("the second in the order"))?;
    let roles = Roles { home: (cluster, home), next: (next, version(ctx, next).ok_or_else(|| lacks("the next"))?) };
    let caller = Caller::find(ctx, cluster, APP_NAMESPACE, "sleep").await?;
    let call = Call { limit: STREAM_LIMIT, ..Call::get(format!("http://{}", check.service)) };
    let mut answers = caller.stream(&call, RATE).await?;
    // From here on there is an answer every few milliseconds.
    let Ok(Some(_)) = tokio::time::timeout(LEAVING, answers.recv()).await else {
        return Ok((Vec::new(), vec!["no request of the stream was answered".to_owned()]));
    };
    let client = ctx.client(cluster).await?;
    let name = format!("helloworld-{home}");
    let mut outage = Outage::default();

    run.progress.say(format!("{cluster}: helloworld is stopped"));
    let replicas = replicas(&client, &name).await?;
    let stopped = Undo::by({
        let of = (client.clone(), name.clone());
        move || {
            let (client, name) = of.clone();
            Box::pin(async move { Ok(client.scale(APP_NAMESPACE, &name, replicas).await?) })
        }
    });
    let start = Instant::now();
    client.scale(APP_NAMESPACE, &name, 0).await?;
    outage.stopped = collect(&mut answers, start, LEAVING, |moments| {
        Outage::moved(moments, home).is_some_and(|moved| moments.len() - moved >= AWAY_ANSWERS)
    })
    .await;

    run.progress.say(format!("{cluster}: helloworld is started again"));
    let start = Instant::now();
    stopped.now().await?;
    outage.started =
        collect(&mut answers, start, COMING_BACK, |moments| Outage::returned(moments, home).is_some()).await;
    client.until_available(APP_NAMESPACE, &name, PATIENCE, run.progress).await?;
    Ok(outage.judge(roles))
}

/// How many replicas a Deployment has, which is to be stopped.
async fn replicas(client: &Cluster, name: &str) -> Result<i32, StepError> {
    let deployment: Option<Deployment> = client.get(APP_NAMESPACE, name).await?;
    match deployment.map_or(0, |d| d.spec.replicas.unwrap_or(1)) {
        0 => Err(StepError::Failed {
            problem: format!("Deployment {APP_NAMESPACE}/{name} has no replicas"),
            remedy: "`lab up` starts it again".to_owned(),
        }),
        replicas => Ok(replicas),
    }
}
