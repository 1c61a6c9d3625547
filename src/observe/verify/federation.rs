//! Replicas of a federation: where they are and, if exercised, where they go when a member is lost.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;

use super::Run;
use super::loss::{BEFORE, Calls};
use super::undo::Undo;
use crate::context::{LabContext, StepError, karmada_api};
use crate::plan::render;
use crate::scenario::FederationCheck;
use crate::sys::kube::{Condition, Manifest, condition};
use crate::sys::poll::poll_until;
use crate::verdict::{Measure, Spread};

/// How long a member may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long apps may take to move from a lost member, besides the time that they tolerate: each call to the API server of a frozen cluster takes
/// the control plane twenty seconds.
const LEAVING: Duration = Duration::from_secs(180);
/// How long a member may take to be ready again, and how long its replicas may take to come back.
const COMING_BACK: Duration = Duration::from_secs(120);
/// The sum of what several clusters have cannot be watched, so it is asked for this often.
const OFTEN: Duration = Duration::from_millis(250);

/// Judges where the replicas are; then the members that are to be lost are, one after the other.
pub(super) async fn spread(ctx: &LabContext, check: &FederationCheck, run: &Run<'_>) -> Result<Spread, StepError> {
    let mut spread = judged(ctx, check, run).await;
    for cluster in &check.exercise {
        if !spread.passed() {
            spread.problems.push(format!("{cluster} was not lost, because not everything was well before"));
            break;
        }
        match lose(ctx, check, cluster, run, &mut spread).await {
            Ok(()) => {}
            Err(error) => spread.problems.push(format!("{cluster} could not be lost and come back: {error}")),
        }
        let Spread { members, .. } = judged(ctx, check, run).await;
        spread.members = members;
    }
    Ok(spread)
}

/// Freezes all nodes of a member until its replicas are elsewhere, lets them go on until it is ready again, and has the replicas spread anew.
/// Meanwhile the other members call, if the check says what.
async fn lose(
    ctx: &LabContext,
    check: &FederationCheck,
    cluster: &str,
    run: &Run<'_>,
    spread: &mut Spread,
) -> Result<(), StepError> {
    let mut measures = Vec::new();
    let mut measure = |what: String, start: Instant| {
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        measures.push(Measure { what, value: Measure::rounded(millis, 1000), unit: "s".to_owned() });
    };
    let total: u32 = check.replicas.values().sum();
    let tolerated = ctx.lab.federation.as_ref().and_then(|f| f.failover).map_or(0, |f| f.toleration_seconds);
    let nodes: Vec<String> = ctx.nodes_of(cluster).await?.into_iter().map(|n| n.name).collect();

    let mut calls = None;
    if let Some(service) = &check.service {
        run.progress.say(format!("calls to {service}, before {cluster} is lost"));
        let mut begun = Calls::begin(ctx, service, cluster).await?;
        let start = Instant::now();
        // Karmada brings a change to the members a moment after it was made, so nothing may be rolled out all the while that is looked at.
        loop {
            within(BEFORE.saturating_sub(start.elapsed()), || is_rolled_out(ctx, check)).await;
            let rollout = within(BEFORE, || async { !is_rolled_out(ctx, check).await });
            let changed = tokio::select! {
                () = begun.settle() => false,
                changed = rollout => changed,
            };
            if start.elapsed() > BEFORE || !changed {
                break;
            }
        }
        calls = Some(begun);
    }
    run.progress.say(format!("{cluster}: lost"));
    let frozen = Undo::by({
        let of = (ctx.engine.clone(), nodes.clone());
        move || {
            let (engine, nodes) = of.clone();
            Box::pin(async move {
                let released = join_all(nodes.iter().map(|node| engine.unpause(node))).await;
                Ok(released.into_iter().collect::<Result<(), _>>()?)
            })
        }
    });
    let start = Instant::now();
    for node in &nodes {
        ctx.engine.pause(node).await?;
    }
    let limit = LEAVING + Duration::from_secs(tolerated.into());
    let moved = within(limit, || async {
        let found = found_but(ctx, check, Some(cluster)).await;
        found.values().flatten().sum::<u32>() == total
    })
    .await;
    if moved {
        measure(format!("until all {total} replicas are elsewhere once {cluster} is lost"), start);
    }

    if let Some(calls) = &mut calls {
        calls.while_away(start).await;
    }

    run.progress.say(format!("{cluster}: comes back"));
    let returned = Instant::now();
    let start = returned;
    frozen.now().await?;
    let api = karmada_api::client(ctx).await?;
    let member = render::karmada_cluster(cluster);
    // Karmada does not know at once that it was away, so it has to be asked after what is in the member too.
    let ready = within(COMING_BACK, || async {
        let is_ready = api.read(&member).await.ok().flatten().and_then(|m| condition(&m, "Ready"));
        let is_ready = is_ready.as_ref().is_some_and(Condition::is_true);
        is_ready && (!moved || ready(ctx, cluster, check).await == Some(0))
    })
    .await;
    if ready {
        measure(format!("until {cluster} is ready again and runs nothing twice"), start);
    }

    let start = Instant::now();
    let rebalance = render::rebalance(&format!("lab-{cluster}"), &check.namespace, &check.deployment);
    let rebalance = Manifest::from_values([rebalance])?;
    for object in &rebalance.objects {
        api.delete_until_gone(object, COMING_BACK).await?;
    }
    api.apply(&rebalance).await?;
    let back = within(COMING_BACK, || async { Spread::of(check, &found(ctx, check).await).passed() }).await;
    if back {
        measure("until all replicas are spread as before".to_owned(), start);
    }
    let problems = [
        (moved, format!("the replicas of {cluster} were not elsewhere {} s after it was lost", limit.as_secs())),
        (ready, format!("{cluster} was not ready {} s after it came back", COMING_BACK.as_secs())),
        (back, format!("the replicas were not spread as before {} s after that was asked for", COMING_BACK.as_secs())),
    ];
    spread.problems.extend(problems.into_iter().filter(|(well, _)| !well).map(|(_, problem)| problem));
    spread.measures.extend(measures);
    if let Some(mut calls) = calls {
        run.progress.say(format!("calls, until {cluster} answers them too"));
        calls.when_back(returned).await;
        for loss in calls.losses() {
            let (measures, problems) = loss.judge();
            spread.measures.extend(measures);
            spread.problems.extend(problems);
        }
    }
    Ok(())
}

