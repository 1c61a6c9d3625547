//! How a fault was borne, as it is told.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one fault was borne.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultVerdict {
    /// What was so, as `the network between c1 and c2 is cut`.
    pub fault: String,
    /// Its kind, as a scenario has it.
    pub kind: String,
    /// What was called.
    pub service: String,
    /// How long it was to last, in seconds.
    pub seconds: u32,
    /// What each cluster saw.
    pub sources: Vec<FaultSource>,
    /// What happened, in its order.
    pub timeline: Vec<FaultEvent>,
    /// What is wrong beside what a cluster saw.
    pub problems: Vec<String>,
}

/// What calls from one cluster saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultSource {
    /// The cluster that called, or at whose ingress gateway was called.
    pub cluster: String,
    /// Whether the calls came from outside, through that gateway.
    #[serde(default)]
    pub is_outside: bool,
    /// Requests sent from the begin of the fault until all was as before.
    pub sent: u32,
    /// Those that were not answered with status 200.
    pub lost: u32,
    /// Answers by cluster while the fault lasted.
    pub answers: BTreeMap<String, u32>,
    /// Seconds from the begin until the first answer after the first loss; nothing when none was lost, or none was answered any more.
    pub first_answer: Option<f64>,
    /// Seconds from the begin until requests were lost no more, while it lasted; nothing when they were to the end.
    pub failover: Option<f64>,
    /// Seconds from its end until all was as before; nothing when it was not in time.
    pub back: Option<f64>,
    /// Milliseconds within which 95 of 100 answers came before the fault, and while it lasted.
    pub within: [Option<f64>; 2],
    /// What became of lost requests, with counts.
    pub errors: BTreeMap<String, u32>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultEvent {
    /// Seconds since the fault began.
    pub at: f64,
    /// What.
    pub what: String,
}

impl FaultVerdict {
    /// Whether all was as promised and as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty() && self.sources.iter().all(|s| s.problems.is_empty())
    }

    /// All that is wrong, a line each.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        self.problems.iter().chain(self.sources.iter().flat_map(|s| &s.problems)).cloned().collect()
    }
}

impl FaultSource {
    /// Who called, in words.
    #[must_use]
    pub fn caller(&self) -> String {
        if self.is_outside { format!("outside at {}", self.cluster) } else { self.cluster.clone() }
    }
}
