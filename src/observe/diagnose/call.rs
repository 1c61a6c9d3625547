//! Why a call from one cluster is not answered by another: the first broken link between the two.

use super::{control_plane, network, trust};
use crate::context::{LabContext, StepError};
use crate::observe::observed::{ENTRANCE, Observed};
use crate::plan::LabCluster;
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::{App, ServiceUrl};
use crate::verdict::{Finding, OUTSIDE, SourceVerdict};

/// A source that is red, and what it called.
pub(in crate::observe) struct Failed {
    /// What it saw.
    pub verdict: SourceVerdict,
    /// What was called, unless it is a URL.
    pub service: Option<ServiceUrl>,
}

impl Failed {
    /// Namespace and app of the caller; none from outside.
    pub fn caller(&self) -> Option<(&str, &str)> {
        self.verdict.caller.split_once('/').filter(|_| self.verdict.caller != OUTSIDE)
    }

    /// Whether lab's own helloworld was called.
    fn calls_helloworld(&self) -> bool {
        self.service.as_ref().is_none_or(|s| s.service == "helloworld" && s.namespace == APP_NAMESPACE)
    }
}

/// Clusters that run a version which is missing. All that run the service, where nothing is missing or no cluster is known to run it.
pub(in crate::observe) fn suspects<'a>(ctx: &'a LabContext, seen: &Observed, source: &Failed) -> Vec<&'a LabCluster> {
    let missing = &source.verdict.missing;
    let all = || ctx.lab.data_clusters();
    let helloworld = |cluster: &LabCluster| {
        ctx.lab.apps.iter().any(|app| match app {
            App::Helloworld { versions } => versions.get(&cluster.name).is_some_and(|v| missing.contains(v)),
            App::Sleep | App::Manifests(_) => false,
        })
    };
    let Some(service) = source.service.as_ref().filter(|_| !source.calls_helloworld()) else {
        let with: Vec<&LabCluster> = all().filter(|c| helloworld(c)).collect();
        return if with.is_empty() { all().collect() } else { with };
    };
    let runs_missing = |cluster: &&LabCluster| {
        let pods = seen.behind(&cluster.name, service);
        pods.iter().filter_map(|p| p["metadata"]["labels"]["version"].as_str()).any(|v| missing.iter().any(|m| m == v))
    };
    let with: Vec<&LabCluster> = all().filter(runs_missing).collect();
    if !with.is_empty() {
        return with;
    }
    let meant: Vec<&LabCluster> = all().filter(|c| seen.is_meant(&c.name, service)).collect();
    if meant.is_empty() { all().collect() } else { meant }
}

/// What is found on a call from one cluster to another.
pub(in crate::observe) enum Link {
    /// The first broken link, or that none is.
    Certain(Option<Finding>),
    /// Connections fail and nothing before them is broken: a closer look may find the reason.
    Doubtful(Option<Finding>),
}

/// The first broken link of a call from one cluster to another, in the order in which causes precede each other.
pub(in crate::observe) async fn first_broken(
    ctx: &LabContext,
    seen: &Observed,
    (from, to): (&LabCluster, &LabCluster),
    source: &Failed,
) -> Result<Link, StepError> {
    if source.caller().is_none()
        && let Some(finding) = network::ingress(ctx, from).await?
    {
        return Ok(Link::Certain(Some(finding)));
    }
    if let Some(finding) = app(ctx, seen, to, source).await? {
        return Ok(Link::Certain(Some(finding)));
    }
    for cluster in [from, to] {
        if let Some(finding) = control_plane::runs(ctx, cluster).await? {
            return Ok(Link::Certain(Some(finding)));
        }
    }
    if from.name != to.name
        && let Some(finding) = between(ctx, from, to).await?
    {
        return Ok(Link::Certain(Some(finding)));
    }
    let service = source.service.as_ref();
    let wanted = service.map_or_else(Vec::new, |service| addresses(ctx, seen, (from, to), service));
    if answers(source, &wanted) {
        // Calls do go there; who answers otherwise than expected is no matter of the mesh.
        return Ok(Link::Certain(None));
    }
    let caller = source.caller().unwrap_or(ENTRANCE);
    if let Some(service) = service
        && let Some(cause) = seen.causes(ctx, (from, to), service, caller).into_iter().next()
    {
        return Ok(Link::Certain(Some(cause)));
    }
    if from.name == to.name {
        return Ok(Link::Certain(None));
    }
    let known = endpoint(ctx, (from, to), &wanted, &source.verdict);
    let is_reached = !source.verdict.endpoints.iter().any(|e| wanted.contains(&e.address) && e.connect_failures > 0);
    if known.is_some() && is_reached {
        return Ok(Link::Certain(known));
    }
    // Connections that fail have a reason that a closer look may find.
    Ok(Link::Doubtful(known))
}

/// What lies between two clusters.
async fn between(ctx: &LabContext, from: &LabCluster, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    if let Some(finding) = trust(ctx, from, to).await?.err() {
        return Ok(Some(finding));
    }
    if let Some(finding) = control_plane::watches(ctx, from, to).await? {
        return Ok(Some(finding));
    }
    if from.network == to.network { network::routes(ctx, from, to).await } else { network::gateway(ctx, to).await }
}

