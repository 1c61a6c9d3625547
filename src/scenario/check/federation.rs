//! The check `federation`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::form::{ANY_TEXT, Fields, LABEL, List, Names, Number, Pairs, Pairwise, Record, Text};
use super::super::validate::known_cluster;
use super::super::validate::names::is_dns_label;
use super::service::{self, ServiceUrl};
use super::{CheckProblem, FederationProblem, Located, Problems, Scope, Span, Topology, named, raw_names};

/// As many replicas as fit on a machine that a lab is for.
const MAX_REPLICAS: u32 = 100;

/// Where the replicas of a Deployment are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationCheck {
    /// Namespace of the Deployment.
    pub namespace: String,
    /// Its name.
    pub deployment: String,
    /// Replicas by member; a member that is not named runs none.
    pub replicas: BTreeMap<String, u32>,
    /// Members that are lost and come back, one after the other.
    pub exercise: Vec<String>,
    /// What the other members call meanwhile.
    #[serde(default)]
    pub service: Option<ServiceUrl>,
}

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawFederationCheck {
    deployment: Option<Located<String>>,
    replicas: Option<Pairwise<Located<u32>>>,
    exercise: Option<Names>,
    service: Option<Located<String>>,
}

impl Record for RawFederationCheck {
    const ABOUT: &'static str = "Where the federation has put the replicas of a Deployment";

    fn fields(f: &mut Fields<Self>) {
        let deployment = Text("^[^/]+/[^/]+$");
        let replicas = "The number of ready replicas of each member that has any";
        let exercise = "Members whose nodes are frozen until their replicas run elsewhere, then go on: how long each takes is measured";
        let service = "What the other members call while one is lost: SERVICE.NAMESPACE:PORT/PATH";
        f.field("deployment", deployment, |r| &mut r.deployment, "The Deployment, as NAMESPACE/NAME")
            .required()
            .example("demo/hello");
        f.field("replicas", Pairs(Number::new(0, MAX_REPLICAS)), |r| &mut r.replicas, replicas)
            .required()
            .example("{ c2: 2, c3: 1 }");
        f.field("exercise", List::whole(LABEL), |r| &mut r.exercise, exercise).example("[c2]");
        f.field("service", ANY_TEXT, |r| &mut r.service, service).example("hello.demo:5000/hello");
    }
}

/// The rules.
pub(super) fn check(
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
    let deployment_place = raw.deployment.as_ref().map(|d| d.span);
    let deployment = raw.deployment.and_then(|given| {
        let parts = given.value.split_once('/').filter(|(n, d)| is_dns_label(n) && is_dns_label(d));
        if parts.is_none() {
            problems.add(given.span, FederationProblem::BadDeployment { value: given.value.clone() });
        }
        parts.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
    });
    if let (Some((namespace, name)), Some(place)) = (&deployment, deployment_place)
        && !scope.brought.has("Deployment", namespace, name)
    {
        problems.add(place, FederationProblem::NoDeployment { deployment: format!("{namespace}/{name}") });
    }
    let mut replicas = BTreeMap::new();
    for (cluster, count) in raw.replicas?.value {
        member("replicas", &cluster, problems);
        replicas.insert(cluster.value, count.value);
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
    let service = raw.service.and_then(|service| called(&service, &exercise, scope, problems));
    let (namespace, deployment) = deployment?;
    Some(FederationCheck { namespace, deployment, replicas, exercise, service })
}

/// What the other members call while one is lost.
fn called(
    service: &Located<String>,
    exercise: &[String],
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Option<ServiceUrl> {
    if exercise.is_empty() {
        problems.add(service.span, FederationProblem::CallsWithoutLoss);
    }
    if scope.mesh.topology == Topology::None {
        problems.add(service.span, FederationProblem::NoMesh { check: "service" });
    } else if !scope.sleep {
        problems.add(service.span, CheckProblem::NoCaller { check: "federation check with `service`" });
    }
    Scope::service(service, problems)
}

/// The way back.
pub(super) fn raw(check: &FederationCheck) -> RawFederationCheck {
    let FederationCheck { namespace, deployment, replicas, exercise, service } = check;
    let replicas: Vec<_> = replicas.iter().map(|(member, count)| (member.clone().into(), (*count).into())).collect();
    RawFederationCheck {
        deployment: Some(format!("{namespace}/{deployment}").into()),
        replicas: Some(replicas.into()),
        exercise: (!exercise.is_empty()).then(|| raw_names(exercise)),
        service: service.as_ref().map(service::raw),
    }
}
