//! How each kind of wait is asked for, and awaited.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::ResourceExt;
use kube::api::DynamicObject;

use crate::context::StepError;
use crate::exec::Progress;
use crate::plan::render::{self, ISTIO_NAMESPACE};
use crate::plan::{Wait, object_name};
use crate::sys::kube::{Cluster, KubeError, Manifest, is_balanced, load_balancer_addresses};
use crate::sys::poll::poll_until;

/// Between two dry runs.
const PAUSE: Duration = Duration::from_millis(100);
/// After so many of them a user is told.
const TELL: u32 = 30;
/// The annotation by which a pod changes, so that its mounts are refreshed.
const CERTIFICATE: &str = "dev.lab/certificate";

/// Whether nothing is to be waited for any more.
pub(super) async fn are_over(client: &Cluster, waits: &[Wait], manifest: &Manifest) -> Result<bool, StepError> {
    for wait in waits {
        if !is_over(client, wait, manifest).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Waits side by side for all of it, each at most so long.
pub(super) async fn until_over(
    client: &Cluster,
    waits: &[Wait],
    manifest: &Manifest,
    limit: Duration,
    progress: &Progress,
) -> Result<(), StepError> {
    let is_last = |wait: &&Wait| matches!(wait, Wait::Injects { .. });
    let (last, first): (Vec<&Wait>, Vec<&Wait>) = waits.iter().partition(is_last);
    for waits in [first, last] {
        try_join_all(waits.into_iter().map(|wait| until(client, wait, manifest, limit, progress))).await?;
    }
    Ok(())
}

async fn is_over(client: &Cluster, wait: &Wait, manifest: &Manifest) -> Result<bool, StepError> {
    Ok(match wait {
        Wait::Available { namespace, deployment } => client.is_available(namespace, deployment).await?,
        Wait::OnEveryNode { namespace, daemon_set } => client.is_on_every_node(namespace, daemon_set).await?,
        Wait::Address { namespace, service, address } => {
            let service: Option<Service> = client.get(namespace, service).await?;
            service.is_some_and(|s| has_address(&s, *address))
        }
        Wait::Token { namespace, secret } => client.get(namespace, secret).await?.as_ref().is_some_and(has_token),
        Wait::Certificate { namespace, secret, .. } => {
            client.get(namespace, secret).await?.as_ref().is_some_and(has_certificate)
        }
        Wait::Injects { revision, by_name, .. } => injects(client, revision.as_deref(), *by_name).await?,
        Wait::RolledOut { but } => {
            let out = try_join_all(running(manifest, but).map(|object| client.is_rolled_out(object))).await?;
            !out.contains(&false)
        }
    })
}

async fn until(
    client: &Cluster,
    wait: &Wait,
    manifest: &Manifest,
    limit: Duration,
    progress: &Progress,
) -> Result<(), StepError> {
    match wait {
        Wait::Available { namespace, deployment } => {
            client.until_available(namespace, deployment, limit, progress).await?;
        }
        Wait::OnEveryNode { namespace, daemon_set } => {
            client.until_on_every_node(namespace, daemon_set, limit, progress).await?;
        }
        Wait::Address { namespace, service, address } => {
            let has_address = |s: &Service| has_address(s, *address);
            client.until(namespace, service, "has no address", limit, progress, has_address).await?;
        }
        Wait::Token { namespace, secret } => {
            client.until(namespace, secret, "has no token", limit, progress, has_token).await?;
        }
        Wait::Certificate { namespace, secret, pods } => {
            let filled =
                client.until(namespace, secret, "has no certificate", limit, progress, has_certificate).await?;
            let version = filled.metadata.resource_version.unwrap_or_default();
            for pod in client.pods(namespace, pods).await? {
                let name = pod.metadata.name.unwrap_or_default();
                client.annotate_pod(namespace, &name, CERTIFICATE, &version).await?;
            }
        }
        Wait::Injects { istiod, revision, by_name } => {
            until_injects(client, istiod, (revision.as_deref(), *by_name), limit, progress).await?;
        }
        Wait::RolledOut { but } => {
            let waits = running(manifest, but).map(|object| client.until_rolled_out(object, limit, progress));
            try_join_all(waits).await?;
        }
    }
    Ok(())
}

/// What somebody runs.
fn running<'a>(manifest: &'a Manifest, but: &'a [String]) -> impl Iterator<Item = &'a DynamicObject> {
    manifest.objects.iter().filter(move |object| {
        let kind = object.types.as_ref().map_or("", |t| t.kind.as_str());
        !but.contains(&object_name(kind, object.metadata.namespace.as_deref(), &object.name_any()))
    })
}

/// Whether a load balancer has given a Service an address, the one that is meant if any is.
fn has_address(service: &Service, meant: Option<Ipv4Addr>) -> bool {
    match meant {
        Some(address) => load_balancer_addresses(service).contains(&address.to_string()),
        // A name is an address too.
        None => is_balanced(service),
    }
}

fn has_token(secret: &Secret) -> bool {
    secret.data.as_ref().is_some_and(|data| data.contains_key("token") && data.contains_key("ca.crt"))
}

fn has_certificate(secret: &Secret) -> bool {
    secret.data.as_ref().is_some_and(|data| data.get("tls.crt").is_some_and(|d| !d.0.is_empty()))
}

/// Waits until injection works. A pod that comes too early is refused, and then its `ReplicaSet` holds back ever longer. What is awaited
/// is kube-proxy's rules for istiod's Service, which nothing announces: so it is asked, as a dry run that creates nothing.
async fn until_injects(
    client: &Cluster,
    istiod: &str,
    (revision, by_name): (Option<&str>, bool),
    limit: Duration,
    progress: &Progress,
) -> Result<(), StepError> {
    let mut asked = 0_u32;
    let injected = poll_until(limit, PAUSE, async || {
        asked += 1;
        if asked == TELL {
            progress.say(format!("waiting, the webhook of {istiod} does not inject yet"));
        }
        Ok::<_, StepError>(injects(client, revision, by_name).await?.then_some(()))
    });
    injected.await?.ok_or_else(|| {
        let what = format!("{istiod} is available, but its webhook injects no sidecar");
        KubeError::Timeout { what, seconds: limit.as_secs(), last: String::new() }.into()
    })
}

/// The annotation of a pod that names the revision of the control plane that gave it its sidecar.
pub(super) const REVISION: &str = "istio.io/rev";

/// The revision of a control plane that has none.
pub(super) const NO_REVISION: &str = "default";

/// Whether a pod that were created now would get its sidecar from the control plane of a revision.
async fn injects(client: &Cluster, revision: Option<&str>, by_name: bool) -> Result<bool, StepError> {
    let probe = render::injection_probe(revision.filter(|_| by_name));
    let pod: Pod = serde_json::from_value(probe).map_err(|e| KubeError::Manifest(e.to_string()))?;
    // Any refusal means "not yet": the webhook's own errors come back in several shapes.
    Ok(client.dry_run(ISTIO_NAMESPACE, &pod).await.is_ok_and(|pod| {
        let by = pod.metadata.annotations.as_ref().and_then(|all| all.get(REVISION)).map(String::as_str);
        let is_meant = by.is_none_or(|by| by == revision.unwrap_or(NO_REVISION));
        is_meant
            && pod.spec.is_some_and(|spec| {
                let sidecars = spec.init_containers.into_iter().flatten();
                spec.containers.into_iter().chain(sidecars).any(|c| c.name == render::PROXY)
            })
    }))
}
