//! A request of the user's own: is what came back what was expected?

use std::collections::BTreeMap;

use super::reply::without_numbers;
use super::weights::{counts_within_chance, requests_for_weights};
use super::{CallCheck, Endpoint, Measure, OUTSIDE, Reply, SourceVerdict, requests_needed};
use crate::scenario::{Answers, Expect, RequestCheck, ServiceUrl, Through, Who};

/// Most characters of a header in a message.
const LONGEST: usize = 120;

/// What was seen from one source.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What the requests came back with, in order.
    pub replies: Vec<Reply>,
    /// The caller's endpoints afterwards, with what was sent there.
    pub endpoints: Vec<Endpoint>,
    /// Copies of the requests that the service which gets them has answered, where the check names one; none if no Envoy beside the caller counts them.
    pub copies: Option<u64>,
    /// Why no request could be sent, if so.
    pub broken: Option<String>,
}

/// Requests that each source must send: as many as the check says, and as many as its judgement needs.
///
/// `versions` is how many versions of helloworld there are. Where only some clusters may answer, so many are sent that any other one that
/// took part equally would be seen.
#[must_use]
pub fn requests_for(check: &RequestCheck, versions: usize) -> u32 {
    let sources = check.from.len();
    let needed = match &check.expect {
        // Another version that took part as much as a single one that must answer would be seen as well.
        Expect::Answers(Answers { who: Who::Versions(expected), .. }) => {
            requests_needed(expected.len().max(2), sources)
        }
        Expect::Answers(Answers { who: Who::Weights(weights), .. }) => requests_for_weights(weights, sources),
        Expect::Answers(Answers { who: Who::Clusters(_), .. }) => requests_needed(versions, sources),
        _ => 1,
    };
    needed.max(check.times)
}

/// What reports call a request check.
#[must_use]
pub fn request_title(check: &RequestCheck) -> String {
    let way = check.through.words();
    check.name.as_ref().map_or_else(|| format!("request {}{way}", check.called()), |name| format!("request {name}"))
}

/// Why a reply is a failed request; `None` for one as it was expected, whoever answered.
#[must_use]
pub fn request_failure(expect: &Expect, reply: &Reply) -> Option<String> {
    match expect {
        Expect::Denied { reason } => {
            if reply.is_answer() {
                return Some(format!("answered with {}", reply.reason()));
            }
            // Everything that a user sees of the failure: curl's words, the status, the body.
            let said = format!("{}\nstatus {}\n{}\n{}", reply.error, reply.status, reply.body, reply.reason());
            let other = reason.as_ref().is_some_and(|reason| !said.contains(reason));
            other.then(|| format!("denied for another reason: {}", reply.reason()))
        }
        Expect::Answers(expect) => unlike(expect, reply).or_else(|| too_soon(expect, reply)),
    }
}

fn unlike(expect: &Answers, reply: &Reply) -> Option<String> {
    if reply.status != expect.status || reply.status == 0 && !reply.is_answer() {
        return Some(reply.reason());
    }
    if let Some(wanted) = expect.grpc_status {
        match &reply.grpc {
            None => return Some(format!("status {}, but no status of gRPC came", reply.status)),
            Some((status, _)) if *status != wanted => return Some(reply.reason()),
            Some(_) => {}
        }
    }
    let came = if reply.status == 0 { "answered".to_owned() } else { format!("status {}", reply.status) };
    // An answer that breaks off begins well.
    if !reply.error.is_empty() {
        return Some(format!("{came}, and then: {}", without_numbers(&reply.error)));
    }
    if let Some(bytes) = expect.body_bytes.map(u64::from).filter(|bytes| *bytes != reply.bytes) {
        return Some(format!("{came}, but the body has {} bytes rather than {bytes}", reply.bytes));
    }
    if let Some(text) = expect.body.as_ref().filter(|text| !reply.body.contains(text.as_str())) {
        return Some(format!("{came}, but the body does not contain `{text}`"));
    }
    for (name, text) in &expect.headers {
        match reply.headers.get(&name.to_ascii_lowercase()) {
            None => return Some(format!("{came}, but there is no header `{name}`")),
            Some(values) if !values.iter().any(|v| v.contains(text.as_str())) => {
                let values = values.join("`, `").chars().take(LONGEST).collect::<String>();
                return Some(format!("{came}, but header `{name}` is `{values}`"));
            }
            Some(_) => {}
        }
    }
    (expect.who != Who::Anybody && reply.version().is_none())
        .then(|| format!("{came}, but the answer names no version"))
}

/// Whether what has come over a connection is all that is expected, so that nothing more needs to be waited for.
#[must_use]
pub fn is_all_said(expect: &Expect, said: &str) -> bool {
    match expect {
        Expect::Denied { .. } => !said.is_empty(),
        Expect::Answers(Answers { body, who, .. }) => {
            // A version is whole when something comes after it.
            let names = |(_, rest): (&str, &str)| rest.contains([',', '\n', ' ']);
            !said.is_empty()
                && body.as_ref().is_none_or(|text| said.contains(text.as_str()))
                && (*who == Who::Anybody || said.split_once("version: ").is_some_and(names))
        }
    }
}

fn too_soon(expect: &Answers, reply: &Reply) -> Option<String> {
    let least = expect.at_least.filter(|least| reply.micros < least * 1000)?;
    Some(format!("status {} before {least} ms were over", reply.status))
}

