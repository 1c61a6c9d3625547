//! The check `failover`.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::super::form::{ANY_TEXT, Fields, LABEL, List, Names, Pairs, Pairwise, Record};
use super::service::{self, HELLOWORLD, ServiceUrl};
use super::{CheckProblem, Located, Problems, Scope, Span, data_cluster, named, plain, raw_names};

/// Who answers whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailoverCheck {
    /// What to call.
    pub service: ServiceUrl,
    /// For each cluster that calls, the clusters that answer: the second when the first is gone, and so on.
    pub order: BTreeMap<String, Vec<String>>,
    /// Clusters whose helloworld is stopped and started again, one after the other; each is the first of its own order.
    pub exercise: Vec<String>,
}

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawFailover {
    service: Option<Located<String>>,
    order: Option<Pairwise<Names>>,
    exercise: Option<Names>,
}

impl Record for RawFailover {
    const ABOUT: &'static str = "Envoy's priorities, and that the first of the order gives all answers";

    fn fields(f: &mut Fields<Self>) {
        let order = "For each cluster, who answers it, the preferred one first";
        let exercise = "Clusters whose helloworld is taken away for a while, and put back: how long calls take to move is measured";
        f.field("service", ANY_TEXT, |r| &mut r.service, service::ABOUT).default(HELLOWORLD);
        f.field("order", Pairs(List::whole(LABEL)), |r| &mut r.order, order)
            .required()
            .example("{ c1: [c1, c2], c2: [c2, c1] }");
        f.field("exercise", List::whole(LABEL), |r| &mut r.exercise, exercise).example("[c1]");
    }
}

/// The rules.
pub(super) fn check(raw: RawFailover, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> Option<FailoverCheck> {
    if !scope.sleep {
        problems.add(span, CheckProblem::NoCaller { check: "failover" });
    }
    let service = scope.helloworld(raw.service, span, problems);
    if let (Some(service), Some(exercise)) = (&service, &raw.exercise)
        && service.to_string() != HELLOWORLD
    {
        problems.add(exercise.span, CheckProblem::ExerciseOfAnother { service: service.to_string() });
    }
    let raw_order = raw.order?;
    if raw_order.value.is_empty() {
        let remedy = "write for each calling cluster who answers it, such as `order: { c1: [c1, c2] }`";
        problems.add(raw_order.span, CheckProblem::NamesNothing { field: "order", what: "cluster", remedy });
    }
    let mut order = BTreeMap::new();
    for (caller, clusters) in raw_order.value {
        data_cluster("order", &caller, scope.drafts, problems);
        let remedy = "name the clusters in the order in which they answer";
        named("order", "cluster", remedy, &clusters, problems);
        for cluster in &clusters.value {
            scope.runs_helloworld("order", cluster, problems);
        }
        order.insert(caller.value, plain(clusters));
    }
    let (mut exercise, mut exercised) = (Vec::new(), HashSet::new());
    for cluster in raw.exercise.map(|e| e.value).unwrap_or_default() {
        let theirs: &[String] = order.get(&cluster.value).map_or(&[], Vec::as_slice);
        let why = match theirs {
            _ if !data_cluster("exercise", &cluster, scope.drafts, problems) => None,
            [] => Some("`order` says nothing of calls from there"),
            [first, ..] if *first != cluster.value => Some("calls from there go elsewhere anyway"),
            [_] => Some("its order has nobody else"),
            _ => None,
        };
        if let Some(why) = why {
            problems.add(cluster.span, CheckProblem::CannotExercise { cluster: cluster.value.clone(), why });
        }
        if !exercised.insert(cluster.value.clone()) {
            let name = cluster.value.clone();
            problems.add(cluster.span, CheckProblem::Duplicate { field: "exercise", what: "cluster", name });
        }
        exercise.push(cluster.value);
    }
    Some(FailoverCheck { service: service?, order, exercise })
}

/// The way back.
pub(super) fn raw(check: &FailoverCheck) -> RawFailover {
    let FailoverCheck { service, order, exercise } = check;
    let order: Vec<_> = order.iter().map(|(caller, clusters)| (caller.clone().into(), raw_names(clusters))).collect();
    RawFailover {
        service: Some(service::raw(service)),
        order: Some(order.into()),
        exercise: (!exercise.is_empty()).then(|| raw_names(exercise)),
    }
}
