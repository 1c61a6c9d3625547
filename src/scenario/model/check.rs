//! What a scenario asserts over its lab.

use serde::{Deserialize, Serialize};

/// An assertion over the running lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// Calls from each source reach every version, and nothing fails.
    Rotation {
        /// What to call: `SERVICE.NAMESPACE:PORT/PATH`.
        service: ServiceUrl,
        /// Clusters that call.
        from: Vec<String>,
    },
}

/// `SERVICE.NAMESPACE:PORT/PATH`, as a check names what it calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceUrl {
    /// Kubernetes Service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// Service port.
    pub port: u16,
    /// Path with its leading slash.
    pub path: String,
}

impl std::fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}:{}{}", self.service, self.namespace, self.port, self.path)
    }
}
