//! A call of a host that a `ServiceEntry` names, hop by hop.

use super::{Look, caller, finding_or, unknown};
use crate::context::{LabContext, StepError, nodes};
use crate::observe::diagnose;
use crate::observe::observed::Observed;
use crate::observe::traffic::{Call, Caller, EnvoyEndpoints};
use crate::plan::LabCluster;
use crate::scenario::CallerPod;
use crate::verdict::{Answered, CalledHost, Endpoint, Explanation, Finding, Hop, Reply, Speaks, since};

/// So many requests show whether calls are answered.
const REQUESTS: u32 = 10;
/// So many endpoints are greeted at most, one after the other.
const GREETED: usize = 5;
/// So many failures decide.
const ENOUGH_FAILURES: usize = 5;

/// Explains what calls of a host by `caller` in a cluster come to. Nothing that answers is called broken.
pub async fn of_host(
    ctx: &LabContext,
    (from, caller): (&str, &CallerPod),
    called: &CalledHost,
) -> Result<Explanation, StepError> {
    // Before anything is asked that cannot answer.
    if let Some(finding) = nodes::findings(ctx).await?.into_iter().next() {
        let hop = Hop { name: "nodes", found: String::new(), finding: Some(finding) };
        return Ok(Explanation { hops: vec![hop], ..explanation(ctx, from, called) });
    }
    walk(ctx, &Observed::look(ctx).await, (ctx.cluster(from)?, caller), called).await
}

/// The same with what was seen before, where all nodes are well.
pub(in crate::observe) async fn walk(
    ctx: &LabContext,
    seen: &Observed,
    (from, caller): (&LabCluster, &CallerPod),
    called: &CalledHost,
) -> Result<Explanation, StepError> {
    let mut hops = Hops { ctx, hops: Vec::new() };
    let answered = look(ctx, seen, (from, caller), called, &mut hops).await?;
    Ok(Explanation { hops: hops.hops, answered, ..explanation(ctx, &from.name, called) })
}

/// One without hops.
fn explanation(ctx: &LabContext, from: &str, called: &CalledHost) -> Explanation {
    Explanation {
        lab: ctx.lab.name.clone(),
        from: from.to_owned(),
        to: called.host.clone(),
        service: called.to_string(),
        hops: Vec::new(),
        answered: None,
    }
}

/// The hops so far.
struct Hops<'a> {
    ctx: &'a LabContext,
    hops: Vec<Hop>,
}

impl Hops<'_> {
    /// Adds one; tells whether it is well.
    async fn add(&mut self, name: &'static str, look: Look) -> Result<bool, StepError> {
        let (found, finding) = match look {
            Ok(Ok(found)) => (found, None),
            Ok(Err(finding)) => (String::new(), Some(finding)),
            Err(error) => {
                let amiss = nodes::all_findings(self.ctx).await?.into_iter().next();
                (String::new(), Some(amiss.unwrap_or_else(|| unknown(self.ctx, name, &error))))
            }
        };
        let finding = finding.map(|f| Finding { remedy: self.ctx.lab.reached(&f.remedy), ..f });
        let is_well = finding.is_none();
        self.hops.push(Hop { name, found, finding });
        Ok(is_well)
    }
}

/// Looks at one after the other, up to the first that is broken. Gives what calls came back with, if any were made.
async fn look(
    ctx: &LabContext,
    seen: &Observed,
    (from, who): (&LabCluster, &CallerPod),
    called: &CalledHost,
    hops: &mut Hops<'_>,
) -> Result<Option<Answered>, StepError> {
    if !hops.add("caller", caller::sidecar(ctx, (from, who)).await).await? {
        return Ok(None);
    }
    let host = ctx.lab.control_plane(from);
    let well = format!("istiod of {} runs and serves {}", host.name, from.name);
    if !hops.add("control plane", finding_or(diagnose::control_plane(ctx, from).await, well)).await?
        || !hops.add("configuration", caller::configuration(ctx, (from, who)).await).await?
    {
        return Ok(None);
    }
    let Some(facts) = seen.host_facts(ctx, from, who, called) else {
        let cause = format!("it cannot be told what {} is told of {}", from.name, called.host);
        let evidence = format!("{} could not be asked for its ServiceEntries", ctx.lab.config_cluster(from).name);
        let remedy = format!("lab status {}", ctx.lab.name);
        hops.add("ServiceEntry", Ok(Err(Finding { cause, evidence, remedy }))).await?;
        return Ok(None);
    };
    let pod = Caller::find(ctx, &from.name, &who.namespace, &who.app).await?;
    let entry = facts.entry();
    let (replies, envoy) = calls(&pod, called, entry.map(|(_, name)| name)).await?;
    let answered = Answered::of(&replies, &[], &envoy.endpoints);
    let speaks = if answered.is_well() { Vec::new() } else { greeted(ctx, from, &envoy).await? };
    let is_well = hops.add("ServiceEntry", Ok(facts.known(&answered, &replies))).await?;
    let is_reached = match entry {
        Some((entry, _)) if is_well => {
            let look = facts.reached(entry, envoy.is_known, &envoy.endpoints, &speaks, &answered);
            hops.add("endpoint", Ok(look)).await?
        }
        _ => is_well,
    };
    if is_reached {
        hops.add("answer", Ok(facts.answer(&replies, &speaks, &answered))).await?;
    }
    Ok(Some(answered))
}

/// Calls, and what the caller's Envoy had of the host under that name meanwhile.
async fn calls(
    pod: &Caller,
    called: &CalledHost,
    name: Option<&str>,
) -> Result<(Vec<Reply>, EnvoyEndpoints), StepError> {
    let of_host = async || match name {
        Some(name) => pod.endpoints_of_host(name, called.port).await,
        None => Ok(EnvoyEndpoints::default()),
    };
    let before = of_host().await?;
    let failed = |reply: &Reply| !(200..400).contains(&reply.status);
    let replies = pod.send(&Call::get(called.to_string()), REQUESTS, ENOUGH_FAILURES, failed).await?;
    let after = of_host().await?;
    let endpoints = since(&before.endpoints, after.endpoints);
    Ok((replies, EnvoyEndpoints { endpoints, ..after }))
}

/// What each endpoint says to a greeting of TLS from a node of the calling cluster, by which the pods' connections leave, too.
async fn greeted(
    ctx: &LabContext,
    from: &LabCluster,
    envoy: &EnvoyEndpoints,
) -> Result<Vec<(String, Speaks)>, StepError> {
    let mut all = Vec::new();
    // Nothing of lab's runs in machines that it did not make.
    if !from.is_made() {
        return Ok(all);
    }
    for Endpoint { address, .. } in envoy.endpoints.iter().take(GREETED) {
        let url = format!("https://{address}/");
        let command = ["curl", "-sk", "-m", "3", "-o", "/dev/null", "-w", "%{time_appconnect} %{errormsg}", &url];
        let output = ctx.engine.exec(&from.control_plane_node(), &command, None).await?;
        all.push((address.clone(), Speaks::of(&output.text)));
    }
    Ok(all)
}
