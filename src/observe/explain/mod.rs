//! `explain`: walks one call hop by hop, in the order in which causes precede each other, and stops at the first that is broken.

mod answer;
mod caller;
mod endpoint;
mod found;
mod host;
mod path;

pub use found::{NoCaller, caller_of};
pub use host::of_host;
pub(super) use host::walk as walk_to_host;
use tokio::sync::OnceCell;

use super::diagnose;
use super::observed::Observed;
use super::traffic::Caller;
use crate::context::{LabContext, StepError, nodes};
use crate::plan::LabCluster;
use crate::scenario::{CallerPod, Protocol, ServiceUrl, SpokenService};
use crate::verdict::{Answered, Explanation, Finding, Hop};

/// The call that is explained.
pub(super) struct TracedCall<'a> {
    /// The calling cluster.
    pub from: &'a LabCluster,
    /// Who calls there.
    pub caller: &'a CallerPod,
    /// The cluster that must answer.
    pub to: &'a LabCluster,
    /// What is spoken there.
    pub protocol: Protocol,
    /// What is called, as it is called.
    pub called: &'a ServiceUrl,
    /// The same, or what that is an alias of.
    pub service: &'a ServiceUrl,
    /// What all clusters have.
    pub seen: &'a Observed,
    /// What requests came back with, once any were sent.
    pub answered: OnceCell<Answered>,
}

impl TracedCall<'_> {
    /// Whether the called cluster runs anything that can answer.
    fn is_answerable(&self) -> bool {
        !self.seen.behind(&self.to.name, self.service).is_empty()
    }

    /// The likeliest cause in what is configured about the call, or about the same to another cluster.
    fn cause(&self, ctx: &LabContext, to: &LabCluster) -> Option<Finding> {
        let CallerPod { namespace, app } = self.caller;
        self.seen.causes(ctx, (self.from, to), (self.service, self.protocol), (namespace, app)).into_iter().next()
    }

    /// What is called, with what is spoken there.
    fn spoken(&self) -> SpokenService {
        SpokenService { protocol: self.protocol, service: self.called.clone() }
    }

    /// The caller's pod with its Envoy.
    async fn calling(&self, ctx: &LabContext) -> Result<Caller, StepError> {
        Caller::find(ctx, &self.from.name, &self.caller.namespace, &self.caller.app).await
    }
}

/// What a look at one hop gives: what was found, or what is wrong.
pub(super) type Look = Result<Result<String, Finding>, StepError>;

/// Explains the call of `service` by `caller` from one cluster to another.
pub async fn run(
    ctx: &LabContext,
    (from, caller): (&str, &CallerPod),
    to: &str,
    spoken: &SpokenService,
) -> Result<Explanation, StepError> {
    // Before anything is asked that cannot answer.
    if let Some(finding) = nodes::findings(ctx).await?.into_iter().next() {
        return Ok(Explanation {
            lab: ctx.lab.name.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            service: spoken.to_string(),
            hops: vec![Hop { name: "nodes", found: String::new(), finding: Some(finding) }],
            answered: None,
        });
    }
    walk(ctx, &Observed::look(ctx).await, (ctx.cluster(from)?, ctx.cluster(to)?), caller, spoken).await
}

/// The same with what was seen before.
pub(super) async fn walk(
    ctx: &LabContext,
    seen: &Observed,
    (from, to): (&LabCluster, &LabCluster),
    caller: &CallerPod,
    spoken: &SpokenService,
) -> Result<Explanation, StepError> {
    let SpokenService { protocol, service } = spoken;
    let alias = seen.alias(&from.name, service);
    let behind = alias.as_ref().unwrap_or(service);
    let call = TracedCall {
        from,
        caller,
        to,
        protocol: *protocol,
        called: service,
        service: behind,
        seen,
        answered: OnceCell::new(),
    };
    let mut hops = Vec::new();
    for kind in HopKind::ALL {
        let name = kind.title();
        let Some(look) = look(ctx, &call, kind).await else { continue };
        let (found, finding) = match look {
            Ok(Ok(found)) => (found, None),
            Ok(Err(finding)) => (String::new(), Some(finding)),
            Err(error) => {
                // Something may have gone down on the way.
                let amiss = nodes::all_findings(ctx).await?.into_iter().next();
                (String::new(), Some(amiss.unwrap_or_else(|| unknown(ctx, name, &error))))
            }
        };
        let finding = finding.map(|f| Finding { remedy: ctx.lab.reached(&f.remedy), ..f });
        let broken = finding.is_some();
        hops.push(Hop { name, found, finding });
        if broken {
            break;
        }
    }
    Ok(Explanation {
        lab: ctx.lab.name.clone(),
        from: from.name.clone(),
        to: to.name.clone(),
        service: spoken.to_string(),
        hops,
        answered: call.answered.into_inner(),
    })
}

