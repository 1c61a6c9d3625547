//! One request, followed through the proxies on its way by what they wrote of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{AccessLine, Reply};

/// A request with everything that proxies wrote of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The lab.
    pub lab: String,
    /// The calling cluster.
    pub from: String,
    /// Who called there, as `sample/sleep`.
    pub caller: String,
    /// What was called, as `helloworld.sample:5000/hello`.
    pub service: String,
    /// The request's identifier (`x-request-id`).
    pub id: String,
    /// HTTP status that the caller got; 0 without an answer.
    pub status: u16,
    /// What the caller's program says about a failure; empty if there was none.
    pub error: String,
    /// Microseconds that the caller waited.
    pub micros: u64,
    /// What each proxy did, in the order in which the request came to it.
    pub spans: Vec<Span>,
}

/// What one proxy did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// What the proxy was to the request.
    pub role: Role,
    /// Its cluster.
    pub cluster: String,
    /// Its pod, as `sample/sleep-1`.
    pub pod: String,
    /// Microseconds since the request came to the first proxy. A connection may be older.
    pub start: i64,
    /// Microseconds that it took; of a connection, nothing.
    pub micros: Option<u64>,
    /// HTTP status that went back through it.
    pub status: Option<u16>,
    /// How often it sent the request on.
    pub tries: Option<u64>,
    /// Whom it sent the request to, `ADDRESS:PORT`.
    pub to: Option<String>,
    /// Whose address that is.
    pub to_whom: Option<String>,
    /// By whose certificate the request came.
    pub identity: Option<String>,
    /// What it did about the request itself, rather than pass it on: in words, with Envoy's own.
    pub said: Option<String>,
}

/// What a proxy is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The sidecar of who calls, or a gateway that reads requests.
    Caller,
    /// A gateway that passes connections on without reading them.
    Gateway,
    /// The sidecar of who is called.
    Callee,
}

impl Role {
    /// As users read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Gateway => "gateway",
            Self::Callee => "callee",
        }
    }
}

/// A proxy's line, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The proxy's cluster.
    pub cluster: String,
    /// The proxy's pod, as `sample/sleep-1`.
    pub pod: String,
    /// What it wrote.
    pub line: AccessLine,
}

/// Whose addresses are which: by network, since networks may have the same ones. Under no network are those that every network reaches.
pub type Known = BTreeMap<(Option<String>, String), String>;

/// Whether all is there that a request leaves behind: the line of who sent it and, where that was answered by another, the line of who served it, with
/// that of the gateway between them.
#[must_use]
pub fn is_whole(id: &str, lines: &[Logged]) -> bool {
    let sent: Vec<&Logged> = lines.iter().filter(|l| l.line.is_of(id) && !l.line.is_inbound()).collect();
    let served: Vec<&Logged> = lines.iter().filter(|l| l.line.is_of(id) && l.line.is_inbound()).collect();
    let comes_from = |callee: &&Logged| lines.iter().any(|l| l.line.from.is_some() && l.line.from == callee.line.peer);
    let is_passed_on = sent.iter().any(|l| l.line.details.as_deref() == Some("via_upstream"));
    !sent.is_empty() && served.iter().all(comes_from) && !(is_passed_on && served.is_empty())
}

/// Puts what proxies wrote of a request in order. `networks` are the networks of clusters.
#[must_use]
pub fn spans(id: &str, lines: &[Logged], networks: &BTreeMap<String, String>, known: &Known) -> Vec<Span> {
    let mut chosen: Vec<(Role, &Logged)> = Vec::new();
    for logged in lines.iter().filter(|l| l.line.is_of(id)) {
        chosen.push((if logged.line.is_inbound() { Role::Callee } else { Role::Caller }, logged));
    }
    let begin = chosen.iter().map(|(_, l)| l.line.at).min().unwrap_or(0);
    let callees: Vec<&Logged> = chosen.iter().filter(|(role, _)| *role == Role::Callee).map(|(_, l)| *l).collect();
    for callee in callees {
        let is_between = |l: &&Logged| l.line.id.is_none() && l.line.from.is_some() && l.line.from == callee.line.peer;
        // A port is used again, so the last connection is the one.
        let between = lines.iter().filter(is_between).max_by_key(|l| l.line.at);
        let place = chosen.iter().position(|(_, l)| std::ptr::eq(*l, callee)).unwrap_or(chosen.len());
        if let Some(gateway) = between.filter(|g| !chosen.iter().any(|(_, l)| std::ptr::eq(*l, *g))) {
            chosen.insert(place, (Role::Gateway, gateway));
        }
    }
    // A gateway's line tells when its connection began; its place is before the one that it leads to.
    let order = |(role, logged): &(Role, &Logged)| {
        let leads_to = chosen.iter().filter(|(_, l)| l.line.peer.is_some() && l.line.peer == logged.line.from);
        match role {
            Role::Gateway => (leads_to.map(|(_, l)| l.line.at).min().unwrap_or(logged.line.at), *role),
            _ => (logged.line.at, *role),
        }
    };
    let mut ordered: Vec<_> = chosen.iter().map(|one| (order(one), *one)).collect();
    ordered.sort_by_key(|(order, _)| *order);
    ordered.into_iter().map(|(_, (role, logged))| span(role, logged, begin, networks, known)).collect()
}

