//! Why a verdict is red: causes are looked for in the order in which they precede each other, and the first broken one of each pair of
//! clusters is told.

mod configuration;
mod control_plane;
mod federation;
mod network;

pub(super) use control_plane::{runs as control_plane, watches};
pub(super) use network::{gateway, routes};

use k8s_openapi::api::core::v1::ConfigMap;

use super::{Context, StepError, explain};
use crate::plan::LabCluster;
use crate::plan::render::{APP_NAMESPACE, ROOT_CERT};
use crate::scenario::{App, Check};
use crate::verdict::{Cell, Finding, OUTSIDE, SourceVerdict, Spread};

/// What a red verdict saw.
pub(super) struct Red<'a> {
    /// Sources that are red for the mesh's sake.
    pub sources: &'a [SourceVerdict],
    /// The reachability matrix.
    pub cells: &'a [Cell],
    /// Replicas of a federation.
    pub spreads: &'a [Spread],
    /// Whether all calls came back as they must.
    pub is_reached: bool,
}

/// What is wrong: with the federation, with what the scenario configures, and between the sources that are red for the mesh's sake and the clusters whose
/// versions they miss.
pub(super) async fn findings(ctx: &Context, red: &Red<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let unknown = |what: &str, error: &StepError| Finding {
        cause: format!("{what} cannot be asked"),
        evidence: error.to_string(),
        remedy: format!("lab status {}", ctx.lab.name),
    };
    match federation::findings(ctx, red.spreads).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(unknown("Karmada", &error)),
    }
    for cluster in ctx.lab.data_clusters() {
        match configuration::objects(ctx, cluster).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(unknown(&cluster.name, &error)),
        }
    }
    // Causes in the mesh say nothing about where replicas are.
    if red.is_reached {
        return findings;
    }
    match configuration::separation(ctx, red.cells).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(unknown("a node", &error)),
    }
    for source in red.sources.iter().filter(|s| !s.passed) {
        for target in suspects(ctx, source) {
            let Ok(from) = ctx.cluster(&source.cluster) else { continue };
            match first_broken(ctx, from, target, source).await {
                Ok(found) => findings.extend(found),
                Err(error) => findings.push(unknown(&format!("{} or {}", source.cluster, target.name), &error)),
            }
        }
    }
    // One broken gateway is seen from every source, and is one finding.
    let mut unique: Vec<Finding> = Vec::new();
    for finding in findings {
        if !unique.contains(&finding) {
            unique.push(finding);
        }
    }
    unique
}

/// Clusters whose version is missing; all others when requests failed without a version missing.
fn suspects<'a>(ctx: &'a Context, source: &SourceVerdict) -> Vec<&'a LabCluster> {
    let runs_missing = |cluster: &LabCluster| {
        ctx.lab.apps.iter().any(|app| match app {
            App::Helloworld { versions } => versions.get(&cluster.name).is_some_and(|v| source.missing.contains(v)),
            App::Sleep | App::Manifests(_) => false,
        })
    };
    let missing: Vec<&LabCluster> = ctx.lab.data_clusters().filter(|c| runs_missing(c)).collect();
    if missing.is_empty() { ctx.lab.data_clusters().collect() } else { missing }
}

async fn first_broken(
    ctx: &Context,
    from: &LabCluster,
    to: &LabCluster,
    source: &SourceVerdict,
) -> Result<Option<Finding>, StepError> {
    if source.caller == OUTSIDE
        && let Some(finding) = network::ingress(ctx, from).await?
    {
        return Ok(Some(finding));
    }
    if let Some(finding) = app(ctx, to).await? {
        return Ok(Some(finding));
    }
    for cluster in [from, to] {
        if let Some(finding) = control_plane::runs(ctx, cluster).await? {
            return Ok(Some(finding));
        }
    }
    if from.name == to.name {
        return Ok(None);
    }
    if let Some(finding) = trust_root(ctx, from, to).await? {
        return Ok(Some(finding));
    }
    if let Some(finding) = control_plane::watches(ctx, from, to).await? {
        return Ok(Some(finding));
    }
    let between = if from.network == to.network {
        network::routes(ctx, from, to).await?
    } else {
        network::gateway(ctx, to).await?
    };
    match between.or_else(|| endpoint(ctx, from, to, source)) {
        Some(finding) => Ok(Some(finding)),
        None => explained(ctx, from, to, source).await,
    }
}

