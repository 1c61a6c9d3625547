//! Endpoints of a service as a caller's Envoy has them, against those that the topology demands.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One endpoint in Envoy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// `ADDRESS:PORT`.
    pub address: String,
    /// Whether Envoy would send a request there.
    pub healthy: bool,
    /// 0 is preferred.
    pub priority: u64,
    /// `region/zone/subzone`, as far as known.
    pub locality: String,
}

/// An endpoint that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `ADDRESS:PORT`.
    pub address: String,
    /// What it is, as "the pod of v1 in c1" or "the east-west gateway of c2".
    pub what: String,
}

/// Reads the endpoints of a service from the answer of Envoy's admin endpoint `/clusters?format=json`.
///
/// `host` is the service's full name, as `helloworld.sample.svc.cluster.local`.
#[must_use]
pub fn envoy_endpoints(clusters: &str, host: &str, port: u16) -> Vec<Endpoint> {
    let Ok(answer) = serde_json::from_str::<Value>(clusters) else { return Vec::new() };
    let name = format!("outbound|{port}||{host}");
    let statuses = answer["cluster_statuses"].as_array().into_iter().flatten();
    let hosts = statuses
        .filter(|c| c["name"] == name.as_str())
        .flat_map(|c| c["host_statuses"].as_array().into_iter().flatten());
    let mut endpoints: Vec<Endpoint> = hosts.map(endpoint).collect();
    endpoints.sort_by(|a, b| a.address.cmp(&b.address));
    endpoints
}

fn endpoint(host: &Value) -> Endpoint {
    let socket = &host["address"]["socket_address"];
    let health = &host["health_status"];
    let failed = ["failed_active_health_check", "failed_outlier_check", "pending_dynamic_removal"];
    let locality: Vec<&str> = ["region", "zone", "sub_zone"]
        .iter()
        .filter_map(|k| host["locality"][k].as_str())
        .filter(|s| !s.is_empty())
        .collect();
    Endpoint {
        address: format!("{}:{}", socket["address"].as_str().unwrap_or("?"), socket["port_value"]),
        healthy: health["eds_health_status"] == "HEALTHY" && failed.iter().all(|f| health[f] != true),
        priority: host["priority"].as_u64().unwrap_or(0),
        locality: locality.join("/"),
    }
}

/// How the endpoints found differ from those expected; empty when they agree and all are healthy.
#[must_use]
pub fn differences(found: &[Endpoint], expected: &[Expected]) -> Vec<String> {
    let missing = expected
        .iter()
        .filter(|e| !found.iter().any(|f| f.address == e.address))
        .map(|e| format!("{} is missing: {}", e.address, e.what));
    let sick = expected
        .iter()
        .filter(|e| found.iter().any(|f| f.address == e.address && !f.healthy))
        .map(|e| format!("{} is not healthy: {}", e.address, e.what));
    let extra = found
        .iter()
        .filter(|f| !expected.iter().any(|e| e.address == f.address))
        .map(|f| format!("{} should not be an endpoint", f.address));
    missing.chain(sick).chain(extra).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(address: &str) -> Expected {
        Expected { address: address.to_owned(), what: "the east-west gateway of c2".to_owned() }
    }

    #[test]
    fn reads_envoy_and_tells_differences() {
        let clusters = serde_json::json!({ "cluster_statuses": [
            { "name": "outbound|5000||other.sample.svc.cluster.local" },
            { "name": "outbound|5000||helloworld.sample.svc.cluster.local", "host_statuses": [
                { "address": { "socket_address": { "address": "10.1.0.5", "port_value": 5000 } },
                  "health_status": { "eds_health_status": "HEALTHY" }, "locality": { "region": "r1" } },
                { "address": { "socket_address": { "address": "172.30.255.20", "port_value": 15443 } },
                  "health_status": { "eds_health_status": "HEALTHY", "failed_outlier_check": true }, "priority": 1 },
            ] },
        ]});
        let found = envoy_endpoints(&clusters.to_string(), "helloworld.sample.svc.cluster.local", 5000);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].locality.as_str(), found[1].priority), ("r1", 1));
        let wrong = differences(&found, &[expected("172.30.255.20:15443"), expected("172.30.255.30:15443")]);
        assert_eq!(
            wrong,
            [
                "172.30.255.30:15443 is missing: the east-west gateway of c2",
                "172.30.255.20:15443 is not healthy: the east-west gateway of c2",
                "10.1.0.5:5000 should not be an endpoint",
            ]
        );
    }

    #[test]
    fn nonsense_is_no_endpoint() {
        assert!(envoy_endpoints("upstream connect error", "a", 1).is_empty());
        assert_eq!(differences(&[], &[]), Vec::<String>::new());
    }
}
