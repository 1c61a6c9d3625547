//! `istiod`: the control plane, until a pod that is created now gets its sidecar.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::applied;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::Action;
use crate::plan::render::{self, ISTIO_NAMESPACE};
use crate::sys::kube::{Cluster, KubeError};
use crate::sys::poll::poll_until;

/// Between two dry runs.
const PAUSE: Duration = Duration::from_millis(100);
/// After so many of them a user is told.
const TELL: u32 = 30;

fn action(cluster: &str) -> Action {
    Action::Istiod { cluster: cluster.to_owned() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, cluster: &str) -> Result<bool, StepError> {
    let client = ctx.client(cluster).await?;
    let rendered = ctx.rendered(ctx.cluster(cluster)?)?;
    Ok(applied::is_satisfied(ctx, &client, &action(cluster), &rendered.istiod).await?
        && client.is_available(ISTIO_NAMESPACE, "istiod").await?
        && injects(&client).await?)
}

pub(super) async fn run(ctx: &RunContext, cluster: &str, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(cluster).await?;
    let rendered = ctx.rendered(ctx.cluster(cluster)?)?;
    let changed = applied::apply(ctx, &client, &action(cluster), &rendered.istiod, progress).await?;
    client.until_available(ISTIO_NAMESPACE, "istiod", ctx.patience, progress).await?;
    await_injection(&client, "istiod", ctx.patience, progress).await?;
    Ok(changed)
}

/// Waits until injection works. A pod that comes too early is refused, and then its `ReplicaSet` holds back ever longer. What is awaited
/// is kube-proxy's rules for istiod's Service, which nothing announces: so it is asked, as a dry run that creates nothing.
///
/// `istiod` is what a user calls the control plane that is waited for.
pub(super) async fn await_injection(
    client: &Cluster,
    istiod: &str,
    limit: Duration,
    progress: &Progress,
) -> Result<(), StepError> {
    let mut asked = 0_u32;
    let injected = poll_until(limit, PAUSE, async || {
        asked += 1;
        if asked == TELL {
            progress.say(format!("waiting, the webhook of {istiod} does not inject yet"));
        }
        Ok::<_, StepError>(injects(client).await?.then_some(()))
    });
    injected.await?.ok_or_else(|| {
        let what = format!("{istiod} is available, but its webhook injects no sidecar");
        KubeError::Timeout { what, seconds: limit.as_secs(), last: String::new() }.into()
    })
}

/// Whether a pod that were created now would get its sidecar.
pub(super) async fn injects(client: &Cluster) -> Result<bool, StepError> {
    let pod: Pod = serde_json::from_value(render::injection_probe()).map_err(|e| KubeError::Manifest(e.to_string()))?;
    // Any refusal means "not yet": the webhook's own errors come back in several shapes.
    Ok(client.dry_run(ISTIO_NAMESPACE, &pod).await.is_ok_and(|pod| {
        pod.spec.is_some_and(|spec| {
            let sidecars = spec.init_containers.into_iter().flatten();
            spec.containers.into_iter().chain(sidecars).any(|c| c.name == "istio-proxy")
        })
    }))
}
