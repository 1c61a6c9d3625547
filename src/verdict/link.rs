//! What is configured for calls from one cluster to another, looked at without making any.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Finding;

/// The way from one cluster to another in a mesh that somebody else installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkVerdict {
    /// The calling cluster.
    pub from: String,
    /// The called one.
    pub to: String,
    /// What was found, as far as nothing is wrong.
    pub found: String,
    /// The first thing that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}

impl LinkVerdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.finding.is_none()
    }
}
