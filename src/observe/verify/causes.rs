//! The causes of a red verdict: what the diagnosis finds and, where that is not certain, what a walk along the call does.

use std::time::Duration;

use futures::stream::{self, StreamExt};

use super::super::diagnose::{self, Failed, Link, configuration, federation};
use super::super::explain;
use super::super::observed::Observed;
use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::verdict::{Cell, Finding, Spread};

/// Pairs of clusters that are looked at side by side.
const CONCURRENCY: usize = 4;
/// How long the cause is sought between one pair of clusters, and between all of them.
const PAIR_LIMIT: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(60);

/// What a red verdict saw.
pub(super) struct Red<'a> {
    /// Sources that are red for the mesh's sake.
    pub sources: &'a [Failed],
    /// The reachability matrix.
    pub cells: &'a [Cell],
    /// Replicas of a federation.
    pub spreads: &'a [Spread],
    /// Whether all calls came back as they must.
    pub is_reached: bool,
}

/// What is wrong: with the federation, with what the scenario configures, and between the sources that are red for the mesh's sake and the clusters whose
/// versions they miss.
pub(super) async fn findings(ctx: &LabContext, red: &Red<'_>) -> Vec<Finding> {
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
        let (objects, mesh) = tokio::join!(configuration::objects(ctx, cluster), configuration::mesh(ctx, cluster));
        match objects.and_then(|objects| Ok(objects.into_iter().chain(mesh?))) {
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
    if !red.sources.is_empty() {
        findings.extend(between(ctx, red.sources, &unknown).await);
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

/// What is wrong between the sources that are red and the clusters that should have answered them: several pairs side by side, told in their order.
async fn between(ctx: &LabContext, sources: &[Failed], unknown: &impl Fn(&str, &StepError) -> Finding) -> Vec<Finding> {
    let seen = &Observed::look(ctx).await;
    // Each pair on its own; of a host, whose cluster nobody knows, all of them in turn, and then the way to it.
    let pairs = sources.iter().flat_map(|source| {
        let suspects = diagnose::suspects(ctx, seen, source);
        let at_once = if source.explained_host().is_some() { suspects.len().max(1) } else { 1 };
        let groups: Vec<Vec<&LabCluster>> = suspects.chunks(at_once).map(<[_]>::to_vec).collect();
        groups.into_iter().map(move |group| (source, group))
    });
    let late = |what: String, limit: Duration| Finding {
        cause: format!("the cause of what {what} sees could not be found within {} s", limit.as_secs()),
        evidence: "its clusters answer slowly, or not at all".to_owned(),
        remedy: format!("lab status {0}; lab verify {0} looks again", ctx.lab.name),
    };
    let looks = pairs.map(async |(source, group)| {
        let Ok(from) = ctx.cluster(&source.verdict.cluster) else { return None };
        let names = |word: &str| group.iter().map(|to| to.name.as_str()).collect::<Vec<_>>().join(word);
        match tokio::time::timeout(PAIR_LIMIT, first_of(ctx, seen, (from, &group), source)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => Some(unknown(&format!("{} or {}", from.name, names(" or ")), &error)),
            Err(_) => Some(late(format!("{} of {}", from.name, names(" and ")), PAIR_LIMIT)),
        }
    });
    // What was found before time is up is told.
    let mut found = Vec::new();
    let mut looks = stream::iter(looks).buffered(CONCURRENCY);
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        match tokio::time::timeout_at(deadline, looks.next()).await {
            Ok(Some(finding)) => found.extend(finding),
            Ok(None) => return found,
            Err(_) => {
                found.push(late("some sources".to_owned(), LIMIT));
                return found;
            }
        }
    }
}

/// The first broken link of a call to any of these clusters. Where none is found, what a walk to the host finds.
async fn first_of(
    ctx: &LabContext,
    seen: &Observed,
    (from, group): (&LabCluster, &[&LabCluster]),
    source: &Failed,
) -> Result<Option<Finding>, StepError> {
    for to in group {
        if let Some(found) = first_broken(ctx, seen, (from, to), source).await? {
            return Ok(Some(found));
        }
    }
    let Some((host, caller)) = source.explained_host() else { return Ok(None) };
    let explanation = explain::walk_to_host(ctx, seen, (from, &caller), host).await?;
    Ok(explanation.hops.into_iter().find_map(|hop| hop.finding))
}

/// The first broken link of a call.
async fn first_broken(
    ctx: &LabContext,
    seen: &Observed,
    pair: (&LabCluster, &LabCluster),
    source: &Failed,
) -> Result<Option<Finding>, StepError> {
    match diagnose::first_broken(ctx, seen, pair, source).await? {
        Link::Certain(found) => Ok(found),
        Link::Doubtful(known) => Ok(explained(ctx, seen, pair, source).await?.or(known)),
    }
}

/// What a walk along the call finds where nothing else is found.
async fn explained(
    ctx: &LabContext,
    seen: &Observed,
    pair: (&LabCluster, &LabCluster),
    source: &Failed,
) -> Result<Option<Finding>, StepError> {
    let Some((spoken, caller)) = source.explained() else { return Ok(None) };
    let explanation = explain::walk(ctx, seen, pair, &caller, &spoken).await?;
    Ok(explanation.hops.into_iter().find_map(|hop| hop.finding))
}
