//! Why a call from one cluster is not answered by another: the first broken link between the two.

use std::fmt::Write as _;

use super::{control_plane, load_balancer, network, trust};
use crate::context::{LabContext, StepError};
use crate::observe::observed::{ENTRANCE, Observed};
use crate::plan::render::{APP_NAMESPACE, LEGACY_NAMESPACE, is_of_apps};
use crate::plan::{Helloworld, LabCluster, helloworlds};
use crate::scenario::{CallerPod, Protocol, ServiceUrl, SpokenService, Through};
use crate::verdict::{CalledHost, Finding, OUTSIDE, Place, SourceVerdict, is_answered, reached, words};

/// How a call is told that an Envoy's rules about who may call have denied, over HTTP and over gRPC.
const DENIED: [&str; 2] = ["status 403: RBAC", "gRPC status 7 (PERMISSION_DENIED): RBAC"];

/// Whether an Envoy's rules about who may call have denied a call that failed for this reason.
pub(in crate::observe) fn is_denied(error: &str) -> bool {
    DENIED.iter().any(|denied| error.starts_with(denied))
}

/// A source that is red, and what it called.
pub(in crate::observe) struct Failed {
    /// What it saw.
    pub verdict: SourceVerdict,
    /// What was called, unless it is a URL.
    pub service: Option<ServiceUrl>,
    /// The host of a URL that was called.
    pub host: Option<CalledHost>,
    /// What was spoken there.
    pub protocol: Protocol,
    /// By which way.
    pub through: Through,
}

impl Failed {
    /// Namespace and app of the caller; none from outside.
    pub fn caller(&self) -> Option<(&str, &str)> {
        self.verdict.caller.split_once('/').filter(|_| self.verdict.caller != OUTSIDE)
    }

    /// Who called, as `explain` names callers; none where nobody in the mesh did.
    fn meshed_caller(&self) -> Option<CallerPod> {
        let (namespace, app) = self.caller().filter(|(namespace, _)| *namespace != LEGACY_NAMESPACE)?;
        Some(CallerPod { namespace: namespace.to_owned(), app: app.to_owned() })
    }

    /// The call as `explain` follows it: what is called and by whom; none where nobody in the mesh calls, or nothing that is a service.
    pub fn explained(&self) -> Option<(SpokenService, CallerPod)> {
        let caller = self.meshed_caller()?;
        let service = self.service.clone()?;
        Some((SpokenService { protocol: self.protocol, service }, caller))
    }

    /// The same of a host that is called by its name.
    pub fn explained_host(&self) -> Option<(&CalledHost, CallerPod)> {
        Some((self.host.as_ref()?, self.meshed_caller()?))
    }

    /// Whether lab's own helloworld was called.
    fn calls_helloworld(&self) -> bool {
        self.service.as_ref().is_none_or(|s| s.service == "helloworld" && is_of_apps(&s.namespace))
    }
}

/// Clusters that run a version which is missing. All that run the service, where nothing is missing or no cluster is known to run it.
pub(in crate::observe) fn suspects<'a>(ctx: &'a LabContext, seen: &Observed, source: &Failed) -> Vec<&'a LabCluster> {
    let missing = &source.verdict.missing;
    // A service is known within its mesh; a URL may lead into another one.
    let from = ctx.lab.cluster(&source.verdict.cluster).filter(|_| source.service.is_some());
    let all = || ctx.lab.data_clusters().filter(move |c| from.is_none_or(|from| from.is_meshed_with(c)));
    let helloworld =
        |cluster: &LabCluster| helloworlds(&ctx.lab).any(|h| h.cluster == cluster.name && missing.contains(&h.version));
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
    if let (Through::LoadBalancer, Some(service)) = (source.through, &source.service) {
        // The cluster itself sends what comes to a pod of its own.
        if let Some(finding) = load_balancer::of(ctx, from, service).await? {
            return Ok(Link::Certain(Some(finding)));
        }
        return Ok(Link::Certain(app(ctx, seen, from, source).await?));
    }
    if source.caller().is_none()
        && let Some(finding) = network::ingress(ctx, from).await?
    {
        return Ok(Link::Certain(Some(finding)));
    }
    if let Some(finding) = without_service(ctx, seen, [from, to], source) {
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
    let places = service.map_or_else(Vec::new, |service| places(ctx, seen, (from, to), service));
    // Calls do go there; who answers otherwise than expected is no matter of the mesh. But a denial is an answer, too, as Envoy counts.
    let answered = is_answered(&source.verdict, &places);
    if answered && !source.verdict.errors.keys().any(|error| is_denied(error)) {
        return Ok(Link::Certain(None));
    }
    let caller = source.caller().unwrap_or(ENTRANCE);
    if let Some(service) = service
        && let Some(cause) = seen.causes(ctx, (from, to), (service, source.protocol), caller).into_iter().next()
    {
        return Ok(Link::Certain(Some(cause)));
    }
    if answered {
        return Ok(Link::Certain(None));
    }
    let known = endpoint(ctx, (from, to), &places, source);
    let is_reached = !reached(&source.verdict, &places).any(|e| e.connect_failures > 0);
    if from.name == to.name || known.is_some() && is_reached {
        return Ok(Link::Certain(known));
    }
    // Connections that fail have a reason that a closer look may find.
    Ok(Link::Doubtful(known))
}

