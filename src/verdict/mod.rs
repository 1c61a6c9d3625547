//! The verdict: what was expected, what was seen, and whether they agree. No I/O.

mod access_line;
mod called;
mod cause;
mod endpoints;
mod explanation;
mod failover;
mod fault;
mod federation;
mod link;
mod loss;
mod machine;
mod passage;
mod proof;
mod reachability;
mod rejected;
mod reply;
mod request;
mod rotation;
mod settling;
mod soak;
mod statistics;
mod status;
mod trace;
mod weights;
pub mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access_line::AccessLine;
pub use called::{CalledHost, Speaks};
pub use cause::{
    CallFacts, HostFacts, Objects, Side, alias_of, behind, causes, endpoint_port, has_host, is_meant, selects_nothing,
    target_port,
};
pub use endpoints::{
    Endpoint, Expected, at_port, differences, envoy_endpoints, is_answered, knows_host, reached, silent, since,
};
pub use explanation::{Answered, Explanation, Hop, Place};
pub use failover::{AWAY_ANSWERS, Answering, FAILED_MEANWHILE, Moment, Outage};
pub use fault::{FaultCalls, FaultEvent, FaultJudge, FaultSource, FaultVerdict};
pub use federation::{MemberReplicas, Spread};
pub use link::LinkVerdict;
pub use loss::{Loss, WINDOW, is_as_before, is_calm, is_settled};
pub use machine::{Judgement, Level, MachineReport, Raise};
pub use passage::{Calls, Passage, Phase};
pub use proof::{Noticed, Proof, Trial, Trialled, judged};
pub use reachability::{Cell, Way};
pub use rejected::{Rejected, rejected};
pub use reply::{NOTHING_IN_TIME, REPLY_FORMAT, Reply, grpc_reply, parse_replies};
pub use request::{Seen, is_all_said, request, request_failure, request_title, requests_for};
pub use rotation::{Answer, Observation, rotation};
pub use settling::{Settling, Standing};
pub use soak::{Held, Round, Soak, endpoints};
pub use statistics::{MAX_ERROR, requests_needed};
pub use status::{
    AppStatus, ClusterStatus, FOREIGN_NODE, FaultStatus, FederationStatus, GatewayStatus, LabStatus, LastVerdict,
    MemberStatus, NodeStatus, ProxyStatus, RemoteCluster, Replicas, proxies, remote_clusters,
};
pub use trace::{Known, Logged, Role, Span, Trace, TracedRequest, is_whole, spans};
pub use weights::{MISSED, SEEN, counts_within_chance, requests_for_weights};

/// The outcome of all checks of a lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The lab.
    pub lab: String,
    /// Whether every check passed.
    pub passed: bool,
    /// When it was given, RFC 3339 in UTC.
    pub at: String,
    /// One entry a check and source.
    pub sources: Vec<SourceVerdict>,
    /// Who reaches what, if the scenario asks for the matrix.
    #[serde(default)]
    pub reachability: Vec<Cell>,
    /// What is configured between clusters, in a mesh that somebody else installed; one entry a direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkVerdict>,
    /// Where the replicas of a federation are; one entry a check.
    #[serde(default)]
    pub federation: Vec<Spread>,
    /// How the faults of the scenario were borne; none of them where a check had failed before.
    #[serde(default)]
    pub faults: Vec<FaultVerdict>,
    /// What is wrong, for each source and target the first broken link; empty when all is well.
    pub findings: Vec<Finding>,
}

/// What kind of check calls were judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CallCheck {
    /// Every version must answer.
    #[default]
    Rotation,
    /// The nearest version must answer, and the next one when it is gone.
    Failover,
    /// What the scenario says must come back.
    Request,
}

/// What calls from one cluster saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceVerdict {
    /// The check, as `rotation helloworld.sample:5000/hello`.
    pub check: String,
    /// Its kind.
    #[serde(default)]
    pub kind: CallCheck,
    /// The cluster that called; the one that was called if the caller is [`OUTSIDE`].
    pub cluster: String,
    /// The zone in it that called, where that decides who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Who called there, as `sample/sleep`.
    #[serde(default)]
    pub caller: String,
    /// Whether everything was as expected.
    pub passed: bool,
    /// Requests sent, one after the other.
    pub requests: u32,
    /// Requests that came back otherwise than they must: without a usable answer of status 200, unless the check says else.
    pub failures: u32,
    /// So many of them may be.
    #[serde(default)]
    pub allowed_failures: u32,
    /// Requests that were denied, as they must be, by how.
    #[serde(default)]
    pub denials: BTreeMap<String, u32>,
    /// Answers by version.
    pub versions: BTreeMap<String, u32>,
    /// Versions that must answer.
    pub expected: Vec<String>,
    /// Versions that did not answer.
    pub missing: Vec<String>,
    /// Versions that answered and should not exist.
    pub unexpected: Vec<String>,
    /// What went wrong with failed requests, with counts.
    pub errors: BTreeMap<String, u32>,
    /// The caller's endpoints of the service, as its Envoy has them.
    pub endpoints: Vec<Endpoint>,
    /// How the endpoints differ from those that must be there.
    pub endpoint_problems: Vec<String>,
    /// What else is wrong.
    #[serde(default)]
    pub problems: Vec<String>,
    /// What was measured.
    #[serde(default)]
    pub measures: Vec<Measure>,
}

impl SourceVerdict {
    /// Where it called from: the cluster or, as `c1/a`, one zone of it.
    #[must_use]
    pub fn place(&self) -> String {
        self.zone.as_ref().map_or_else(|| self.cluster.clone(), |zone| format!("{}/{zone}", self.cluster))
    }
}

/// The caller of a check from outside of all clusters: this process.
pub const OUTSIDE: &str = "outside";

/// Something that was measured, beside what was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measure {
    /// What it is.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what; empty for a count.
    pub unit: String,
}

impl Measure {
    /// `count` in units of `unit`, with two decimals.
    #[must_use]
    pub fn rounded(count: u64, unit: u32) -> f64 {
        let hundredths = (count.saturating_mul(100) + u64::from(unit) / 2) / u64::from(unit.max(1));
        f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / 100.0
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gap = if self.unit.is_empty() { "" } else { " " };
        write!(f, "{}: {}{gap}{}", self.what, self.value, self.unit)
    }
}

/// A cause that was found, with its evidence and its remedy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What is wrong, in one sentence.
    pub cause: String,
    /// What was asked, and what was found.
    pub evidence: String,
    /// What mends it.
    pub remedy: String,
}
