//! Whether the caller's Envoy has the endpoint that leads to the called cluster, and would use it.

use super::{Look, TracedCall, answer};
use crate::context::LabContext;
use crate::verdict::{Endpoint, Finding};

pub(super) async fn look(ctx: &LabContext, call: &TracedCall<'_>) -> Look {
    let TracedCall { from, to, service, .. } = call;
    let found = call.calling(ctx).await?.endpoints(service).await?;
    let all: Vec<&str> = found.iter().map(|e| e.address.as_str()).collect();
    if !call.is_answerable() {
        return Ok(Ok(format!("its endpoints are [{}]; {} runs nothing that could be one", all.join(", "), to.name)));
    }
    let places = call.seen.places(ctx, from, service).into_iter().filter(|p| p.cluster == to.name);
    let mut wanted: Vec<String> = places.map(|p| p.address).filter(|a| !a.is_empty()).collect();
    wanted.dedup();
    let Some(known) = found.iter().find(|e| wanted.contains(&e.address)) else {
        let answered = answer::if_it_can_call(ctx, call).await?;
        if answered.is_some_and(|answered| answered.is_well() && answered.is_from(&to.name)) {
            return Ok(Ok(format!("its endpoints are [{}], and {} answers", all.join(", "), to.name)));
        }
        let found = format!("its endpoints are [{}], and {} is not among them", all.join(", "), wanted.join(", "));
        return Ok(Err(match call.cause(ctx, to) {
            Some(cause) => Finding { evidence: format!("{}; {found}", cause.evidence), ..cause },
            None => unknown(ctx, call, &all, found),
        }));
    };
    Ok(judge(ctx, call, &found, known))
}

/// An endpoint that is not there, for a reason that nothing else tells.
fn unknown(ctx: &LabContext, call: &TracedCall<'_>, all: &[&str], evidence: String) -> Finding {
    let TracedCall { from, to, .. } = call;
    let is_pod = |address: &str| {
        let ip = address.rsplit_once(':').and_then(|(ip, _)| ip.parse().ok());
        ip.is_some_and(|ip: std::net::Ipv4Addr| to.pod_subnet.contains(&ip))
    };
    // Where pods are in clusters that lab did not make nobody has told.
    let pods =
        to.is_made() && from.network != to.network && from.pod_subnet != to.pod_subnet && all.iter().any(|a| is_pod(a));
    let cause = if pods {
        format!("the sidecar in {} was given addresses of pods in {}, which it cannot reach", from.name, to.name)
    } else {
        format!("the sidecar in {} does not know {}", from.name, to.name)
    };
    let keeps = format!("`lab dump {}` keeps what istiod and the sidecar know", ctx.lab.name);
    let remedy = if ctx.lab.is_existing() {
        keeps
    } else {
        format!("lab up {} (it applies Istio's own configuration again); if that does not help, {keeps}", ctx.lab.name)
    };
    Finding { cause, evidence, remedy }
}

/// Whether Envoy would use the endpoint that it has.
fn judge(ctx: &LabContext, call: &TracedCall<'_>, found: &[Endpoint], known: &Endpoint) -> Result<String, Finding> {
    let TracedCall { from, to, .. } = call;
    if !known.healthy {
        let why = if known.ejected { "outlier detection has taken it out" } else { "it is not healthy" };
        return Err(Finding {
            cause: format!("the sidecar in {} does not call {}: {why}", from.name, to.name),
            evidence: format!(
                "{}: {} connects failed, {} requests",
                known.address, known.connect_failures, known.requests
            ),
            remedy: format!("see why calls there failed: lab verify {}", ctx.lab.name),
        });
    }
    let nearer = found.iter().filter(|e| e.healthy && e.priority < known.priority).count();
    if nearer > 0 {
        return Err(Finding {
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
        });
    }
    Ok(format!("{} is healthy, at priority {}", known.address, known.priority))
}
