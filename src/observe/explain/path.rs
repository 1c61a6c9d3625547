//! What lies between the clusters, and who is called there.

use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use super::{Look, TracedCall, answer};
use crate::context::LabContext;
use crate::observe::diagnose;
use crate::observe::traffic::has_sidecar;
use crate::plan::LabCluster;
use crate::sys::kube::is_pod_ready;
use crate::verdict::{Answered, Finding};

/// The pods behind the service in the called cluster, and their sidecars.
pub(super) async fn callee(ctx: &LabContext, call: &TracedCall<'_>) -> Look {
    let TracedCall { from, to, service, .. } = call;
    let client = ctx.client(&to.name).await?;
    let found: Option<Service> = client.get(&service.namespace, &service.service).await?;
    let selector = found.and_then(|s| s.spec).and_then(|s| s.selector).unwrap_or_default();
    let selector: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let named = format!("{}/{}", service.namespace, service.service);
    let others: Vec<&str> = ctx.lab.meshed_with(to).map(|c| c.name.as_str()).collect();
    let others: Vec<&str> =
        others.into_iter().filter(|c| *c != to.name && !call.seen.behind(c, service).is_empty()).collect();
    let pods = client.pods(&service.namespace, &selector.join(",")).await?;
    let pod = pods.iter().find(|p| is_pod_ready(p)).filter(|_| !selector.is_empty());
    // What is not meant to be there is not missed, as long as somebody answers.
    if pod.is_none()
        && !call.seen.is_meant(&to.name, service)
        && answer::if_it_can_call(ctx, call).await?.is_some_and(Answered::is_well)
    {
        return Ok(Ok(format!("{} runs nothing behind {named}, and calls are answered all the same", to.name)));
    }
    if selector.is_empty() {
        let elsewhere = if others.is_empty() { "no cluster".to_owned() } else { others.join(", ") };
        return Ok(Err(Finding {
            cause: format!("{} has no Service {named} with a selector", to.name),
            evidence: format!("Service {named} in {} is missing, or selects nothing; {elsewhere} runs it", to.name),
            remedy: format!(
                "{}, or explain a call to a cluster that runs it",
                if ctx.lab.is_existing() {
                    format!("deploy it in {}", to.name)
                } else {
                    format!(
                        "add {} to the `clusters` of the manifests that have it (`lab up {}` applies helloworld's again)",
                        to.name, ctx.lab.name
                    )
                }
            ),
        }));
    }
    let Some(pod) = pod else {
        if let Some(finding) = call.seen.selects_nothing(ctx, &to.name, service).filter(|_| others.is_empty()) {
            return Ok(Err(finding));
        }
        return Ok(Err(Finding {
            cause: format!("nothing in {} answers for {named}", to.name),
            evidence: format!("no pod in {} with {} is ready", to.name, selector.join(",")),
            remedy: format!(
                "see why: kubectl --context {} -n {} describe pods -l {}{}",
                ctx.lab.context(to),
                service.namespace,
                selector.join(","),
                if ctx.lab.is_existing() {
                    String::new()
                } else {
                    format!(" (`lab up {}` applies the apps again)", ctx.lab.name)
                }
            ),
        }));
    };
    if from.network != to.network && !has_sidecar(pod) {
        return Ok(Err(Finding {
            cause: format!("{named} in {} has no sidecar, and a gateway lets only mutual TLS through", to.name),
            evidence: format!(
                "pod {}/{} in {} has no container istio-proxy",
                service.namespace,
                pod.name_any(),
                to.name
            ),
            remedy: format!(
                "label the namespace istio-injection=enabled, and restart the pod: kubectl --context lab-{}-{} -n {} delete pod {}",
                ctx.lab.name,
                to.name,
                service.namespace,
                pod.name_any()
            ),
        }));
    }
    Ok(Ok(format!("pod {} is ready{}", pod.name_any(), if has_sidecar(pod) { ", with its sidecar" } else { "" })))
}

/// The gateway of the called network: that it runs, has its address and listens, and that istiod knows whose it is.
pub(super) async fn gateway(ctx: &LabContext, to: &LabCluster) -> Look {
    if let Some(finding) = diagnose::gateway(ctx, to).await? {
        return Ok(Err(finding));
    }
    let endpoint = to.east_west_endpoint().map(|e| e.to_string()).unwrap_or_default();
    Ok(Ok(format!("the east-west gateway of {} runs at {endpoint}, for network {}", to.name, to.network)))
}

/// Whether a node of the calling cluster can connect to the gateway: pods leave by their node.
pub(super) async fn reachable(ctx: &LabContext, from: &LabCluster, to: &LabCluster) -> Look {
    let Some(endpoint) = to.east_west_endpoint() else { return Ok(Ok("there is no gateway to reach".to_owned())) };
    let node = from.control_plane_node();
    let connect = format!("timeout 3 bash -c '</dev/tcp/{}/{}'", endpoint.ip(), endpoint.port());
    let output = ctx.engine.exec(&node, &["sh", "-c", &connect], None).await?;
    if output.success {
        return Ok(Ok(format!("{endpoint} takes connections from {node}")));
    }
    let said = output.text.lines().last().unwrap_or("no answer within 3 s").trim().to_owned();
    Ok(Err(Finding {
        cause: format!("{} cannot reach the east-west gateway of {}", from.name, to.name),
        evidence: format!("a connection from {node} to {endpoint} failed: {said}"),
        remedy: format!(
            "see whether MetalLB announces it: kubectl --context lab-{}-{} -n metallb-system logs daemonset/speaker",
            ctx.lab.name, to.name
        ),
    }))
}
