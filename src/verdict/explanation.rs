//! One call, hop by hop, until the first that is broken; and who answered it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Endpoint, Finding, Reply, words};

/// What one call from one cluster to another goes through, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The lab.
    pub lab: String,
    /// The calling cluster.
    pub from: String,
    /// The cluster that must answer, or the host that is called.
    pub to: String,
    /// What is called, as `helloworld.sample:5000/hello`; of a host, its URL.
    pub service: String,
    /// What was looked at, in the order in which causes precede each other; the last is the broken one, if any is.
    pub hops: Vec<Hop>,
    /// What requests came back with, if any were sent.
    pub answered: Option<Answered>,
}

/// One thing that a call needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// Whether a host is called rather than a service: a host has a dot, and a cluster has none.
    #[must_use]
    pub fn is_of_host(&self) -> bool {
        self.to.contains('.')
    }

    /// What is wrong, if anything is.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        self.hops.iter().find_map(|h| h.finding.as_ref())
    }
}

/// A pod that may answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub pod: String,
    /// Its label `version`.
    pub version: Option<String>,
    /// The endpoint by which the caller's Envoy reaches it: its own, or its network's gateway.
    pub address: String,
}

/// What a series of requests came back with, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// Requests sent.
    pub requests: u32,
    /// What was no failure: by version, where an answer names one.
    pub answers: BTreeMap<String, u32>,
    /// All others, by reason.
    pub failures: BTreeMap<String, u32>,
    /// Answers by the cluster that gave them, as far as that can be told: by the name of a pod in the answer, by a version that one cluster
    /// alone has, or by what the caller's Envoy sent where.
    pub clusters: BTreeMap<String, u32>,
    /// Requests that were not answered, by the cluster to whose endpoint they went. Nothing where that cannot be told.
    pub unanswered: BTreeMap<String, u64>,
    /// Connections to its endpoints that failed meanwhile, by address: Envoy tries again elsewhere, and the caller notices nothing.
    pub failed_connects: BTreeMap<String, u64>,
    /// Whether all failures are an app's own: it was reached, and says so itself.
    pub is_app: bool,
}

impl Answered {
    /// Reads the replies. `endpoints` are the caller's, with what was sent there meanwhile.
    #[must_use]
    pub fn of(replies: &[Reply], places: &[Place], endpoints: &[Endpoint]) -> Self {
        let mut seen = Self { requests: u32::try_from(replies.len()).unwrap_or(u32::MAX), ..Self::default() };
        let mut unknown = false;
        let mut is_app = true;
        for reply in replies {
            if !reply.is_reached() {
                *seen.failures.entry(reply.reason()).or_default() += 1;
                is_app &= is_of_app(reply);
                continue;
            }
            *seen.answers.entry(reply.said()).or_default() += 1;
            match cluster_of(reply, places) {
                Some(cluster) => *seen.clusters.entry(cluster.to_owned()).or_default() += 1,
                None => unknown = true,
            }
        }
        seen.is_app = is_app && !seen.failures.is_empty();
        let connects = endpoints.iter().filter(|e| e.connect_failures > 0);
        seen.failed_connects = connects.map(|e| (e.address.clone(), e.connect_failures)).collect();
        let cluster_at = |e: &Endpoint| places.iter().find(|p| p.address == e.address).map(|p| p.cluster.clone());
        if !seen.failures.is_empty() && endpoints.iter().any(|e| e.answers > 0) {
            for endpoint in endpoints.iter().filter(|e| e.unanswered() > 0) {
                let Some(cluster) = cluster_at(endpoint) else { continue };
                *seen.unanswered.entry(cluster).or_default() += endpoint.unanswered();
            }
        }
        // Requests that failed went somewhere too, so Envoy's counters tell who answers only where none did.
        if unknown && seen.failures.is_empty() {
            seen.clusters.clear();
            for endpoint in endpoints.iter().filter(|e| e.requests > 0) {
                let Some(cluster) = cluster_at(endpoint) else { continue };
                *seen.clusters.entry(cluster).or_default() += u32::try_from(endpoint.requests).unwrap_or(u32::MAX);
            }
        }
        seen
    }

    /// Whether requests were sent, each was answered, and no connection failed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.requests > 0 && self.failures.is_empty() && self.failed_connects.is_empty()
    }

    /// Whether a cluster gave any of the answers.
    #[must_use]
    pub fn is_from(&self, cluster: &str) -> bool {
        self.clusters.contains_key(cluster)
    }

    /// What came back, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let parts = [&self.answers, &self.failures].into_iter().filter(|c| !c.is_empty());
        let what: Vec<String> = parts.map(words::counts).collect();
        let what = what.join(", ");
        let mut who = by_cluster("answered by", &self.clusters);
        who.push_str(&by_cluster("not answered by", &self.unanswered));
        let failed = self.failed_connects.iter().map(|(address, n)| format!("; {n} connects to {address} failed"));
        format!("{} requests: {what}{who}{}", self.requests, failed.collect::<String>())
    }
}

/// `; answered by c1 2, c2 1`; of nothing, nothing.
fn by_cluster<N: std::fmt::Display>(what: &str, counts: &BTreeMap<String, N>) -> String {
    let all: Vec<String> = counts.iter().map(|(cluster, count)| format!("{cluster} {count}")).collect();
    if all.is_empty() { String::new() } else { format!("; {what} {}", all.join(", ")) }
}

