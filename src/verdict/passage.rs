//! What callers saw while a lab was changed, phase by phase.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// A change of a lab under traffic.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passage {
    /// The lab.
    pub lab: String,
    /// What was done, as `root certificate replaced`.
    pub what: String,
    /// Whether no request was lost where Istio promises that none is.
    pub passed: bool,
    /// The phases in their order.
    pub phases: Vec<Phase>,
}

/// One phase of a change.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    /// What was done.
    pub name: String,
    /// Whether gateways and apps were restarted in it: what ends with a pod is then lost, and nobody promises otherwise.
    pub restarts: bool,
    /// Seconds that it took.
    pub took: f64,
    /// What each cluster's calls came back with meanwhile; nothing where the callers themselves were restarted.
    pub calls: BTreeMap<String, Calls>,
}

/// The calls of one cluster during a phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// Requests that came back.
    pub sent: u32,
    /// Requests that were not answered, by reason.
    pub lost: BTreeMap<String, u32>,
}

impl Calls {
    /// How many were not answered.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.lost.values().sum()
    }
}

impl Passage {
    /// Puts phases together: Istio promises that no request is lost by what control planes do. A phase in which callers were to call and did not proves nothing.
    #[must_use]
    pub fn of(lab: &str, what: &str, phases: Vec<Phase>) -> Self {
        let is_well = |phase: &Phase, calls: &Calls| calls.sent > 0 && (phase.restarts || calls.lost() == 0);
        let passed = phases.iter().all(|phase| phase.calls.values().all(|calls| is_well(phase, calls)));
        let called = phases.iter().any(|p| !p.calls.is_empty());
        Self { lab: lab.to_owned(), what: what.to_owned(), passed: passed && called, phases }
    }

    /// Requests that came back, and requests that were lost.
    #[must_use]
    pub fn totals(&self) -> (u32, u32) {
        let calls = || self.phases.iter().flat_map(|p| p.calls.values());
        (calls().map(|c| c.sent).sum(), calls().map(Calls::lost).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(sent: u32, lost: u32) -> Phase {
        phase_with(false, sent, lost)
    }

    fn phase_with(restarts: bool, sent: u32, lost: u32) -> Phase {
        let lost = (lost > 0).then(|| ("no answer".to_owned(), lost)).into_iter().collect();
        Phase {
            name: "x".to_owned(),
            restarts,
            took: 1.0,
            calls: BTreeMap::from([("c1".to_owned(), Calls { sent, lost })]),
        }
    }

    #[test]
    fn one_lost_request_is_too_many_and_no_request_proves_nothing() {
        assert!(Passage::of("a", "x", vec![phase(20, 0), phase(5, 0)]).passed);
        let lost = Passage::of("a", "x", vec![phase(20, 0), phase(5, 1)]);
        assert_eq!((lost.passed, lost.totals()), (false, (25, 1)));
        assert!(Passage::of("a", "x", vec![phase(20, 0), phase_with(true, 5, 1)]).passed, "pods ended");
        assert!(!Passage::of("a", "x", vec![phase(20, 0), phase(0, 0)]).passed);
        assert!(!Passage::of("a", "x", Vec::new()).passed);
    }
}
