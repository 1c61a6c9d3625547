//! The reachability matrix: who reaches what in which cluster, and who must not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// By which way one cluster is called from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// helloworld by its name, from a pod in the mesh.
    Mesh,
    /// A pod's address, without any sidecar.
    Pod,
    /// A node's address and a node port, without any sidecar.
    NodePort,
    /// The east-west gateway's address.
    Gateway,
    /// The API server by its node's name.
    ApiServer,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mesh => "mesh",
            Self::Pod => "pod",
            Self::NodePort => "node port",
            Self::Gateway => "gateway",
            Self::ApiServer => "API server",
        })
    }
}

/// One entry of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The cluster that called.
    pub from: String,
    /// The cluster that was called.
    pub to: String,
    /// By which way.
    pub kind: Way,
    /// Whether it must be reached.
    pub expected: bool,
    /// Whether it was: judged by what answered, since something else may answer at the same address.
    pub found: bool,
    /// What was asked, and what came back.
    pub evidence: String,
}

impl Cell {
    /// Whether what was found is what was expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.expected == self.found
    }
}
