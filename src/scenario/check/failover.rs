//! The check `failover`.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::form::{ANY_TEXT, Fields, List, Names, Pairs, Pairwise, Record, raw_names};
use super::service::{self, HELLOWORLD, ServiceUrl};
use super::site::{Level, ORDER, SITE, Site, level, raw_level};
use super::{CheckProblem, Located, MeshProblem, Problems, Scope, Span, named};

/// Who answers whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverCheck {
    /// What to call.
    pub service: ServiceUrl,
    /// For each place that calls, those that answer: the second level when the first is gone, and so on.
    pub order: BTreeMap<Site, Vec<Level>>,
    /// Places whose helloworld is stopped, then the next ones, until the last level of the order answers; each is the first of its own order.
    pub exercise: Vec<Site>,
}

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawFailover {
    service: Option<Located<String>>,
    order: Option<Pairwise<Located<Vec<Names>>>>,
    exercise: Option<Names>,
}

impl Record for RawFailover {
    const ABOUT: &'static str = "Envoy's priorities, and that the first of the order gives all answers";

    fn fields(f: &mut Fields<Self>) {
        let order = "For each cluster that calls, who answers it, the preferred one first. Where nodes are in several zones, a zone is CLUSTER/ZONE; a list in the list is a tie, all of which answer";
        let exercise = "Clusters or zones whose helloworld is taken away for a while, then that of the next in their order, until the last is left; all are put back. How long calls take to move is measured";
        f.field("service", ANY_TEXT, |r| &mut r.service, service::ABOUT).default(HELLOWORLD);
        f.field("order", Pairs(ORDER), |r| &mut r.order, order).required().example("{ c1: [c1, c2], c2: [c2, c1] }");
        f.field("exercise", List::whole(SITE), |r| &mut r.exercise, exercise).example("[c1]");
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
    for (caller, levels) in raw_order.value {
        let from = scope.caller_site("order", &caller, problems);
        let levels = self::levels(levels, scope, problems);
        if let Some(from) = from {
            let sites = levels.iter().flat_map(Level::sites);
            if let Some(site) = sites.clone().find(|site| !scope.are_meshed(&from.cluster, &site.cluster)) {
                let (answering, calling) = (site.to_string(), from.to_string());
                problems.add(caller.span, MeshProblem::OtherMesh { answering, calling });
            }
            order.insert(from, levels);
        }
    }
    let (mut exercise, mut exercised) = (Vec::new(), HashSet::new());
    for text in raw.exercise.map(|e| e.value).unwrap_or_default() {
        if let Some(site) = scope.site("exercise", &text, problems) {
            let why = match order.get(&site).map_or(&[][..], Vec::as_slice) {
                [] => Some("`order` says nothing of calls from there"),
                [first, ..] if !first.sites().contains(&site) => Some("calls from there go elsewhere anyway"),
                [Level::Tie(_), ..] => Some("others answer calls from there as well"),
                [_] => Some("its order has nobody else"),
                _ => None,
            };
            if let Some(why) = why {
                problems.add(text.span, CheckProblem::CannotExercise { cluster: text.value.clone(), why });
            }
            exercise.push(site);
        }
        if !exercised.insert(text.value.clone()) {
            let name = text.value.clone();
            problems.add(text.span, CheckProblem::Duplicate { field: "exercise", what: "cluster", name });
        }
    }
    Some(FailoverCheck { service: service?, order, exercise })
}

/// Reads who answers one caller.
fn levels(raw: Located<Vec<Names>>, scope: &Scope<'_>, problems: &mut Problems) -> Vec<Level> {
    let remedy = "name the clusters in the order in which they answer";
    for tie in raw.value.iter().filter(|tie| tie.value.is_empty()) {
        problems.add(tie.span, CheckProblem::NamesNothing { field: "order", what: "cluster", remedy });
    }
    if raw.value.iter().all(|tie| !tie.value.is_empty()) {
        let all = raw.value.iter().flat_map(|tie| tie.value.iter().cloned()).collect();
        named("order", "cluster", remedy, &Located { value: all, span: raw.span }, problems);
    }
    let mut wholes: Vec<Located<String>> = Vec::new();
    let mut parts: Vec<(Site, Span)> = Vec::new();
    let mut levels = Vec::new();
    for tie in raw.value {
        let mut sites = Vec::new();
        for text in &tie.value {
            let Some(site) = scope.site("order", text, problems) else { continue };
            let cluster = Located { value: site.cluster.clone(), span: text.span };
            scope.runs_helloworld("order", &cluster, problems);
            match site.zone {
                Some(_) => parts.push((site.clone(), text.span)),
                None => wholes.push(cluster),
            }
            sites.push(site);
        }
        levels.push(level(sites));
    }
    for (part, span) in parts {
        if let Some(whole) = wholes.iter().find(|w| w.value == part.cluster) {
            let problem = CheckProblem::NamedTwice { whole: whole.value.clone(), part: part.to_string() };
            problems.add(span, problem).also(whole.span, "named here");
        }
    }
    levels
}

/// The way back.
pub(super) fn raw(check: &FailoverCheck) -> RawFailover {
    let FailoverCheck { service, order, exercise } = check;
    let levels = |levels: &Vec<Level>| levels.iter().map(raw_level).collect::<Vec<_>>().into();
    let order: Vec<_> = order.iter().map(|(caller, all)| (caller.to_string().into(), levels(all))).collect();
    let exercise: Vec<String> = exercise.iter().map(ToString::to_string).collect();
    RawFailover {
        service: Some(service::raw(service)),
        order: Some(order.into()),
        exercise: (!exercise.is_empty()).then(|| raw_names(&exercise)),
    }
}
