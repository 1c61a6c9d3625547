//! One call, hop by hop, until the first that is broken.

use serde::Serialize;

use super::Finding;

/// What one call from one cluster to another goes through, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The lab.
    pub lab: String,
    /// The calling cluster.
    pub from: String,
    /// The cluster that must answer.
    pub to: String,
    /// What is called, as `helloworld.sample:5000/hello`.
    pub service: String,
    /// What was looked at, in the order in which causes precede each other; the last is the broken one, if any is.
    pub hops: Vec<Hop>,
}

/// One thing that a call needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// What it is, as "trust roots".
    pub name: &'static str,
    /// What was found, when it is well.
    pub found: String,
    /// What is wrong with it, if anything is.
    pub finding: Option<Finding>,
}

impl Explanation {
    /// What is wrong, if anything is.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        self.hops.iter().find_map(|h| h.finding.as_ref())
    }
}
