//! Replicas of a federation: where they are, and where they must be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Measure;
use crate::scenario::FederationCheck;

/// Where the replicas of one Deployment are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The check, as `federation demo/hello`.
    pub check: String,
    /// One entry a member.
    pub members: Vec<MemberReplicas>,
    /// What else is wrong.
    #[serde(default)]
    pub problems: Vec<String>,
    /// What was measured.
    #[serde(default)]
    pub measures: Vec<Measure>,
}

/// Replicas of one Deployment in one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberReplicas {
    /// The member.
    pub cluster: String,
    /// How many there must be.
    pub expected: u32,
    /// How many are ready; none is known of a member that does not answer.
    pub found: Option<u32>,
}

impl Spread {
    /// Compares what was found with what must be.
    #[must_use]
    pub fn of(check: &FederationCheck, found: &BTreeMap<String, Option<u32>>) -> Self {
        let members = found
            .iter()
            .map(|(cluster, found)| MemberReplicas {
                cluster: cluster.clone(),
                expected: check.replicas.get(cluster).copied().unwrap_or(0),
                found: *found,
            })
            .collect();
        let check = format!("federation {}/{}", check.namespace, check.deployment);
        Self { check, members, problems: Vec::new(), measures: Vec::new() }
    }

    /// Whether every replica is where it must be, and nothing else was wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty() && self.members.iter().all(MemberReplicas::passed)
    }
}

impl MemberReplicas {
    /// Whether the member has exactly the replicas that it must have.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.found == Some(self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> FederationCheck {
        FederationCheck {
            namespace: "demo".into(),
            deployment: "hello".into(),
            replicas: [("eu".to_owned(), 2), ("ap".to_owned(), 1)].into(),
            exercise: Vec::new(),
            service: None,
        }
    }

    fn found(counts: &[(&str, Option<u32>)]) -> BTreeMap<String, Option<u32>> {
        counts.iter().map(|(c, n)| ((*c).to_owned(), *n)).collect()
    }

    #[test]
    fn every_member_counts() {
        assert!(Spread::of(&check(), &found(&[("eu", Some(2)), ("ap", Some(1)), ("us", Some(0))])).passed());
        assert!(!Spread::of(&check(), &found(&[("eu", Some(3)), ("ap", Some(0)), ("us", Some(0))])).passed());
        assert!(!Spread::of(&check(), &found(&[("eu", Some(2)), ("ap", Some(1)), ("us", Some(1))])).passed());
        assert!(!Spread::of(&check(), &found(&[("eu", Some(2)), ("ap", None)])).passed());
    }
}
