//! What is asked of any check.

use std::collections::BTreeMap;

use super::super::form::Names;
use super::super::validate::repeated;
use super::{Check, CheckProblem, Problems, Span, Through};

/// Records names that reports could not tell apart.
pub(super) fn names<'a>(checks: impl Iterator<Item = (Span, &'a Option<Check>)>, problems: &mut Problems) {
    let mut named: BTreeMap<&str, Span> = BTreeMap::new();
    for (span, check) in checks {
        let Some(Check::Request(request)) = check else { continue };
        let Some(name) = &request.name else { continue };
        if let Some(first) = named.get(name.as_str()) {
            problems.add(span, CheckProblem::SameName { name: name.clone() }).also(*first, "the first one");
        }
        named.entry(name).or_insert(span);
    }
}

/// Records a list that names nothing, or something twice.
pub(in crate::scenario) fn named(
    field: &'static str,
    what: &'static str,
    remedy: &'static str,
    names: &Names,
    problems: &mut Problems,
) {
    if names.value.is_empty() {
        problems.add(names.span, CheckProblem::NamesNothing { field, what, remedy });
    }
    for (name, first) in repeated(&names.value) {
        let problem = CheckProblem::Duplicate { field, what, name: name.value.clone() };
        problems.add(name.span, problem).also(first, "first named here");
    }
}

impl Check {
    /// Whether it calls from outside through ingress gateways.
    #[must_use]
    pub fn is_through_ingress(&self) -> bool {
        match self {
            Self::Rotation { through, .. } => *through == Through::Ingress,
            Self::Request(request) => request.through == Through::Ingress,
            Self::Failover(_) | Self::Reachability | Self::Federation(_) => false,
        }
    }

    /// The same check without taking anything away.
    pub fn stop_exercising(&mut self) {
        match self {
            Self::Failover(check) => check.exercise.clear(),
            Self::Federation(check) => check.exercise.clear(),
            Self::Rotation { .. } | Self::Request(_) | Self::Reachability => {}
        }
    }
}