fn span(role: Role, logged: &Logged, begin: i64, networks: &BTreeMap<String, String>, known: &Known) -> Span {
    let line = &logged.line;
    let to_whom = line.to.as_ref().filter(|_| role != Role::Callee).and_then(|to| {
        let host = to.rsplit_once(':').map_or(to.as_str(), |(host, _)| host);
        let of_network = || known.get(&(networks.get(&logged.cluster).cloned(), host.to_owned()));
        known.get(&(None, to.clone())).or_else(of_network).cloned()
    });
    Span {
        role,
        cluster: logged.cluster.clone(),
        pod: logged.pod.clone(),
        start: line.at - begin,
        micros: line.micros,
        status: line.status,
        tries: line.tries.filter(|t| *t > 1),
        to: line.to.clone().filter(|_| role != Role::Callee),
        to_whom,
        identity: line.identity.clone(),
        said: said(line),
    }
}

/// What Envoy did itself, in words.
fn said(line: &AccessLine) -> Option<String> {
    let flags = line.flags.iter().flat_map(|f| f.split(',')).map(|f| match meaning(f) {
        Some(words) => format!("{words} ({f})"),
        None => f.to_owned(),
    });
    let details = line.details.clone().filter(|d| d != "via_upstream" && line.id.is_some());
    let all: Vec<String> = flags.chain(details).chain(line.failure.clone()).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What a flag of Envoy's access log means, from its documentation of `%RESPONSE_FLAGS%`.
fn meaning(flag: &str) -> Option<&'static str> {
    Some(match flag {
        "UH" => "no healthy endpoint",
        "UF" => "no connection to the endpoint",
        "UO" => "too many requests at once for a circuit breaker",
        "NR" => "no route for it",
        "NC" => "no such cluster in Envoy",
        "URX" => "tried as often as allowed",
        "UC" => "the endpoint closed the connection",
        "UT" => "the endpoint did not answer in time",
        "UR" => "the endpoint reset the stream",
        "LR" => "the stream was reset here",
        "DC" => "the caller went before the answer",
        "DT" => "the caller's time was over",
        "DI" => "delayed on purpose",
        "FI" => "failed on purpose",
        "RL" => "over the rate limit",
        "UAEX" => "denied by an external authorizer",
        "UPE" => "the endpoint did not speak HTTP as it must",
        _ => return None,
    })
}

impl Trace {
    /// Puts together what the caller got and what proxies wrote.
    #[must_use]
    pub fn of(reply: &Reply, spans: Vec<Span>, call: TracedRequest) -> Self {
        let TracedRequest { lab, from, caller, service, id } = call;
        let (status, error, micros) = (reply.status, reply.error.clone(), reply.micros);
        Self { lab, from, caller, service, id, status, error, micros, spans }
    }

    /// Whether the caller got an answer with a status below 400.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        (1..400).contains(&self.status)
    }

    /// Who gave the answer, or how far the request came.
    #[must_use]
    pub fn conclusion(&self) -> String {
        let whole = self.spans.iter().filter(|s| s.role == Role::Callee && s.said.is_none() && s.status.is_some());
        let answered: Vec<String> = whole.map(|s| format!("{} in {}", s.pod, s.cluster)).collect();
        let stopped = self.spans.iter().rev().find(|s| s.said.is_some());
        match (answered.as_slice(), stopped, self.spans.last()) {
            (_, _, None) => "no proxy wrote anything of it".to_owned(),
            ([], Some(span), _) => format!(
                "it came as far as the {} of {} in {}: {}",
                if span.role == Role::Gateway { "gateway" } else { "sidecar" },
                span.pod,
                span.cluster,
                span.said.as_deref().unwrap_or_default()
            ),
            ([], None, Some(last)) => format!("it was last seen at {} in {}", last.pod, last.cluster),
            (all, _, _) => format!("answered by {}", all.join(" and ")),
        }
    }
}