/// The called app itself, in the cluster that should answer.
async fn app(
    ctx: &LabContext,
    seen: &Observed,
    to: &LabCluster,
    source: &Failed,
) -> Result<Option<Finding>, StepError> {
    if let Some(service) = source.service.as_ref().filter(|_| !source.calls_helloworld()) {
        if !seen.is_meant(&to.name, service) || !seen.behind(&to.name, service).is_empty() {
            return Ok(None);
        }
        return Ok(Some(Finding {
            cause: format!("nothing behind {}.{} is ready in {}", service.service, service.namespace, to.name),
            evidence: format!(
                "no pod that Service {}/{} of {} selects is ready",
                service.namespace, service.service, to.name
            ),
            remedy: format!(
                "see why: kubectl --context {} -n {} describe pods",
                ctx.lab.context(to),
                service.namespace
            ),
        }));
    }
    let versions = ctx.lab.apps.iter().filter_map(|app| match app {
        App::Helloworld { versions } => versions.get(&to.name),
        App::Sleep | App::Manifests(_) => None,
    });
    for version in versions {
        let name = format!("helloworld-{version}");
        if !ctx.client(&to.name).await?.is_available(APP_NAMESPACE, &name).await? {
            return Ok(Some(Finding {
                cause: format!("helloworld {version} is not available in {}", to.name),
                evidence: format!("Deployment {APP_NAMESPACE}/{name} in {} has no available replica", to.name),
                remedy: format!(
                    "kubectl --context {} -n {APP_NAMESPACE} describe deployment {name}",
                    ctx.lab.context(to)
                ),
            }));
        }
    }
    Ok(None)
}

/// The addresses by which a caller's Envoy knows the pods of a cluster.
fn addresses(
    ctx: &LabContext,
    seen: &Observed,
    (from, to): (&LabCluster, &LabCluster),
    service: &ServiceUrl,
) -> Vec<String> {
    if from.network != to.network {
        return to.east_west_endpoint().map(|e| e.to_string()).into_iter().collect();
    }
    let places = seen.places(ctx, from, service).into_iter().filter(|p| p.cluster == to.name);
    places.map(|p| p.address).filter(|a| !a.is_empty()).collect()
}

/// Whether a source's calls went to one of these addresses, and none of them failed.
fn answers(source: &Failed, addresses: &[String]) -> bool {
    let there = |e: &&crate::verdict::Endpoint| addresses.contains(&e.address);
    let mut known = source.verdict.endpoints.iter().filter(there);
    source.verdict.errors.is_empty() && known.any(|e| e.requests > 0 && e.connect_failures == 0)
}

/// What the caller's own Envoy has, when everything before it is well.
fn endpoint(
    ctx: &LabContext,
    (from, to): (&LabCluster, &LabCluster),
    wanted: &[String],
    source: &SourceVerdict,
) -> Option<Finding> {
    let address = wanted.first()?;
    let remedy = format!(
        "lab up {0} (it applies Istio's own configuration again); if that does not help, `lab explain {0} {1} {2}` looks closer",
        ctx.lab.name, from.name, to.name
    );
    let envoy = if source.caller == OUTSIDE { "ingress gateway of" } else { "sidecar in" };
    let Some(known) = source.endpoints.iter().find(|e| wanted.contains(&e.address)) else {
        let found: Vec<&str> = source.endpoints.iter().map(|e| e.address.as_str()).collect();
        return Some(Finding {
            cause: format!("the {envoy} {} does not know {}", from.name, to.name),
            evidence: format!("its endpoints are [{}], and {address} is not among them", found.join(", ")),
            remedy,
        });
    };
    if known.connect_failures > 0 {
        return Some(Finding {
            cause: format!("connections from {} to {} fail although the endpoint is there", from.name, to.name),
            evidence: format!(
                "{}: {} connects failed, {} requests",
                known.address, known.connect_failures, known.requests
            ),
            remedy: format!(
                "see what its sidecar says: kubectl --context {} -n istio-system logs -l istio=eastwestgateway; lab explain {} {} {}",
                ctx.lab.context(to),
                ctx.lab.name,
                from.name,
                to.name
            ),
        });
    }
    if !source.errors.is_empty() {
        return Some(Finding {
            cause: format!("calls from {} to {} fail although the endpoint is there", from.name, to.name),
            evidence: format!("errors: {:?}", source.errors),
            remedy,
        });
    }
    let state = if known.ejected { ", and it is ejected" } else { "" };
    Some(Finding {
        cause: format!("calls from {} do not go to {} although its endpoint is there", from.name, to.name),
        evidence: format!(
            "{} has priority {} and got {} requests{state}",
            known.address, known.priority, known.requests
        ),
        remedy: format!(
            "see what routes them: kubectl --context {} get destinationrules,virtualservices -A",
            ctx.lab.context(ctx.lab.config_cluster(from))
        ),
    })
}