/// That a cluster lacks helloworld's Service, which lab gives to every one.
fn without_service(ctx: &LabContext, seen: &Observed, clusters: [&LabCluster; 2], source: &Failed) -> Option<Finding> {
    let service = source.service.as_ref().filter(|_| source.calls_helloworld())?;
    let without = clusters.into_iter().find(|c| seen.knows(&c.name) && !seen.has(&c.name, service))?;
    let named = format!("{}/{}", service.namespace, service.service);
    Some(Finding {
        cause: format!(
            "{} has no Service {named}: callers there do not know it, and its pods there get no calls",
            without.name
        ),
        evidence: format!("Service {named} does not exist in {}", without.name),
        remedy: format!("lab up {} (it applies the Service again)", ctx.lab.name),
    })
}

/// What lies between two clusters.
async fn between(ctx: &LabContext, from: &LabCluster, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    if let Some(finding) = trust(ctx, from, to).await?.err() {
        return Ok(Some(finding));
    }
    if !from.is_meshed_with(to) {
        // A ServiceEntry leads to the gateway, and no control plane knows the other cluster.
        return network::gateway(ctx, to).await;
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
        if ctx.lab.data_clusters().all(|c| !seen.is_meant(&c.name, service)) {
            return Ok(seen.selects_nothing(ctx, &to.name, service));
        }
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
    for Helloworld { version, .. } in helloworlds(&ctx.lab).filter(|h| h.cluster == to.name) {
        let name = format!("helloworld-{version}");
        let namespace = source.service.as_ref().map_or(APP_NAMESPACE, |s| s.namespace.as_str());
        if !ctx.client(&to.name).await?.is_available(namespace, &name).await? {
            return Ok(Some(Finding {
                cause: format!("helloworld {version} is not available in {}", to.name),
                evidence: format!("Deployment {namespace}/{name} in {} has no available replica", to.name),
                remedy: format!("kubectl --context {} -n {namespace} describe deployment {name}", ctx.lab.context(to)),
            }));
        }
    }
    let is_run = runs_helloworld(ctx, to);
    Ok(source.service.as_ref().filter(|_| is_run).and_then(|service| seen.selects_nothing(ctx, &to.name, service)))
}

/// Whether a version of helloworld is planned in a cluster.
fn runs_helloworld(ctx: &LabContext, cluster: &LabCluster) -> bool {
    helloworlds(&ctx.lab).any(|h| h.cluster == cluster.name)
}

/// The pods of a cluster that may answer, with the addresses by which a caller's Envoy knows them.
fn places(
    ctx: &LabContext,
    seen: &Observed,
    (from, to): (&LabCluster, &LabCluster),
    service: &ServiceUrl,
) -> Vec<Place> {
    let here = seen.places(ctx, from, service).into_iter();
    let mut places: Vec<Place> = here.filter(|p| p.cluster == to.name && !p.address.is_empty()).collect();
    let gateway = to.east_west_endpoint().filter(|_| from.network != to.network && places.is_empty());
    places.extend(gateway.map(|gateway| Place {
        cluster: to.name.clone(),
        address: gateway.to_string(),
        ..Place::default()
    }));
    places
}

/// What the caller's own Envoy has, when everything before it is well.
fn endpoint(
    ctx: &LabContext,
    (from, to): (&LabCluster, &LabCluster),
    places: &[Place],
    source: &Failed,
) -> Option<Finding> {
    let address = &places.first()?.address;
    let again = ctx.lab.mended("it applies Istio's own configuration again", || {
        format!("lab dump {} keeps what istiod and the sidecar know", ctx.lab.name)
    });
    let closer = explained_by(ctx, (from, to), source);
    let remedy = closer.as_ref().map_or(again.clone(), |closer| format!("{again}; if that does not help: {closer}"));
    let envoy = if source.verdict.caller == OUTSIDE { "ingress gateway of" } else { "sidecar in" };
    let Some(known) = reached(&source.verdict, places).max_by_key(|e| (e.connect_failures, e.unanswered())) else {
        // That a cluster's own pods are no endpoints there has its reason in what is configured, if anywhere.
        if from.name == to.name {
            return None;
        }
        let found: Vec<&str> = source.verdict.endpoints.iter().map(|e| e.address.as_str()).collect();
        let found = found.join(", ");
        return Some(Finding {
            cause: format!("the {envoy} {} does not know {}", from.name, to.name),
            evidence: format!("its endpoints are [{found}], and {address} is not among them"),
            remedy,
        });
    };
    let place = places.iter().find(|p| p.address == known.address)?;
    if known.connect_failures > 0 {
        let logs = format!("kubectl --context {} -n istio-system logs -l istio=eastwestgateway", ctx.lab.context(to));
        let logs = if from.network == to.network { logs_of(ctx, to, place, source) } else { Some(logs) };
        let steps: Vec<String> =
            logs.map(|l| format!("see what is said there: {l}")).into_iter().chain(closer).collect();
        return Some(Finding {
            cause: format!("connections from {} to {} fail although the endpoint is there", from.name, to.name),
            evidence: format!(
                "{}: {} connects failed, {} requests",
                known.address, known.connect_failures, known.requests
            ),
            remedy: steps.join("; "),
        });
    }
    // Of TCP an Envoy counts connections, and no answers.
    if source.protocol == Protocol::Tcp && known.requests > 0 {
        return None;
    }
    if known.unanswered() > 0 && !source.verdict.errors.is_empty() {
        let pod = if place.pod.is_empty() { String::new() } else { format!(", pod {}", place.pod) };
        let port = known.address.rsplit_once(':').map(|(_, port)| port).filter(|_| from.network == to.network);
        let listens = port.zip(source.service.as_ref()).map(|(port, service)| {
            let named = format!("{}/{}", service.namespace, service.service);
            format!("see that the app listens on {port}, to which Service {named} in {} sends", to.name)
        });
        let logs = logs_of(ctx, to, place, source).map(|l| format!("see what it says: {l}"));
        let steps: Vec<String> = listens.into_iter().chain(logs).chain(closer).collect();
        return Some(Finding {
            cause: format!("calls from {} that go to {} fail although the endpoint is there", from.name, to.name),
            evidence: format!(
                "{}{pod}: {} of {} requests were not answered; calls came back with {}",
                known.address,
                known.unanswered(),
                known.requests,
                words::counts(&source.verdict.errors)
            ),
            remedy: if steps.is_empty() { again } else { steps.join("; ") },
        });
    }
    // Within a cluster, who gets calls is the balancer's choice.
    if from.name == to.name {
        return None;
    }
    let mut state = if known.ejected { ", and it is ejected".to_owned() } else { String::new() };
    if !source.verdict.errors.is_empty() {
        let _ = write!(state, "; calls came back with {}", words::counts(&source.verdict.errors));
    }
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

/// The command that explains a call.
pub(in crate::observe) fn explain_command(
    ctx: &LabContext,
    (from, to): (&LabCluster, &LabCluster),
    spoken: &SpokenService,
    caller: &CallerPod,
) -> String {
    let command = format!("lab explain {} {} {} --service {spoken}", ctx.lab.name, from.name, to.name);
    if *caller == CallerPod::sleep() { command } else { format!("{command} --caller {caller}") }
}

/// The command that follows a call closer; none for one that it cannot follow.
fn explained_by(ctx: &LabContext, (from, to): (&LabCluster, &LabCluster), source: &Failed) -> Option<String> {
    let (spoken, caller) = source.explained()?;
    Some(explain_command(ctx, (from, to), &spoken, &caller))
}

/// The command that shows what the app of a pod says.
fn logs_of(ctx: &LabContext, to: &LabCluster, place: &Place, source: &Failed) -> Option<String> {
    let service = source.service.as_ref().filter(|_| !place.pod.is_empty())?;
    Some(format!("kubectl --context {} -n {} logs {}", ctx.lab.context(to), service.namespace, place.pod))
}