/// Whether no member is changing what it runs of the Deployment.
async fn is_rolled_out(ctx: &LabContext, check: &FederationCheck) -> bool {
    let identity = serde_json::json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": check.deployment, "namespace": check.namespace } });
    let members = ctx.lab.federation.iter().flat_map(|f| &f.members);
    let out = members.map(|m| async {
        let client = ctx.client(&m.cluster).await?;
        match client.read(&identity).await? {
            Some(deployment) => Ok(client.is_rolled_out(&deployment).await?),
            None => Ok::<_, StepError>(true),
        }
    });
    join_all(out).await.into_iter().all(|out| out.unwrap_or(false))
}

/// Asks until it is so, or time is up.
async fn within<F: Future<Output = bool>>(limit: Duration, is_so: impl Fn() -> F) -> bool {
    let asked = poll_until(limit, OFTEN, async || Ok::<_, Infallible>(is_so().await.then_some(())));
    matches!(asked.await, Ok(Some(())))
}

/// Where the replicas are, asked again while the lab settles.
async fn judged(ctx: &LabContext, check: &FederationCheck, run: &Run<'_>) -> Spread {
    loop {
        let spread = Spread::of(check, &found(ctx, check).await);
        if spread.passed() || Instant::now() >= run.until {
            return spread;
        }
        run.progress.say(format!("{}: waiting, not all replicas are where they must be", spread.check));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Ready replicas by member.
async fn found(ctx: &LabContext, check: &FederationCheck) -> BTreeMap<String, Option<u32>> {
    found_but(ctx, check, None).await
}

/// The same without one member.
async fn found_but(ctx: &LabContext, check: &FederationCheck, without: Option<&str>) -> BTreeMap<String, Option<u32>> {
    let members = ctx.lab.federation.iter().flat_map(|f| &f.members);
    let members = members.filter(|m| Some(m.cluster.as_str()) != without);
    join_all(members.map(|m| async move { (m.cluster.clone(), ready(ctx, &m.cluster, check).await) }))
        .await
        .into_iter()
        .collect()
}

/// Ready replicas, as far as they are wanted: while a Deployment is updated there are more.
fn counted(deployment: &Deployment) -> u32 {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let ready = deployment.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0);
    u32::try_from(ready.min(wanted)).unwrap_or(0)
}

async fn ready(ctx: &LabContext, cluster: &str, check: &FederationCheck) -> Option<u32> {
    let client = ctx.client(cluster).await.ok()?;
    let read = client.get::<Deployment>(&check.namespace, &check.deployment);
    let deployment = tokio::time::timeout(PATIENCE, read).await.ok()?.ok()?;
    Some(deployment.map_or(0, |d| counted(&d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_adds_no_replicas() {
        let count = |wanted: Option<i32>, ready: Option<i32>| {
            let deployment = serde_json::json!({
                "metadata": {}, "spec": { "replicas": wanted, "selector": {}, "template": {} }, "status": { "readyReplicas": ready }
            });
            counted(&serde_json::from_value(deployment).expect("a Deployment"))
        };
        assert_eq!((count(Some(2), Some(3)), count(Some(2), Some(1)), count(Some(2), None)), (2, 1, 0));
        assert_eq!((count(None, Some(1)), count(Some(0), Some(1))), (1, 0));
    }
}
