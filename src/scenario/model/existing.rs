//! Clusters that lab did not make, and what of a mesh is in them.

use std::net::SocketAddrV4;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Port of an east-west gateway when nothing else is said.
const EAST_WEST_PORT: u16 = 15443;

/// A cluster that is there already: how it is reached, and what of the mesh was found in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Existing {
    /// The file that says how its API server is reached.
    pub kubeconfig: String,
    /// The context in it.
    pub context: String,
    /// Where pods of the other clusters reach its API server, where that is not where the kubeconfig says; for a mesh of lab's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The ID by which Istio knows it, where that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The revision of its control plane; none for the one without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What takes traffic from other networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub east_west_gateway: Option<FoundGateway>,
    /// What takes traffic from outside the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_gateway: Option<FoundGateway>,
}

/// A gateway that is there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundGateway {
    /// Its Service, as `NAMESPACE/NAME`.
    pub service: String,
    /// Where it is reached, as `HOST` or `HOST:PORT`; none where it has no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl FoundGateway {
    /// Namespace and name of its Service.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        self.service.split_once('/').unwrap_or(("istio-system", &self.service))
    }

    /// Where it is reached, if that is an IPv4 address.
    #[must_use]
    pub fn endpoint(&self) -> Option<SocketAddrV4> {
        let address = self.address.as_deref()?;
        let with_port = || Some(SocketAddrV4::new(address.parse().ok()?, EAST_WEST_PORT));
        address.parse().ok().or_else(with_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_found_by_its_address() {
        let of = |address: &str| FoundGateway { service: "a/b".to_owned(), address: Some(address.to_owned()) };
        assert_eq!(of("10.0.0.1").endpoint().map(|e| e.to_string()).as_deref(), Some("10.0.0.1:15443"));
        assert_eq!(of("10.0.0.1:31443").endpoint().map(|e| e.to_string()).as_deref(), Some("10.0.0.1:31443"));
        assert_eq!(of("gateway.example:15443").endpoint(), None);
        assert_eq!(of("").place(), ("a", "b"));
    }
}
