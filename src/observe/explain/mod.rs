//! `explain`: walks one call hop by hop, in the order in which causes precede each other, and stops at the first that is broken.

mod answer;
mod caller;
mod endpoint;
mod path;

use tokio::sync::OnceCell;

use super::diagnose;
use super::observed::Observed;
use crate::context::{LabContext, StepError, nodes};
use crate::plan::LabCluster;
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::ServiceUrl;
use crate::verdict::{Answered, Explanation, Finding, Hop};

/// Who calls: namespace and app.
const CALLER: (&str, &str) = (APP_NAMESPACE, "sleep");

/// The call that is explained.
pub(super) struct Journey<'a> {
    /// The calling cluster.
    pub from: &'a LabCluster,
    /// The cluster that must answer.
    pub to: &'a LabCluster,
    /// What is called.
    pub service: &'a ServiceUrl,
    /// What all clusters have.
    pub seen: &'a Observed,
    /// What requests came back with, once any were sent.
    pub answered: OnceCell<Answered>,
}

impl Journey<'_> {
    /// Whether the called cluster runs anything that can answer.
    fn is_answerable(&self) -> bool {
        !self.seen.behind(&self.to.name, self.service).is_empty()
    }

    /// The likeliest cause in what is configured about the call.
    fn cause(&self, ctx: &LabContext) -> Option<Finding> {
        self.seen.causes(ctx, (self.from, self.to), self.service, CALLER).into_iter().next()
    }
}

/// What a look at one hop gives: what was found, or what is wrong.
pub(super) type Look = Result<Result<String, Finding>, StepError>;

/// Explains the call of `service` from one cluster to another.
pub async fn run(ctx: &LabContext, from: &str, to: &str, service: &ServiceUrl) -> Result<Explanation, StepError> {
    // Before anything is asked that cannot answer.
    if let Some(finding) = nodes::findings(ctx).await?.into_iter().next() {
        return Ok(Explanation {
            lab: ctx.lab.name.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            service: service.to_string(),
            hops: vec![Hop { name: "nodes", found: String::new(), finding: Some(finding) }],
            answered: None,
        });
    }
    walk(ctx, &Observed::look(ctx).await, (ctx.cluster(from)?, ctx.cluster(to)?), service).await
}

/// The same with what was seen before.
pub(super) async fn walk(
    ctx: &LabContext,
    seen: &Observed,
    (from, to): (&LabCluster, &LabCluster),
    service: &ServiceUrl,
) -> Result<Explanation, StepError> {
    let journey = Journey { from, to, service, seen, answered: OnceCell::new() };
    let mut hops = Vec::new();
    for name in HOPS {
        let Some(look) = look(ctx, &journey, name).await else { continue };
        let (found, finding) = match look {
            Ok(Ok(found)) => (found, None),
            Ok(Err(finding)) => (String::new(), Some(finding)),
            Err(error) => {
                // Something may have gone down on the way.
                let amiss = nodes::findings(ctx).await?.into_iter().next();
                (String::new(), Some(amiss.unwrap_or_else(|| unknown(ctx, name, &error))))
            }
        };
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
        service: service.to_string(),
        hops,
        answered: journey.answered.into_inner(),
    })
}

/// The hops in their order.
const HOPS: [&str; 11] = [
    "name",
    "caller",
    "control plane",
    "configuration",
    "callee",
    "trust roots",
    "remote secret",
    "way",
    "reachable",
    "endpoint",
    "answer",
];

/// Looks at one hop; nothing when the call does not have it.
async fn look(ctx: &LabContext, journey: &Journey<'_>, name: &str) -> Option<Look> {
    let (from, to) = (journey.from, journey.to);
    let elsewhere = from.name != to.name;
    let networks = from.network != to.network;
    Some(match name {
        "name" => caller::name(ctx, journey).await,
        "caller" => caller::sidecar(ctx, from).await,
        "control plane" => {
            let host = ctx.lab.control_plane(from);
            let well = format!("istiod of {} runs and serves {}", host.name, from.name);
            or(diagnose::control_plane(ctx, from).await, well)
        }
        "configuration" => caller::configuration(ctx, from).await,
        "callee" => path::callee(ctx, journey).await,
        "trust roots" if elsewhere => diagnose::trust(ctx, from, to).await,
        "remote secret" if elsewhere => {
            let host = ctx.lab.control_plane(from);
            let well = if host.name == to.name {
                format!("istiod of {} runs in {} itself", from.name, to.name)
            } else {
                format!("istiod of {} watches {} and is synchronised with it", host.name, to.name)
            };
            or(diagnose::watches(ctx, from, to).await, well)
        }
        "way" if networks => path::gateway(ctx, to).await,
        "way" if elsewhere => {
            let well = format!("one network, {}: the nodes have routes both ways", from.network);
            or(diagnose::routes(ctx, from, to).await, well)
        }
        "reachable" if networks => path::reachable(ctx, from, to).await,
        "endpoint" => endpoint::look(ctx, journey).await,
        "answer" => answer::look(ctx, journey).await,
        _ => return None,
    })
}

/// A look of the diagnosis, with what to say when nothing is wrong.
fn or(found: Result<Option<Finding>, StepError>, well: String) -> Look {
    Ok(found?.map_or(Ok(well), Err))
}

fn unknown(ctx: &LabContext, name: &str, error: &StepError) -> Finding {
    Finding {
        cause: format!("whether the {name} is well cannot be told"),
        evidence: error.to_string(),
        remedy: format!("lab status {}", ctx.lab.name),
    }
}
