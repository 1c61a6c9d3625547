//! Rules for a check of a federation.

use std::collections::BTreeMap;

use super::super::known_cluster;
use super::super::names::is_dns_label;
use super::{CheckProblem, FederationProblem, Located, Problems, Scope, Span, named};
use crate::scenario::model::FederationCheck;
use crate::scenario::raw::RawFederationCheck;

/// As many replicas as fit on a machine that a lab is for.
const MAX_REPLICAS: u64 = 100;

pub(super) fn federation(
    raw: RawFederationCheck,
    span: Span,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<FederationCheck> {
    let Some(federation) = scope.federation else {
        problems.add(span, FederationProblem::NoFederation);
        return None;
    };
    let member = |field, cluster: &Located<String>, problems: &mut Problems| {
        if known_cluster(field, cluster, scope.drafts, problems) && federation.member(&cluster.value).is_none() {
            let cluster_name = cluster.value.clone();
            problems.add(cluster.span, FederationProblem::NotAMember { field, cluster: cluster_name });
        }
    };
    let deployment = raw.deployment.and_then(|given| {
        let parts = given.value.split_once('/').filter(|(n, d)| is_dns_label(n) && is_dns_label(d));
        if parts.is_none() {
            problems.add(given.span, FederationProblem::BadDeployment { value: given.value.clone() });
        }
        parts.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
    });
    let mut replicas = BTreeMap::new();
    for (cluster, count) in raw.replicas?.value {
        member("replicas", &cluster, problems);
        if count.value > MAX_REPLICAS {
            let problem =
                CheckProblem::OutOfRange { field: "replicas", value: count.value, least: 0, most: MAX_REPLICAS };
            problems.add(count.span, problem);
        }
        replicas.insert(cluster.value, u32::try_from(count.value).unwrap_or(0));
    }
    let mut exercise = Vec::new();
    if let Some(lost) = raw.exercise {
        named("exercise", "cluster", "name members that are lost and come back", &lost, problems);
        if federation.failover.is_none() {
            problems.add(lost.span, FederationProblem::NoFailover);
        }
        for cluster in &lost.value {
            member("exercise", cluster, problems);
        }
        exercise = lost.value.into_iter().map(|c| c.value).collect();
    }
    let (namespace, deployment) = deployment?;
    Some(FederationCheck { namespace, deployment, replicas, exercise })
}
