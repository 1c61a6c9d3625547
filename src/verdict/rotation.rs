//! Rotation: every version answers every caller, and no request fails.

use std::collections::BTreeMap;

use super::{Endpoint, Reply, SourceVerdict, silent};

/// What one request came back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Status 200 from this version.
    Version(String),
    /// Anything else, in a few words that group equal failures.
    Failure(String),
}

/// Everything that was seen from one source.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The answers in order.
    pub answers: Vec<Answer>,
    /// The caller's endpoints.
    pub endpoints: Vec<Endpoint>,
    /// How they differ from what they must be.
    pub endpoint_problems: Vec<String>,
    /// Why no request could be sent at all, if so.
    pub broken: Option<String>,
}

impl Answer {
    /// What a reply means to a rotation.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        match (reply.status, reply.version()) {
            (200, Some(version)) => Self::Version(version.to_owned()),
            (200, None) => Self::Failure("status 200, but the answer names no version".to_owned()),
            _ => Self::Failure(reply.reason()),
        }
    }
}

/// Judges one source of a rotation check.
#[must_use]
pub fn rotation(check: &str, cluster: &str, requests: u32, expected: &[String], seen: Observation) -> SourceVerdict {
    let mut versions = BTreeMap::new();
    let mut errors = BTreeMap::new();
    for answer in &seen.answers {
        match answer {
            Answer::Version(version) => *versions.entry(version.clone()).or_insert(0_u32) += 1,
            Answer::Failure(error) => *errors.entry(error.clone()).or_insert(0_u32) += 1,
        }
    }
    if let Some(broken) = seen.broken {
        errors.insert(broken, 1);
    }
    let sent = u32::try_from(seen.answers.len()).unwrap_or(u32::MAX);
    if sent < requests && errors.is_empty() {
        // Red needs a reason that reports can show.
        errors.insert(format!("only {sent} of {requests} requests were sent"), 1);
    }
    let answered: u32 = versions.values().sum();
    let failures = sent - answered;
    let missing: Vec<String> = expected.iter().filter(|v| !versions.contains_key(*v)).cloned().collect();
    let unexpected: Vec<String> = versions.keys().filter(|v| !expected.contains(v)).cloned().collect();
    let mut problems = failed_connects(&seen.endpoints);
    problems.extend(silent(&seen.endpoints).map(Endpoint::answers_nothing));
    let passed = sent >= requests
        && errors.is_empty()
        && missing.is_empty()
        && unexpected.is_empty()
        && problems.is_empty()
        && seen.endpoint_problems.is_empty();
    SourceVerdict {
        check: check.to_owned(),
        cluster: cluster.to_owned(),
        passed,
        requests: sent,
        failures,
        versions,
        expected: expected.to_vec(),
        missing,
        unexpected,
        errors,
        endpoints: seen.endpoints,
        endpoint_problems: seen.endpoint_problems,
        problems,
        ..SourceVerdict::default()
    }
}

