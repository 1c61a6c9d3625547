//! Endpoints of a service as a caller's Envoy has them, against those that the topology demands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Place, SourceVerdict};

/// One endpoint in Envoy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether outlier detection has taken it out for now.
    #[serde(default)]
    pub ejected: bool,
    /// Requests that Envoy sent there: during a check once [`since`] was applied, else since it knows the endpoint.
    #[serde(default)]
    pub requests: u64,
    /// Those of them that were answered with a status below 500, over the same time.
    #[serde(default)]
    pub answers: u64,
    /// Connections there that failed, over the same time.
    #[serde(default)]
    pub connect_failures: u64,
}

impl Endpoint {
    /// Requests that went there and were not answered, or with a status of 500 and above.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.requests.saturating_sub(self.answers)
    }

    /// That it answers nothing, in words.
    pub(super) fn answers_nothing(&self) -> String {
        let s = if self.requests == 1 { "" } else { "s" };
        format!("{} answered none of {} request{s}, and Envoy tried again elsewhere", self.address, self.requests)
    }
}

/// Endpoints to which requests went and which answered none of them, while others answered. Where nobody answers, nothing is counted that could tell:
/// Envoy counts answers of HTTP only.
pub fn silent(endpoints: &[Endpoint]) -> impl Iterator<Item = &Endpoint> {
    let counts = endpoints.iter().any(|e| e.answers > 0);
    endpoints.iter().filter(move |e| counts && e.requests > 0 && e.answers == 0)
}

/// The endpoints of a source that lead to these places.
pub fn reached<'a>(source: &'a SourceVerdict, places: &'a [Place]) -> impl Iterator<Item = &'a Endpoint> {
    source.endpoints.iter().filter(|e| places.iter().any(|p| p.address == e.address))
}

/// Whether calls of a source went to one of these places and none of them failed there, whatever became of those that went elsewhere.
#[must_use]
pub fn is_answered(source: &SourceVerdict, places: &[Place]) -> bool {
    let is_well =
        |e: &Endpoint| e.requests > 0 && e.connect_failures == 0 && (source.errors.is_empty() || e.unanswered() == 0);
    reached(source, places).any(is_well)
}

/// An endpoint that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `ADDRESS:PORT`.
    pub address: String,
    /// What it is, as "the pod of v1 in c1" or "the east-west gateway of c2".
    pub what: String,
    /// Its priority in Envoy, where the check says one.
    pub priority: Option<u64>,
}

/// Reads the endpoints of a service from the answer of Envoy's admin endpoint `/clusters?format=json`.
///
/// `host` is the service's full name, as `helloworld.sample.svc.cluster.local`. Counters and ejections are those of the service and of all
/// its subsets together (`outbound|PORT|SUBSET|HOST`): with a route to subsets, requests go by them.
#[must_use]
pub fn envoy_endpoints(clusters: &str, host: &str, port: u16) -> Vec<Endpoint> {
    let Ok(answer) = serde_json::from_str::<Value>(clusters) else { return Vec::new() };
    let (start, end) = (format!("outbound|{port}|"), format!("|{host}"));
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut subsets: Vec<Endpoint> = Vec::new();
    for cluster in answer["cluster_statuses"].as_array().into_iter().flatten() {
        let subset = cluster["name"].as_str().and_then(|n| n.strip_prefix(&start)?.strip_suffix(&end));
        let hosts = cluster["host_statuses"].as_array().into_iter().flatten().map(endpoint);
        match subset {
            Some("") => endpoints.extend(hosts),
            Some(_) => subsets.extend(hosts),
            None => {}
        }
    }
    for endpoint in &mut endpoints {
        for same in subsets.iter().filter(|s| s.address == endpoint.address) {
            endpoint.ejected |= same.ejected;
            endpoint.requests += same.requests;
            endpoint.answers += same.answers;
            endpoint.connect_failures += same.connect_failures;
        }
    }
    endpoints.sort_by(|a, b| a.address.cmp(&b.address));
    endpoints
}

/// Whether an Envoy knows a host at a port, with endpoints or without; from the same answer.
#[must_use]
pub fn knows_host(clusters: &str, host: &str, port: u16) -> bool {
    let name = format!("outbound|{port}||{host}");
    let answer: Value = serde_json::from_str(clusters).unwrap_or_default();
    answer["cluster_statuses"].as_array().is_some_and(|all| all.iter().any(|cluster| cluster["name"] == name.as_str()))
}

/// What was sent between two looks: the later endpoints with the difference of the counters. One that is new, or whose counters began
/// anew, has them whole.
#[must_use]
pub fn since(before: &[Endpoint], after: Vec<Endpoint>) -> Vec<Endpoint> {
    let difference = |mut endpoint: Endpoint| {
        if let Some(old) = before.iter().find(|b| b.address == endpoint.address) {
            let meanwhile = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
            endpoint.requests = meanwhile(endpoint.requests, old.requests);
            endpoint.answers = meanwhile(endpoint.answers, old.answers);
            endpoint.connect_failures = meanwhile(endpoint.connect_failures, old.connect_failures);
        }
        endpoint
    };
    after.into_iter().map(difference).collect()
}