/// Which request is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedRequest {
    /// The lab.
    pub lab: String,
    /// The calling cluster.
    pub from: String,
    /// Who calls there, as `sample/sleep`.
    pub caller: String,
    /// What is called.
    pub service: String,
    /// Its identifier.
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";

    fn logged(cluster: &str, pod: &str, line: AccessLine) -> Logged {
        Logged { cluster: cluster.into(), pod: pod.into(), line }
    }

    fn sent(to: &str, details: &str) -> Logged {
        logged(
            "c1",
            "sample/sleep-1",
            AccessLine {
                at: 1_000,
                micros: Some(5_000),
                id: Some(ID.into()),
                status: Some(200),
                details: Some(details.into()),
                cluster: Some("outbound|5000||helloworld.sample.svc.cluster.local".into()),
                to: Some(to.into()),
                from: Some("10.1.0.2:700".into()),
                ..AccessLine::default()
            },
        )
    }

    fn served(peer: &str) -> Logged {
        logged(
            "c2",
            "sample/helloworld-2",
            AccessLine {
                at: 2_000,
                micros: Some(3_000),
                id: Some(ID.into()),
                status: Some(200),
                details: Some("via_upstream".into()),
                cluster: Some("inbound|5000||".into()),
                to: Some("10.1.0.7:5000".into()),
                peer: Some(peer.into()),
                ..AccessLine::default()
            },
        )
    }

    fn connection(at: i64, to: &str) -> Logged {
        let (from, to) = (Some("10.1.0.4:900".to_owned()), Some(to.to_owned()));
        logged("c2", "istio-system/gateway-1", AccessLine { at, from, to, ..AccessLine::default() })
    }

    fn order(lines: &[Logged]) -> Vec<(&'static str, String, Option<String>)> {
        let networks = [("c1".to_owned(), "n1".to_owned()), ("c2".to_owned(), "n2".to_owned())].into();
        let known = [
            ((None, "172.30.0.9:15443".to_owned()), "the east-west gateway of c2".to_owned()),
            // The same address in both networks.
            ((Some("n1".to_owned()), "10.1.0.7".to_owned()), "another pod".to_owned()),
            ((Some("n2".to_owned()), "10.1.0.7".to_owned()), "sample/helloworld-2".to_owned()),
        ]
        .into();
        spans(ID, lines, &networks, &known).into_iter().map(|s| (s.role.word(), s.cluster, s.to_whom)).collect()
    }

    #[test]
    fn a_request_is_followed_through_the_gateway_whose_connection_it_took() {
        let lines = [
            served("10.1.0.4:900"),
            // The same port earlier, to somebody else.
            connection(-9_000_000, "10.1.0.8:5000"),
            connection(-500_000, "10.1.0.7:5000"),
            sent("172.30.0.9:15443", "via_upstream"),
        ];
        assert!(is_whole(ID, &lines));
        assert_eq!(
            order(&lines),
            [
                ("caller", "c1".into(), Some("the east-west gateway of c2".into())),
                ("gateway", "c2".into(), Some("sample/helloworld-2".into())),
                ("callee", "c2".into(), None),
            ]
        );
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for() {
        assert!(!is_whole(ID, &[]));
        let sent = sent("172.30.0.9:15443", "via_upstream");
        assert!(!is_whole(ID, std::slice::from_ref(&sent)));
        assert!(!is_whole(ID, &[sent.clone(), served("10.1.0.4:900")]), "the gateway's line is missing");
        assert!(is_whole(ID, &[sent, served("10.1.0.2:700")]), "without a gateway there is none");
    }

    #[test]
    fn what_a_proxy_answers_itself_is_said_in_words() {
        let mut refused = sent("172.30.0.9:15443", "upstream_reset_before_response_started");
        (refused.line.status, refused.line.flags) = (Some(503), Some("UF,URX".into()));
        assert!(is_whole(ID, std::slice::from_ref(&refused)));
        let spans = spans(ID, &[refused], &BTreeMap::new(), &Known::new());
        let [lab, from, caller, service] = ["two", "c1", "sample/sleep", "helloworld.sample:5000/"].map(str::to_owned);
        let call = TracedRequest { lab, from, caller, service, id: ID.into() };
        let trace = Trace::of(&Reply { status: 503, ..Reply::default() }, spans, call);
        assert_eq!(
            trace.conclusion(),
            "it came as far as the sidecar of sample/sleep-1 in c1: no connection to the endpoint (UF); tried as often as allowed (URX); upstream_reset_before_response_started"
        );
        assert!(!trace.is_answered());
    }
}
