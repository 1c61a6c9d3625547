//! What the calling cluster knows: the name, the sidecar, its endpoints, and what comes back.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::ResourceExt;

use super::{Journey, Look};
use crate::plan::render::{APP_NAMESPACE, ROOT_CERT};
use crate::plan::{LabCluster, helloworlds};
use crate::steps::Context;
use crate::steps::verify::traffic::{Call, Caller, expected_endpoints, has_sidecar};
use crate::verdict::{Answer, Finding, requests_needed};

/// Whether the name resolves where the caller is.
pub(super) async fn name(ctx: &Context, journey: &Journey<'_>) -> Look {
    let Journey { from, to, service } = *journey;
    let named = format!("{}/{}", service.namespace, service.service);
    let get = async |cluster: &LabCluster| {
        ctx.client(&cluster.name).await?.get::<Service>(&service.namespace, &service.service).await.map_err(Into::into)
    };
    let own: Result<Option<Service>, crate::steps::StepError> = get(from).await;
    if let Some(found) = own? {
        let spec = found.spec.unwrap_or_default();
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
        return Ok(Ok(format!("Service {named} of {} has the address {address}", from.name)));
    }
    let theirs: Result<Option<Service>, crate::steps::StepError> = get(to).await;
    if ctx.lab.mesh.dns_capture && theirs?.is_some() {
        return Ok(Ok(format!("{} does not know {named}, but its sidecars answer for it (DNS capture)", from.name)));
    }
    Ok(Err(Finding {
        cause: format!("{}.{} does not resolve in {}", service.service, service.namespace, from.name),
        evidence: format!("Service {named} does not exist in {}, and sidecars do not answer DNS queries", from.name),
        remedy: format!(
            "create the Service in {} as well (`lab up {}` does for helloworld), or write `mesh: {{ dnsCapture: true }}`",
            from.name, ctx.lab.name
        ),
    }))
}

/// Whether the caller is there, with an Envoy beside it.
pub(super) async fn sidecar(ctx: &Context, from: &LabCluster) -> Look {
    let client = ctx.client(&from.name).await?;
    let pods = client.pods(APP_NAMESPACE, "app=sleep").await?;
    let Some(pod) = pods.last() else {
        if client.get::<ConfigMap>(APP_NAMESPACE, ROOT_CERT).await?.is_none() {
            return Ok(Err(no_root(ctx, from)));
        }
        return Ok(Err(Finding {
            cause: format!("nothing in {} calls: there is no pod of sleep", from.name),
            evidence: format!("no pod in {}, namespace {APP_NAMESPACE}, with app=sleep runs", from.name),
            remedy: format!(
                "kubectl --context lab-{}-{} -n {APP_NAMESPACE} describe replicaset -l app=sleep",
                ctx.lab.name, from.name
            ),
        }));
    };
    if has_sidecar(pod) {
        return Ok(Ok(format!("pod {APP_NAMESPACE}/{} has its sidecar", pod.name_any())));
    }
    Ok(Err(Finding {
        cause: format!("the caller in {} has no sidecar, so it is not in the mesh", from.name),
        evidence: format!("pod {APP_NAMESPACE}/{} has no container istio-proxy", pod.name_any()),
        remedy: format!(
            "label the namespace istio-injection=enabled, and restart the pod: kubectl --context lab-{}-{} -n {APP_NAMESPACE} delete pod {}",
            ctx.lab.name,
            from.name,
            pod.name_any()
        ),
    }))
}

/// Sidecars mount the root certificate from a `ConfigMap` that istiod writes into every namespace of every cluster that it manages.
fn no_root(ctx: &Context, from: &LabCluster) -> Finding {
    let istiod = &ctx.lab.control_plane(from).name;
    Finding {
        cause: format!("no new sidecar of {} can start: nobody gives it the root certificate", from.name),
        evidence: format!(
            "in {}, namespace {APP_NAMESPACE} has no ConfigMap {ROOT_CERT}, which istiod of {istiod} writes where it manages a cluster and may write",
            from.name
        ),
        remedy: format!(
            "lab up {} (it applies the annotation of istio-system and the rights of istiod's account in {1} again)",
            ctx.lab.name, from.name
        ),
    }
}