/// The cluster whose pod gave a reply, as the reply itself tells.
fn cluster_of<'a>(reply: &Reply, places: &'a [Place]) -> Option<&'a str> {
    let named = places.iter().find(|p| !p.pod.is_empty() && reply.body.contains(&p.pod));
    if let Some(place) = named {
        return Some(&place.cluster);
    }
    let version = reply.version()?;
    let mut clusters = places.iter().filter(|p| p.version.as_deref() == Some(version)).map(|p| p.cluster.as_str());
    let first = clusters.next()?;
    clusters.all(|c| c == first).then_some(first)
}

/// The status of gRPC that Envoy gives a call which nobody answers.
const UNAVAILABLE: u8 = 14;

/// Whether a failure is the app's own answer. What an Envoy answers in its place is none, nor what an Envoy beside it says.
fn is_of_app(reply: &Reply) -> bool {
    let is_told = |text: &str| text.starts_with("RBAC:");
    let by_envoy = match &reply.grpc {
        Some((UNAVAILABLE, _)) => true,
        Some((_, message)) => is_told(message),
        None => matches!(reply.status, 0 | 502..=504) || is_told(&reply.body),
    };
    // Envoy adds the first to what it has from elsewhere, and the second to whatever it reads as HTTP. What it passes on as bytes has neither.
    let passed_on = || !reply.headers.get("server").into_iter().flatten().any(|server| server.ends_with("envoy"));
    !by_envoy && (reply.headers.contains_key("x-envoy-upstream-service-time") || passed_on())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        let headers = [("x-envoy-upstream-service-time".to_owned(), vec!["1".to_owned()])].into();
        Reply { status, body: body.to_owned(), headers, ..Reply::default() }
    }

    fn places() -> Vec<Place> {
        let place = |cluster: &str, version: &str, address: &str| Place {
            cluster: cluster.to_owned(),
            pod: format!("web-{version}-{cluster}"),
            version: Some(version.to_owned()),
            address: address.to_owned(),
        };
        vec![
            place("c1", "v1", "10.1.0.5:5000"),
            place("c2", "v2", "172.30.255.20:15443"),
            place("c2", "v1", "172.30.255.20:15443"),
        ]
    }

    #[test]
    fn some_answers_are_not_all() {
        let replies: Vec<Reply> = (0..20)
            .map(|n| if n < 2 { reply(200, "Hello version: v2, instance: x") } else { reply(503, "no") })
            .collect();
        let seen = Answered::of(&replies, &places(), &[]);
        assert!(!seen.is_well() && !seen.is_app && seen.is_from("c2"), "{seen:?}");
        assert_eq!(seen.in_words(), "20 requests: 2 x v2, 18 x status 503: no; answered by c2 2");
        assert!(!Answered::of(&[], &places(), &[]).is_well(), "nothing sent is nothing answered");
    }

    #[test]
    fn who_answers_is_told_by_pod_by_version_or_by_what_envoy_sent() {
        let by_pod = Answered::of(&[reply(200, "Hello version: v1, instance: web-v1-c2")], &places(), &[]);
        assert_eq!(by_pod.clusters, BTreeMap::from([("c2".to_owned(), 1)]));
        let by_version = Answered::of(&[reply(200, "Hello version: v2, instance: x")], &places(), &[]);
        assert!(by_version.is_from("c2"));
        let endpoint =
            |address: &str, requests| Endpoint { address: address.to_owned(), requests, ..Endpoint::default() };
        let endpoints = [endpoint("10.1.0.5:5000", 0), endpoint("172.30.255.20:15443", 3)];
        let any = Answered::of(&vec![reply(200, "<html>"); 3], &places(), &endpoints);
        assert_eq!(any.in_words(), "3 requests: 3 x status 200; answered by c2 3");
        assert!(any.is_well() && !any.is_from("c1"));
        let failing = Endpoint { connect_failures: 2, ..endpoints[1].clone() };
        let hidden = Answered::of(&[reply(200, "<html>")], &places(), &[failing]);
        assert!(!hidden.is_well() && hidden.in_words().ends_with("; 2 connects to 172.30.255.20:15443 failed"));
    }

    #[test]
    fn who_does_not_answer_is_told_by_what_envoy_counts() {
        let endpoint = |address: &str, requests, answers| Endpoint {
            address: address.to_owned(),
            requests,
            answers,
            ..Endpoint::default()
        };
        let endpoints = [endpoint("10.1.0.5:5000", 2, 0), endpoint("172.30.255.20:15443", 1, 1)];
        let replies = [reply(503, "no"), reply(200, "Hello version: v2, instance: x"), reply(503, "no")];
        let seen = Answered::of(&replies, &places(), &endpoints);
        assert_eq!(seen.unanswered, BTreeMap::from([("c1".to_owned(), 2)]));
        assert!(seen.in_words().ends_with("; answered by c2 1; not answered by c1 2"), "{}", seen.in_words());
    }

    #[test]
    fn an_app_that_says_no_was_reached() {
        assert!(Answered::of(&[reply(404, "not found")], &places(), &[]).is_app);
        assert!(!Answered::of(&[reply(403, "RBAC: access denied")], &places(), &[]).is_app);
        let by_envoy = [("server".to_owned(), vec!["envoy".to_owned()])].into();
        let local = Reply { status: 404, headers: by_envoy, ..Reply::default() };
        assert!(
            Answered::of(&[Reply { status: 403, ..Reply::default() }], &places(), &[]).is_app,
            "passed on as bytes"
        );
        let grpc = |status| Reply { grpc: Some((status, String::new())), ..reply(200, "") };
        assert!(Answered::of(&[grpc(12)], &places(), &[]).is_app && !Answered::of(&[grpc(14)], &places(), &[]).is_app);
        assert!(!Answered::of(&[reply(404, "not found"), local], &places(), &[]).is_app);
    }
}
