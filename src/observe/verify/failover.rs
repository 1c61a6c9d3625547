//! Failover: who answers while all is well, and who when that one is stopped.

use std::time::{Duration, Instant};

use futures::future::{BoxFuture, try_join_all};
use k8s_openapi::api::apps::v1::Deployment;

use super::super::traffic::{Call, Caller, collect};
use super::Run;
use super::rotation::{Series, judged};
use super::undo::Undo;
use crate::context::{LabContext, PATIENCE, StepError};
use crate::plan::render::APP_NAMESPACE;
use crate::plan::{Helloworld, helloworlds};
use crate::scenario::{FailoverCheck, Level, Site, Through};
use crate::sys::kube::Cluster;
use crate::verdict::{AWAY_ANSWERS, Answering, CallCheck, Measure, Outage, SourceVerdict};

/// Requests that must all be answered by the first in the order.
const HOME_REQUESTS: u32 = 100;
/// Requests a second while helloworld is stopped and started.
const RATE: &str = "40/s";
/// Seconds that one of these requests may take.
const STREAM_LIMIT: u32 = 1;
/// How long another cluster may take to answer.
const LEAVING: Duration = Duration::from_secs(30);
/// How long the stopped one may take to answer again: a pod has to start and to be found.
const COMING_BACK: Duration = Duration::from_secs(120);

/// Judges every calling place, then stops and starts one helloworld after the other.
pub(super) async fn sources(
    ctx: &LabContext,
    check: &FailoverCheck,
    run: &Run<'_>,
) -> Result<Vec<SourceVerdict>, StepError> {
    let home = check.order.iter().map(|(from, order)| async move {
        let first = order.first().map(|first| answering(ctx, first));
        let series = Series {
            family: None,
            title: format!("failover {}", check.service),
            service: &check.service,
            cluster: &from.cluster,
            zone: from.zone.as_deref(),
            through: Through::Mesh,
            expected: first.iter().flat_map(Answering::versions).cloned().collect(),
            requests: HOME_REQUESTS,
            order: Some(order),
        };
        judged(ctx, &series, run).await
    });
    let mut sources = try_join_all(home).await?;
    for source in &mut sources {
        source.kind = CallCheck::Failover;
    }
    for from in &check.exercise {
        let source = sources.iter_mut().find(|s| from.covers(&s.cluster, s.zone.as_deref()));
        // Where others answer already nothing can be learned by taking somebody away.
        let Some(source) = source.filter(|s| s.passed) else { continue };
        let (measures, problems) = match exercise(ctx, check, from, run).await {
            Ok(judged) => judged,
            Err(error) => (Vec::new(), vec![format!("helloworld could not be stopped and started: {error}")]),
        };
        source.passed &= problems.is_empty();
        source.measures.extend(measures);
        source.problems.extend(problems);
    }
    Ok(sources)
}

/// Who a level of an order is.
fn answering(ctx: &LabContext, level: &Level) -> Answering {
    let versions = |site: &Site| {
        helloworlds(&ctx.lab).filter(|h| site.covers(h.cluster, h.zone)).map(|h| h.version).collect::<Vec<_>>()
    };
    Answering { places: level.sites().iter().map(|site| (site.to_string(), versions(site))).collect() }
}

/// Stops helloworld of a place, then that of the next level of its order, until the last is left, and starts all of them again, while sleep of that
/// place calls without a pause.
async fn exercise(
    ctx: &LabContext,
    check: &FailoverCheck,
    from: &Site,
    run: &Run<'_>,
) -> Result<(Vec<Measure>, Vec<String>), StepError> {
    let order = check.order.get(from).ok_or_else(|| StepError::Missing(format!("the order of {from}")))?;
    let levels: Vec<Answering> = order.iter().map(|level| answering(ctx, level)).collect();
    let home = levels.first().ok_or_else(|| StepError::Missing(format!("the first in the order of {from}")))?;
    let caller = Caller::find_in(ctx, (&from.cluster, from.zone.as_deref()), APP_NAMESPACE, "sleep").await?;
    let call = Call { limit: STREAM_LIMIT, ..Call::get(format!("http://{}", check.service)) };
    let mut answers = caller.stream(&call, RATE).await?;
    // What was stopped for the place before may still be on its way back.
    let before = collect(&mut answers, Instant::now(), LEAVING, |moments| Outage::is_steady(moments, home)).await;
    if !Outage::is_steady(&before, home) {
        let problem = if before.is_empty() {
            "no request of the stream was answered".to_owned()
        } else {
            format!("not all requests of the stream were answered by {} before it was stopped", home.name())
        };
        return Ok((Vec::new(), vec![problem]));
    }
    let mut outage = Outage::default();
    let mut stopped = Vec::new();
    for (i, level) in order[..order.len() - 1].iter().enumerate() {
        run.progress.say(format!("{from}: helloworld of {} is stopped", levels[i].name()));
        let start = Instant::now();
        for helloworld in helloworlds(&ctx.lab).filter(|h| level.covers(h.cluster, h.zone)) {
            stopped.push(stop(ctx, &helloworld).await?);
        }
        let gone = &levels[..=i];
        let moments = collect(&mut answers, start, LEAVING, |moments| {
            Outage::moved(moments, gone).is_some_and(|moved| moments.len() - moved >= AWAY_ANSWERS)
        });
        outage.stopped.push(moments.await);
        if Outage::moved(outage.stopped.last().map_or(&[], Vec::as_slice), gone).is_none() {
            break;
        }
    }

    run.progress.say(format!("{from}: helloworld is started again"));
    let start = Instant::now();
    let mut started = Vec::new();
    for Stopped { client, name, undo } in stopped {
        undo.now().await?;
        started.push((client, name));
    }
    outage.started =
        collect(&mut answers, start, COMING_BACK, |moments| Outage::returned(moments, home).is_some()).await;
    for (client, name) in started {
        client.until_available(APP_NAMESPACE, &name, PATIENCE, run.progress).await?;
    }
    Ok(outage.judge(&levels))
}

/// A helloworld that was stopped.
struct Stopped<F>
where
    F: Fn() -> BoxFuture<'static, Result<(), StepError>>,
{
    client: Cluster,
    /// Of its Deployment.
    name: String,
    undo: Undo<F>,
}

/// Stops a helloworld, until it is given back.
async fn stop(
    ctx: &LabContext,
    helloworld: &Helloworld<'_>,
) -> Result<Stopped<impl Fn() -> BoxFuture<'static, Result<(), StepError>> + use<>>, StepError> {
    let client = ctx.client(helloworld.cluster).await?;
    let name = format!("helloworld-{}", helloworld.version);
    let replicas = replicas(&client, &name).await?;
    let undo = Undo::by({
        let of = (client.clone(), name.clone());
        move || -> BoxFuture<'static, Result<(), StepError>> {
            let (client, name) = of.clone();
            Box::pin(async move { Ok(client.scale(APP_NAMESPACE, &name, replicas).await?) })
        }
    });
    client.scale(APP_NAMESPACE, &name, 0).await?;
    Ok(Stopped { client, name, undo })
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