/// Whether the caller's Envoy has taken all that istiod sent.
pub(super) async fn configuration(ctx: &Context, from: &LabCluster) -> Look {
    let caller = Caller::find(ctx, &from.name, APP_NAMESPACE, "sleep").await?;
    let rejected = caller.rejected().await?;
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

/// Whether the caller's Envoy has the endpoint that leads to the called cluster, and would use it.
pub(super) async fn endpoint(ctx: &Context, journey: &Journey<'_>) -> Look {
    let Journey { from, to, service } = *journey;
    let caller = Caller::find(ctx, &from.name, APP_NAMESPACE, "sleep").await?;
    let found = caller.endpoints(service).await?;
    let all: Vec<&str> = found.iter().map(|e| e.address.as_str()).collect();
    let wanted: Vec<String> = if from.network == to.network {
        let expected = expected_endpoints(ctx, service, from, None).await?;
        expected.into_iter().filter(|e| e.what.contains(&format!(" in {},", to.name))).map(|e| e.address).collect()
    } else {
        to.east_west_endpoint().map(|e| e.to_string()).into_iter().collect()
    };
    let remedy = format!("lab up {} (it applies Istio's own configuration again)", ctx.lab.name);
    let Some(known) = found.iter().find(|e| wanted.contains(&e.address)) else {
        let is_pod = |address: &str| {
            address
                .rsplit_once(':')
                .and_then(|(ip, _)| ip.parse().ok())
                .is_some_and(|ip: std::net::Ipv4Addr| to.pod_subnet.contains(&ip))
        };
        let pods = from.network != to.network && from.pod_subnet != to.pod_subnet && all.iter().any(|a| is_pod(a));
        let cause = if pods {
            format!("the sidecar in {} was given addresses of pods in {}, which it cannot reach", from.name, to.name)
        } else {
            format!("the sidecar in {} does not know {}", from.name, to.name)
        };
        let evidence = format!("its endpoints are [{}], and {} is not among them", all.join(", "), wanted.join(", "));
        return Ok(Err(Finding { cause, evidence, remedy }));
    };
    if !known.healthy {
        let why = if known.ejected { "outlier detection has taken it out" } else { "it is not healthy" };
        return Ok(Err(Finding {
            cause: format!("the sidecar in {} does not call {}: {why}", from.name, to.name),
            evidence: format!(
                "{}: {} connects failed, {} requests",
                known.address, known.connect_failures, known.requests
            ),
            remedy: format!("see why calls there failed: lab verify {}", ctx.lab.name),
        }));
    }
    let nearer = found.iter().filter(|e| e.healthy && e.priority < known.priority).count();
    if nearer > 0 {
        return Ok(Err(Finding {
            cause: format!(
                "calls from {} prefer nearer endpoints, so {} does not answer while those are healthy",
                from.name, to.name
            ),
            evidence: format!(
                "{} has priority {}, and {nearer} healthy endpoint{} come{} first: locality load balancing is on",
                known.address,
                known.priority,
                if nearer == 1 { "" } else { "s" },
                if nearer == 1 { "s" } else { "" }
            ),
            remedy: format!(
                "as it must be, if failover is wanted; else see kubectl --context lab-{}-{} get destinationrules -A",
                ctx.lab.name, from.name
            ),
        }));
    }
    Ok(Ok(format!("{} is healthy, at priority {}", known.address, known.priority)))
}

/// Whether the called cluster answers.
pub(super) async fn answer(ctx: &Context, journey: &Journey<'_>) -> Look {
    let Journey { from, to, service } = *journey;
    let caller = Caller::find(ctx, &from.name, APP_NAMESPACE, "sleep").await?;
    let versions: Vec<(&str, &str)> = helloworlds(&ctx.lab).collect();
    let call = Call::get(format!("http://{service}"));
    let requests = requests_needed(versions.len().max(1), 1);
    let replies = caller.send(&call, requests, 5, |reply| matches!(Answer::of(reply), Answer::Failure(_))).await?;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for reply in &replies {
        let what = match Answer::of(reply) {
            Answer::Version(version) => version,
            Answer::Failure(reason) => reason,
        };
        *counts.entry(what).or_default() += 1;
    }
    let said: Vec<String> = counts.iter().map(|(what, count)| format!("{count} x {what}")).collect();
    let theirs = versions.iter().find(|(cluster, _)| *cluster == to.name).map(|(_, version)| *version);
    let answered = theirs.map_or(0, |version| counts.get(version).copied().unwrap_or(0));
    let well = if theirs.is_some() { answered > 0 } else { replies.iter().any(|r| r.status / 100 == 2) };
    if well {
        return Ok(Ok(format!("{} requests: {}", replies.len(), said.join(", "))));
    }
    let tls = said.iter().any(|s| s.contains("CERTIFICATE_VERIFY_FAILED") || s.contains("TLSV1_ALERT_UNKNOWN_CA"));
    let cause = if tls {
        format!("{} and {} do not trust each other's certificates", from.name, to.name)
    } else {
        format!("everything on the way is there, and {} does not answer {}", to.name, from.name)
    };
    Ok(Err(Finding {
        cause,
        evidence: format!("{} requests: {}", replies.len(), said.join(", ")),
        remedy: format!(
            "see what governs the call: kubectl --context lab-{}-{} get destinationrules,virtualservices,authorizationpolicies -A",
            ctx.lab.name,
            ctx.lab.config_cluster(from).name
        ),
    }))
}
