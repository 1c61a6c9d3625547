//! The federation: Karmada on a cluster of its own, which spreads apps over others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A federation as the scenario has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Federation {
    /// The cluster that runs Karmada's control plane. It is no part of the mesh.
    pub manager: String,
    /// The clusters that it spreads apps over, in the scenario's order.
    pub members: Vec<Member>,
    /// Whether and when the apps of a member that is lost are moved.
    pub failover: Option<FederationFailover>,
    /// What is applied to Karmada's own API: apps, and policies that say where they run.
    pub objects: Vec<serde_json::Value>,
}

/// A cluster of a federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The cluster.
    pub cluster: String,
    /// Who carries work there.
    pub mode: MemberMode,
}

/// Who carries work to a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MemberMode {
    /// The control plane calls the member's API server.
    #[default]
    Push,
    /// An agent in the member fetches it.
    Pull,
}

impl MemberMode {
    /// As the scenario writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }
}

/// What becomes of a member that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FederationFailover {
    /// Seconds that apps wait for it before they are moved, unless their policy says otherwise.
    pub toleration_seconds: u32,
}

impl Federation {
    /// The member of that name.
    #[must_use]
    pub fn member(&self, cluster: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.cluster == cluster)
    }
}