/// Judges one source. `versions` is cluster and version of every helloworld; `requests` is what [`requests_for`] said.
#[must_use]
pub fn request(
    check: &RequestCheck,
    cluster: &str,
    versions: &[(&str, &str)],
    requests: u32,
    seen: Seen,
) -> SourceVerdict {
    let mut verdict = SourceVerdict {
        check: request_title(check),
        kind: CallCheck::Request,
        cluster: cluster.to_owned(),
        caller: match check.through {
            Through::Mesh => format!("{}/{}", check.caller.namespace, check.caller.app),
            Through::Ingress | Through::LoadBalancer => OUTSIDE.to_owned(),
        },
        requests: u32::try_from(seen.replies.len()).unwrap_or(u32::MAX),
        endpoints: seen.endpoints,
        ..SourceVerdict::default()
    };
    for reply in &seen.replies {
        if let Some(failure) = request_failure(&check.expect, reply) {
            *verdict.errors.entry(failure).or_default() += 1;
            verdict.failures += 1;
        } else if let Expect::Denied { .. } = check.expect {
            *verdict.denials.entry(reply.reason()).or_default() += 1;
        } else if let Some(version) = reply.version() {
            *verdict.versions.entry(version.to_owned()).or_default() += 1;
        }
    }
    if let Expect::Answers(expect) = &check.expect {
        verdict.allowed_failures = expect.failures;
        judge_versions(&mut verdict, expect, versions, check.from.len());
        judge_time(&mut verdict, expect, &seen.replies);
        if seen.broken.is_none() {
            judge_copies(&mut verdict, expect, seen.copies);
        }
        if expect.ejected && !verdict.endpoints.iter().any(|e| e.ejected) {
            verdict.problems.push("outlier detection has ejected no endpoint in the caller's Envoy".to_owned());
        }
    }
    let is_broken = seen.broken.is_some();
    if let Some(broken) = seen.broken {
        verdict.errors.insert(broken, 1);
    } else if verdict.requests < requests && verdict.failures <= verdict.allowed_failures {
        verdict.problems.push(format!("only {} of {requests} requests were sent", verdict.requests));
    }
    verdict.passed = !is_broken
        && verdict.failures <= verdict.allowed_failures
        && verdict.missing.is_empty()
        && verdict.unexpected.is_empty()
        && verdict.problems.is_empty();
    verdict
}

fn judge_versions(verdict: &mut SourceVerdict, expect: &Answers, versions: &[(&str, &str)], sources: usize) {
    match &expect.who {
        Who::Anybody => return,
        Who::Versions(expected) => {
            verdict.expected.clone_from(expected);
            verdict.missing = expected.iter().filter(|v| !verdict.versions.contains_key(*v)).cloned().collect();
        }
        Who::Clusters(clusters) => {
            let of_these = versions.iter().filter(|(cluster, _)| clusters.iter().any(|c| c == cluster));
            verdict.expected = of_these.map(|(_, version)| (*version).to_owned()).collect();
            // Which of them answers is the balancer's choice; that nobody does is no success.
            if verdict.versions.is_empty() {
                verdict.missing.clone_from(&verdict.expected);
            }
        }
        Who::Weights(weights) => {
            verdict.expected = weights.iter().filter(|(_, w)| **w > 0).map(|(v, _)| v.clone()).collect();
            verdict.missing = verdict.expected.iter().filter(|v| !verdict.versions.contains_key(*v)).cloned().collect();
            judge_shares(verdict, weights, sources);
        }
    }
    verdict.unexpected = verdict.versions.keys().filter(|v| !verdict.expected.contains(v)).cloned().collect();
}

fn judge_shares(verdict: &mut SourceVerdict, weights: &BTreeMap<String, u8>, sources: usize) {
    let answers: u32 = verdict.versions.values().sum();
    for (version, &percent) in weights {
        let count = verdict.versions.get(version).copied().unwrap_or(0);
        let (low, high) = counts_within_chance(answers, percent, weights.len(), sources);
        if !(low..=high).contains(&count) {
            verdict.problems.push(format!(
                "{version} gave {count} of {answers} answers; with a share of {percent} % it is from {low} to {high}"
            ));
        }
    }
}

/// The 95th percentile by nearest rank: the least time that 95 of 100 answers, rounded up, did not exceed. It is from the start of a request
/// to the last byte of its answer, as curl measures it in the caller's pod; requests without any answer are failures and have no
/// time, nor have conversations.
fn judge_time(verdict: &mut SourceVerdict, expect: &Answers, replies: &[Reply]) {
    let mut times: Vec<u64> = replies.iter().filter(|r| r.status > 0 && r.micros > 0).map(|r| r.micros).collect();
    times.sort_unstable();
    let rank = (times.len() * 95).div_ceil(100);
    let Some(&micros) = rank.checked_sub(1).and_then(|i| times.get(i)) else { return };
    let millis = Measure::rounded(micros, 1000);
    verdict.measures.push(Measure { what: "95th percentile".to_owned(), value: millis, unit: "ms".to_owned() });
    if let Some(within) = expect.within.filter(|within| micros > within * 1000) {
        verdict.problems.push(format!("the 95th percentile is {millis} ms, and {within} ms is allowed"));
    }
}

/// A copy that nobody answers has not been seen to come anywhere.
fn judge_copies(verdict: &mut SourceVerdict, expect: &Answers, copies: Option<u64>) {
    let Some(mirror) = expect.mirror.as_ref().map(ServiceUrl::place) else { return };
    let requests = verdict.requests;
    let Some(copies) = copies else {
        verdict.problems.push(format!("no Envoy is beside the caller that would send copies to {mirror}"));
        return;
    };
    let what = format!("copies that {mirror} answered");
    verdict.measures.push(Measure { what, value: Measure::rounded(copies, 1), unit: String::new() });
    if copies < u64::from(requests) {
        verdict.problems.push(format!("{mirror} answered copies of {copies} of {requests} requests"));
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