/// `ADDRESS:PORT`, an IPv6 address in brackets.
#[must_use]
pub fn at_port(address: &str, port: impl std::fmt::Display) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// A counter of a host; Envoy leaves the value out when it is 0.
fn counter(host: &Value, name: &str) -> u64 {
    let of_that_name = |s: &&Value| s["name"] == name;
    let value = host["stats"].as_array().and_then(|stats| stats.iter().find(of_that_name)?["value"].as_str());
    value.and_then(|v| v.parse().ok()).unwrap_or(0)
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
        address: at_port(socket["address"].as_str().unwrap_or("?"), &socket["port_value"]),
        healthy: health["eds_health_status"] == "HEALTHY" && failed.iter().all(|f| health[f] != true),
        priority: host["priority"].as_u64().unwrap_or(0),
        locality: locality.join("/"),
        ejected: health["failed_outlier_check"] == true,
        requests: counter(host, "rq_total"),
        answers: counter(host, "rq_success"),
        connect_failures: counter(host, "cx_connect_fail"),
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
    let misplaced = expected.iter().filter_map(|e| {
        let (wanted, found) = (e.priority?, found.iter().find(|f| f.address == e.address)?);
        (found.priority != wanted)
            .then(|| format!("{} has priority {}, not {wanted}: {}", e.address, found.priority, e.what))
    });
    let extra = found
        .iter()
        .filter(|f| !expected.iter().any(|e| e.address == f.address))
        .map(|f| format!("{} should not be an endpoint", f.address));
    missing.chain(sick).chain(misplaced).chain(extra).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(address: &str) -> Expected {
        Expected { address: address.to_owned(), what: "the east-west gateway of c2".to_owned(), priority: None }
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
    fn counts_what_was_sent_meanwhile_by_all_subsets() {
        let host = |requests: &str, failures: &str, ejected: bool| {
            serde_json::json!({ "address": { "socket_address": { "address": "10.1.0.5", "port_value": 5000 } },
                "health_status": { "eds_health_status": "HEALTHY", "failed_outlier_check": ejected },
                "stats": [{ "name": "cx_connect_fail", "value": failures }, { "name": "rq_error" },
                    { "name": "rq_success", "value": requests }, { "name": "rq_total", "value": requests }] })
        };
        let clusters = |plain, subset| {
            let answer = serde_json::json!({ "cluster_statuses": [
                { "name": "outbound|5000||h.sample.svc.cluster.local", "host_statuses": [plain] },
                { "name": "outbound|5000|v1|h.sample.svc.cluster.local", "host_statuses": [subset] },
                { "name": "outbound|5001||h.sample.svc.cluster.local", "host_statuses": [host("9", "9", true)] },
            ]});
            envoy_endpoints(&answer.to_string(), "h.sample.svc.cluster.local", 5000)
        };
        let before = clusters(host("3", "0", false), host("4", "1", false));
        assert_eq!((before[0].requests, before[0].connect_failures, before[0].ejected), (7, 1, false));
        let after = since(&before, clusters(host("3", "0", false), host("14", "3", true)));
        assert_eq!((after[0].requests, after[0].connect_failures, after[0].ejected), (10, 2, true));
        assert_eq!((before[0].answers, after[0].answers), (7, 10));
        let anew = since(&before, clusters(host("2", "0", false), host("0", "0", false)));
        assert_eq!(anew[0].requests, 2, "an Envoy that restarted counts from 0");
    }

    #[test]
    fn a_priority_that_differs_is_told() {
        let endpoint = Endpoint { address: "a:1".into(), healthy: true, priority: 1, ..Endpoint::default() };
        let mut wanted = expected("a:1");
        wanted.priority = Some(0);
        assert_eq!(differences(&[endpoint], &[wanted]), ["a:1 has priority 1, not 0: the east-west gateway of c2"]);
    }

    #[test]
    fn an_endpoint_that_answers_is_well_though_calls_fail_elsewhere() {
        let endpoint = |address: &str, requests, answers| Endpoint {
            address: address.to_owned(),
            requests,
            answers,
            ..Endpoint::default()
        };
        let source = SourceVerdict {
            errors: [("status 503".to_owned(), 10)].into(),
            endpoints: vec![endpoint("10.102.0.6:5001", 10, 0), endpoint("172.30.255.20:15443", 10, 10)],
            ..SourceVerdict::default()
        };
        let place = |address: &str| [Place { address: address.to_owned(), ..Place::default() }];
        assert!(is_answered(&source, &place("172.30.255.20:15443")));
        assert!(!is_answered(&source, &place("10.102.0.6:5001")));
        assert!(!is_answered(&source, &place("10.9.9.9:5000")));
        let quiet = SourceVerdict { errors: std::collections::BTreeMap::new(), ..source };
        assert!(is_answered(&quiet, &place("10.102.0.6:5001")), "Envoy counts answers of HTTP only");
    }

    #[test]
    fn an_ipv6_endpoint_is_told_apart_from_its_port() {
        let clusters = serde_json::json!({ "cluster_statuses": [{ "name": "outbound|5000||a", "host_statuses": [
            { "address": { "socket_address": { "address": "fd00::ac1e:ff14", "port_value": 15443 } } } ] }] });
        let found = envoy_endpoints(&clusters.to_string(), "a", 5000);
        let gateway: std::net::SocketAddr = "[fd00::172.30.255.20]:15443".parse().expect("an address");
        assert_eq!(found[0].address, gateway.to_string());
    }

    #[test]
    fn a_host_without_endpoints_is_known() {
        let clusters = serde_json::json!({ "cluster_statuses": [{ "name": "outbound|80||a.example" }] }).to_string();
        assert!(knows_host(&clusters, "a.example", 80) && envoy_endpoints(&clusters, "a.example", 80).is_empty());
        assert!(!knows_host(&clusters, "a.example", 81) && !knows_host("upstream connect error", "a.example", 80));
    }

    #[test]
    fn nonsense_is_no_endpoint() {
        assert!(envoy_endpoints("upstream connect error", "a", 1).is_empty());
        assert_eq!(differences(&[], &[]), Vec::<String>::new());
    }
}