/// What a walk along the call finds where nothing else is found.
async fn explained(
    ctx: &Context,
    from: &LabCluster,
    to: &LabCluster,
    source: &SourceVerdict,
) -> Result<Option<Finding>, StepError> {
    let called = ctx.lab.checks.iter().find_map(|check| match check {
        Check::Rotation { service, .. } => source.check.starts_with(&format!("rotation {service}")).then_some(service),
        _ => None,
    });
    let Some(service) = called.filter(|_| source.caller != OUTSIDE) else { return Ok(None) };
    let explanation = explain::run(ctx, &from.name, &to.name, service).await?;
    Ok(explanation.hops.into_iter().find_map(|hop| hop.finding))
}

/// The called app itself, in the cluster that should answer.
async fn app(ctx: &Context, to: &LabCluster) -> Result<Option<Finding>, StepError> {
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
                    "kubectl --context lab-{}-{} -n {APP_NAMESPACE} describe deployment {name}",
                    ctx.lab.name, to.name
                ),
            }));
        }
    }
    Ok(None)
}

/// The root certificate that istiod gives out to the namespaces of its cluster.
async fn root_of(ctx: &Context, cluster: &LabCluster) -> Result<Option<String>, StepError> {
    let map: Option<ConfigMap> = ctx.client(&cluster.name).await?.get(APP_NAMESPACE, ROOT_CERT).await?;
    Ok(map.and_then(|m| m.data).and_then(|mut d| d.remove("root-cert.pem")).map(|pem| pem.trim().to_owned()))
}

async fn trust_root(ctx: &Context, from: &LabCluster, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    Ok(trust(ctx, from, to).await?.err())
}

/// What both clusters trust, or that they do not trust the same.
pub(super) async fn trust(
    ctx: &Context,
    from: &LabCluster,
    to: &LabCluster,
) -> Result<Result<String, Finding>, StepError> {
    let (ours, theirs) = tokio::try_join!(root_of(ctx, from), root_of(ctx, to))?;
    if let Some(root) = ours.as_ref().filter(|_| ours == theirs) {
        return Ok(Ok(format!("{} and {} trust the same root, {}", from.name, to.name, fingerprint(root))));
    }
    // The pair is named in the lab's order, so that it is one finding from either side.
    let first = ctx.lab.clusters.iter().find(|c| c.name == from.name || c.name == to.name).unwrap_or(from);
    let second = if first.name == from.name { to } else { from };
    let print = |pem: &Option<String>| pem.as_ref().map_or_else(|| "none".to_owned(), |p| fingerprint(p));
    let (one, two) = if first.name == from.name { (&ours, &theirs) } else { (&theirs, &ours) };
    Ok(Err(Finding {
        cause: format!(
            "{} and {} trust different root certificates, so mutual TLS between them fails",
            first.name, second.name
        ),
        evidence: format!(
            "ConfigMap {APP_NAMESPACE}/{ROOT_CERT}: {} in {}, {} in {} (SHA-256)",
            print(one),
            first.name,
            print(two),
            second.name
        ),
        remedy: format!(
            "put the lab's own cacerts back with `lab up` and restart istiod and the workloads of the cluster that differs, or make the lab anew: `lab down {}`",
            ctx.lab.name
        ),
    }))
}

/// The start of a certificate's digest, enough to tell two apart.
fn fingerprint(pem: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(pem.as_bytes()))[..12].to_owned()
}

/// What the caller's own Envoy has, when everything before it is well.
fn endpoint(ctx: &Context, from: &LabCluster, to: &LabCluster, source: &SourceVerdict) -> Option<Finding> {
    let address = to.east_west_endpoint()?.to_string();
    let found: Vec<&str> = source.endpoints.iter().map(|e| e.address.as_str()).collect();
    if let Some(known) = source.endpoints.iter().find(|e| e.address == address).filter(|_| source.errors.is_empty()) {
        if known.requests > 0 {
            // Calls do go there; who answers otherwise than expected is no matter of the mesh.
            return None;
        }
        let state = if known.ejected { ", and it is ejected" } else { "" };
        return Some(Finding {
            cause: format!("calls from {} do not go to {} although its endpoint is there", from.name, to.name),
            evidence: format!("{address} has priority {} and got {} requests{state}", known.priority, known.requests),
            remedy: format!(
                "see what routes them: kubectl --context lab-{}-{} get destinationrules,virtualservices -A",
                ctx.lab.name, from.name
            ),
        });
    }
    let (cause, evidence) = if found.contains(&address.as_str()) {
        (
            format!("calls from {} to {} fail although the endpoint is there", from.name, to.name),
            format!("errors: {:?}", source.errors),
        )
    } else {
        (
            format!("the sidecar in {} does not know {}", from.name, to.name),
            format!("its endpoints are [{}], and {address} is not among them", found.join(", ")),
        )
    };
    let remedy = format!("lab up {} (it applies Istio's own configuration again)", ctx.lab.name);
    Some(Finding { cause, evidence, remedy })
}
