//! What the calling cluster knows: the name, the sidecar, and what that was sent.

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::ResourceExt;
use serde_json::json;

use super::{Look, TracedCall};
use crate::context::LabContext;
use crate::observe::traffic::{Caller, callers, has_sidecar};
use crate::plan::LabCluster;
use crate::plan::render::ROOT_CERT;
use crate::scenario::CallerPod;
use crate::verdict::Finding;

/// Whether the name resolves where the caller is.
pub(super) async fn name(ctx: &LabContext, call: &TracedCall<'_>) -> Look {
    let TracedCall { from, called, service, .. } = call;
    let named = format!("{}/{}", service.namespace, service.service);
    let alias = if called == service {
        String::new()
    } else {
        format!("{}.{} is an alias; ", called.service, called.namespace)
    };
    let own: Option<Service> = ctx.client(&from.name).await?.get(&service.namespace, &service.service).await?;
    if let Some(found) = own {
        let spec = found.spec.unwrap_or_default();
        // Whatever its ports are: it has none of its own.
        if let Some(target) = spec.external_name.filter(|_| spec.type_.as_deref() == Some("ExternalName")) {
            return Ok(Ok(format!("Service {named} of {} is an alias of {target}, which no cluster runs", from.name)));
        }
        let ports: Vec<i32> = spec.ports.into_iter().flatten().map(|p| p.port).collect();
        if !ports.contains(&i32::from(service.port)) {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            return Ok(Err(Finding {
                cause: format!(
                    "{}.{} has no port {} in {}",
                    service.service, service.namespace, service.port, from.name
                ),
                evidence: format!("Service {named} of {} has {}", from.name, ports.join(", ")),
                remedy: "call a port that it has, or add this one to the Service in every cluster".to_owned(),
            }));
        }
        let address = spec.cluster_ip.unwrap_or_default();
        return Ok(Ok(format!("{alias}Service {named} of {} has the address {address}", from.name)));
    }
    let elsewhere = ctx.lab.meshed_with(from).any(|c| call.seen.has(&c.name, service));
    if ctx.lab.mesh.dns_capture && elsewhere {
        return Ok(Ok(format!("{} does not know {named}, but its sidecars answer for it (DNS capture)", from.name)));
    }
    Ok(Err(Finding {
        cause: format!("{}.{} does not resolve in {}", service.service, service.namespace, from.name),
        evidence: if ctx.lab.mesh.dns_capture {
            format!(
                "Service {named} does not exist in {}, nor in a cluster for which its sidecars would answer",
                from.name
            )
        } else {
            format!("Service {named} does not exist in {}, and sidecars do not answer DNS queries", from.name)
        },
        remedy: if elsewhere {
            format!(
                "create the Service in {} as well{}, or {}",
                from.name,
                if ctx.lab.is_existing() {
                    String::new()
                } else {
                    format!(" (`lab up {}` does for helloworld)", ctx.lab.name)
                },
                if ctx.lab.is_existing() {
                    "have sidecars answer DNS queries (ISTIO_META_DNS_CAPTURE)"
                } else {
                    "write `mesh: { dnsCapture: true }`"
                }
            )
        } else {
            let add = if ctx.lab.is_existing() { "deploy it" } else { "add it to the scenario's apps" };
            format!("no cluster has Service {named}: correct its name, or {add}")
        },
    }))
}

/// Whether the caller is there, with an Envoy beside it.
pub(super) async fn sidecar(ctx: &LabContext, (from, caller): (&LabCluster, &CallerPod)) -> Look {
    let namespace = &caller.namespace;
    let client = ctx.client(&from.name).await?;
    let pods = callers(&client, namespace, &caller.app).await?;
    let Some(pod) = pods.last() else {
        let place = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        if client.read(&place).await?.is_none() {
            return Ok(Err(Finding {
                cause: format!("nothing in {} calls: it has no namespace {namespace}", from.name),
                evidence: format!("Namespace {namespace} does not exist in {}", from.name),
                remedy: "name a caller that is there: `--caller NAMESPACE/APP`".to_owned(),
            }));
        }
        if client.get::<ConfigMap>(namespace, ROOT_CERT).await?.is_none() {
            return Ok(Err(no_root(ctx, from, namespace)));
        }
        return Ok(Err(Finding {
            cause: format!("nothing in {} calls: there is no pod of {}", from.name, caller.app),
            evidence: format!("no pod in {}, namespace {namespace}, with app={} runs", from.name, caller.app),
            remedy: format!(
                "kubectl --context {} -n {namespace} describe replicaset -l app={}",
                ctx.lab.context(from),
                caller.app
            ),
        }));
    };
    if has_sidecar(pod) {
        return Ok(Ok(format!("pod {namespace}/{} has its sidecar", pod.name_any())));
    }
    Ok(Err(Finding {
        cause: format!("the caller in {} has no sidecar, so it is not in the mesh", from.name),
        evidence: format!("pod {namespace}/{} has no container istio-proxy", pod.name_any()),
        remedy: format!(
            "label the namespace istio-injection=enabled, and restart the pod: kubectl --context lab-{}-{} -n {namespace} delete pod {}",
            ctx.lab.name,
            from.name,
            pod.name_any()
        ),
    }))
}

/// Sidecars mount the root certificate from a `ConfigMap` that istiod writes into every namespace of every cluster that it manages.
fn no_root(ctx: &LabContext, from: &LabCluster, namespace: &str) -> Finding {
    let istiod = &ctx.lab.control_plane(from).name;
    Finding {
        cause: format!("no new sidecar of {} can start: nobody gives it the root certificate", from.name),
        evidence: format!(
            "in {}, namespace {namespace} has no ConfigMap {ROOT_CERT}, which istiod of {istiod} writes where it manages a cluster and may write",
            from.name
        ),
        remedy: ctx.lab.mended(
            &format!(
                "it applies the annotation of istio-system and the rights of istiod's account in {} again",
                from.name
            ),
            || {
                format!(
                    "see what it says: kubectl --context {} -n istio-system logs deployment/{}",
                    ctx.lab.context(ctx.lab.control_plane(from)),
                    ctx.lab.control_plane(from).istiod()
                )
            },
        ),
    }
}

/// Whether the caller's Envoy has taken all that istiod sent.
pub(super) async fn configuration(ctx: &LabContext, (from, caller): (&LabCluster, &CallerPod)) -> Look {
    let calling = Caller::find(ctx, &from.name, &caller.namespace, &caller.app).await?;
    let rejected = calling.rejected().await?;
    let Some(first) = rejected.first() else {
        return Ok(Ok("its Envoy has accepted all that istiod sent".to_owned()));
    };
    Ok(Err(Finding {
        cause: format!("the sidecar in {} rejects what istiod sends, and keeps what it had before", from.name),
        evidence: format!("{}: {}", first.resource, first.reason),
        remedy: format!(
            "correct what configures it, such as an EnvoyFilter: kubectl --context lab-{}-{} get envoyfilters -A",
            ctx.lab.name,
            ctx.lab.config_cluster(from).name
        ),
    }))
}
