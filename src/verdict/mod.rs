//! The verdict: what was expected, what was seen, and whether they agree. No I/O.

mod endpoints;
mod reply;
mod rotation;
mod statistics;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use endpoints::{Endpoint, Expected, differences, envoy_endpoints, since};
pub use reply::{REPLY_FORMAT, Reply, parse_replies};
pub use rotation::{Answer, Observation, rotation};
pub use statistics::{MAX_ERROR, requests_needed};

/// The outcome of all checks of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What is wrong, for each source and target the first broken link; empty when all is well.
    pub findings: Vec<Finding>,
}

/// What calls from one cluster saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceVerdict {
    /// The check, as `rotation helloworld.sample:5000/hello`.
    pub check: String,
    /// The cluster that called.
    pub cluster: String,
    /// Whether everything was as expected.
    pub passed: bool,
    /// Requests sent, one after the other.
    pub requests: u32,
    /// Requests without a usable answer of status 200.
    pub failures: u32,
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
}

/// A cause that was found, with its evidence and its remedy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What is wrong, in one sentence.
    pub cause: String,
    /// What was asked, and what was found.
    pub evidence: String,
    /// What mends it.
    pub remedy: String,
}