/// What is looked at on the way of a call, in the order in which causes precede each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HopKind {
    Name,
    Caller,
    ControlPlane,
    Configuration,
    Callee,
    TrustRoots,
    RemoteSecret,
    Way,
    Reachable,
    Endpoint,
    Answer,
}

impl HopKind {
    const ALL: [Self; 11] = [
        Self::Name,
        Self::Caller,
        Self::ControlPlane,
        Self::Configuration,
        Self::Callee,
        Self::TrustRoots,
        Self::RemoteSecret,
        Self::Way,
        Self::Reachable,
        Self::Endpoint,
        Self::Answer,
    ];

    /// As users read it.
    fn title(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Caller => "caller",
            Self::ControlPlane => "control plane",
            Self::Configuration => "configuration",
            Self::Callee => "callee",
            Self::TrustRoots => "trust roots",
            Self::RemoteSecret => "remote secret",
            Self::Way => "way",
            Self::Reachable => "reachable",
            Self::Endpoint => "endpoint",
            Self::Answer => "answer",
        }
    }
}

/// Looks at one hop; nothing when the call does not have it.
async fn look(ctx: &LabContext, call: &TracedCall<'_>, kind: HopKind) -> Option<Look> {
    let (from, to) = (call.from, call.to);
    let elsewhere = from.name != to.name;
    let networks = from.network != to.network;
    Some(match kind {
        HopKind::TrustRoots | HopKind::RemoteSecret | HopKind::Way if !elsewhere => return None,
        // Of machines that lab did not make nothing tells their routes, and nothing runs in them.
        HopKind::Way if !networks && !to.is_made() => return None,
        HopKind::Reachable if !from.is_made() => return None,
        HopKind::Reachable if !networks => return None,
        HopKind::Name => caller::name(ctx, call).await,
        HopKind::Caller => caller::sidecar(ctx, (from, call.caller)).await,
        HopKind::ControlPlane => {
            let host = ctx.lab.control_plane(from);
            let well = format!("istiod of {} runs and serves {}", host.name, from.name);
            finding_or(diagnose::control_plane(ctx, from).await, well)
        }
        HopKind::Configuration => caller::configuration(ctx, (from, call.caller)).await,
        HopKind::Callee => path::callee(ctx, call).await,
        HopKind::TrustRoots => diagnose::trust(ctx, from, to).await,
        HopKind::RemoteSecret => {
            let host = ctx.lab.control_plane(from);
            let well = if host.name == to.name {
                format!("istiod of {} runs in {} itself", from.name, to.name)
            } else {
                format!("istiod of {} watches {} and is synchronised with it", host.name, to.name)
            };
            finding_or(diagnose::watches(ctx, from, to).await, well)
        }
        HopKind::Way if networks => path::gateway(ctx, to).await,
        HopKind::Way => {
            let well = format!("one network, {}: the nodes have routes both ways", from.network);
            finding_or(diagnose::routes(ctx, from, to).await, well)
        }
        HopKind::Reachable => path::reachable(ctx, from, to).await,
        HopKind::Endpoint => endpoint::look(ctx, call).await,
        HopKind::Answer => answer::look(ctx, call).await,
    })
}

/// A look of the diagnosis, with what to say when nothing is wrong.
fn finding_or(found: Result<Option<Finding>, StepError>, well: String) -> Look {
    Ok(found?.map_or(Ok(well), Err))
}

fn unknown(ctx: &LabContext, name: &str, error: &StepError) -> Finding {
    Finding {
        cause: format!("it cannot be told whether the {name} is well"),
        evidence: error.to_string(),
        remedy: format!("lab status {}", ctx.lab.name),
    }
}