/// Endpoints to which connections failed meanwhile. Envoy tries again elsewhere, so that no caller notices; but that endpoint does not take part.
fn failed_connects(endpoints: &[Endpoint]) -> Vec<String> {
    let failed = endpoints.iter().filter(|e| e.connect_failures > 0);
    let said = |e: &Endpoint| {
        let s = if e.connect_failures == 1 { "" } else { "s" };
        format!(
            "{} connection{s} to {} failed meanwhile, and Envoy tried again elsewhere",
            e.connect_failures, e.address
        )
    };
    failed.map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse_replies;
    use super::*;

    fn answers(output: &str) -> Vec<Answer> {
        parse_replies(output).iter().map(Answer::of).collect()
    }

    fn judge(output: &str, requests: u32) -> SourceVerdict {
        let seen = Observation { answers: answers(output), ..Observation::default() };
        rotation("rotation x", "c1", requests, &["v1".to_owned(), "v2".to_owned()], seen)
    }

    const V1: &str = "Hello version: v1, instance: helloworld-v1-abc\n\n--lab-status--200 0.01 0 \n{}\n--lab-end--\n";
    const V2: &str = "Hello version: v2, instance: helloworld-v2-abc\n\n--lab-status--200 0.01 0 \n{}\n--lab-end--\n";

    #[test]
    fn passes_when_every_version_answers() {
        let verdict = judge(&format!("{V1}{V2}{V1}"), 3);
        assert!(verdict.passed);
        assert_eq!(verdict.versions, BTreeMap::from([("v1".to_owned(), 2), ("v2".to_owned(), 1)]));
    }

    #[test]
    fn only_the_local_version_is_red() {
        let verdict = judge(&format!("{V1}{V1}{V1}"), 3);
        assert!(!verdict.passed);
        assert_eq!(verdict.missing, ["v2"]);
    }

    #[test]
    fn too_few_requests_are_red() {
        let verdict = judge(&format!("{V1}{V2}"), 3);
        assert!(!verdict.passed);
        assert_eq!(verdict.failures, 0);
        assert_eq!(verdict.errors["only 2 of 3 requests were sent"], 1);
    }

    #[test]
    fn a_failure_is_red_even_if_every_version_answered() {
        let refused = "upstream connect error\n\n--lab-status--503 0.01 0 \n{}\n--lab-end--\n";
        let timeout = "--lab-status--000 2.0 0 Operation timed out after 2001 milliseconds\n{}\n--lab-end--\n";
        let timeout_again = "--lab-status--000 2.0 0 Operation timed out after 2002 milliseconds\n{}\n--lab-end--\n";
        let verdict = judge(&format!("{V1}{V2}{refused}{timeout}{timeout_again}"), 5);
        assert!(!verdict.passed);
        assert_eq!(verdict.failures, 3);
        assert_eq!(verdict.errors["status 503: upstream connect error"], 1);
        assert_eq!(verdict.errors["no answer: Operation timed out after N milliseconds"], 2);
    }

    #[test]
    fn a_stranger_is_red() {
        let stranger = "Hello version: v9, instance: x\n\n--lab-status--200 0.01 0 \n{}\n--lab-end--\n";
        let verdict = judge(&format!("{V1}{V2}{stranger}"), 3);
        assert!(!verdict.passed);
        assert_eq!(verdict.unexpected, ["v9"]);
    }

    #[test]
    fn a_connection_that_failed_is_red_even_if_every_request_was_answered() {
        let failed = Endpoint { address: "172.30.255.20:15443".into(), connect_failures: 10, ..Endpoint::default() };
        let seen = Observation {
            answers: answers(&format!("{V1}{V2}")),
            endpoints: vec![Endpoint::default(), failed],
            ..Observation::default()
        };
        let verdict = rotation("r", "c1", 2, &["v1".to_owned(), "v2".to_owned()], seen);
        assert!(!verdict.passed);
        let told = "10 connections to 172.30.255.20:15443 failed meanwhile, and Envoy tried again elsewhere";
        assert_eq!((verdict.problems, verdict.failures), (vec![told.to_owned()], 0));
    }

    #[test]
    fn an_endpoint_that_answers_nothing_is_red_even_if_every_request_was_answered() {
        let endpoint = |requests, answers| Endpoint { requests, answers, ..Endpoint::default() };
        let judge = |endpoints| {
            let answers = answers(&format!("{V1}{V2}"));
            let seen = Observation { answers, endpoints, ..Observation::default() };
            rotation("r", "c1", 2, &["v1".to_owned(), "v2".to_owned()], seen).passed
        };
        assert!(!judge(vec![endpoint(2, 2), endpoint(1, 0)]));
        assert!(judge(vec![endpoint(1, 1), endpoint(1, 1)]));
    }

    #[test]
    fn endpoints_that_differ_are_red() {
        let seen = Observation {
            answers: answers(&format!("{V1}{V2}")),
            endpoint_problems: vec!["x is missing".to_owned()],
            ..Observation::default()
        };
        assert!(!rotation("r", "c1", 2, &["v1".to_owned(), "v2".to_owned()], seen).passed);
    }
}
