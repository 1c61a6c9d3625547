//! A verdict for a person.

use std::fmt::Write as _;

use super::fault::faults_text;
use super::federation::spreads;
use super::links::links_text;
use super::reachability::matrix;
use super::summary::sentence;
use crate::verdict::{Endpoint, OUTSIDE, SourceVerdict, Verdict, silent};

/// Length of the longest bar, in characters.
const BAR: u32 = 40;

/// The verdict as text, legible without colour: findings first, then a histogram for each source, then the sentence that counts.
#[must_use]
pub fn verdict_text(verdict: &Verdict) -> String {
    let mut text = String::new();
    for finding in &verdict.findings {
        let _ = writeln!(
            text,
            "cause:    {}\nevidence: {}\nremedy:   {}\n",
            finding.cause, finding.evidence, finding.remedy
        );
    }
    text.push_str(&links_text(&verdict.links));
    let mut check = "";
    for source in &verdict.sources {
        if source.check != check {
            check = &source.check;
            let _ = writeln!(text, "{check}\n");
        }
        write_source(&mut text, source);
    }
    text.push_str(&matrix(&verdict.reachability));
    text.push_str(&spreads(&verdict.federation));
    text.push_str(&faults_text(&verdict.faults));
    let _ = writeln!(text, "{}", sentence(verdict));
    text
}

/// Who called, as far as it is not the mesh's own `sleep`.
pub(super) fn caller(source: &SourceVerdict) -> String {
    match source.caller.as_str() {
        "" | "sample/sleep" => format!("from {}", source.place()),
        OUTSIDE => format!("from outside into {}", source.cluster),
        caller => format!("from {} ({caller})", source.place()),
    }
}

fn write_source(text: &mut String, source: &SourceVerdict) {
    let denied: u32 = source.denials.values().sum();
    let denied = if denied > 0 { format!(", {denied} denied as expected") } else { String::new() };
    let allowed = match source.allowed_failures {
        0 => String::new(),
        allowed => format!(" ({allowed} may)"),
    };
    let (caller, requests, failures) = (caller(source), source.requests, source.failures);
    let s = if requests == 1 { "" } else { "s" };
    let _ = writeln!(text, "{caller}: {requests} request{s}{denied}, {failures} failed{allowed}");
    // Where nothing is said about versions, those that answered are still worth seeing.
    let others = source.versions.keys().filter(|v| !source.expected.contains(v));
    let shown = source.expected.iter().chain(others);
    let width = shown.clone().map(String::len).max().unwrap_or(0);
    for version in shown {
        let count = source.versions.get(version).copied().unwrap_or(0);
        let bar = "█".repeat((count * BAR).div_ceil(source.requests.max(1)) as usize);
        let note = if source.missing.contains(version) {
            "did not answer"
        } else if source.unexpected.contains(version) {
            "should not be there"
        } else {
            ""
        };
        let gap = if bar.is_empty() || note.is_empty() { "" } else { "  " };
        let line = format!("  {version:<width$} {count:>5}  {bar}{gap}{note}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for (error, count) in source.denials.iter().chain(&source.errors) {
        let _ = writeln!(text, "  {count} x {error}");
    }
    for problem in &source.endpoint_problems {
        let _ = writeln!(text, "  endpoint {problem}");
    }
    for problem in &source.problems {
        let _ = writeln!(text, "  {problem}");
    }
    for measure in &source.measures {
        let _ = writeln!(text, "  {measure}");
    }
    if !source.endpoints.is_empty() {
        let all: Vec<String> = source.endpoints.iter().map(|e| endpoint(e, silent(&source.endpoints))).collect();
        let _ = writeln!(text, "  its Envoy sent {}", all.join(", "));
    }
    text.push('\n');
}

/// An endpoint with the requests that went there, and what is not well with it.
fn endpoint<'a>(endpoint: &Endpoint, mut silent: impl Iterator<Item = &'a Endpoint>) -> String {
    let notes: Vec<String> = [
        (!endpoint.healthy).then(|| "not healthy".to_owned()),
        endpoint.ejected.then(|| "ejected".to_owned()),
        silent.any(|s| s == endpoint).then(|| "answered none".to_owned()),
        (endpoint.connect_failures > 0).then(|| format!("{} connects failed", endpoint.connect_failures)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!("{} {}{notes}", endpoint.address, endpoint.requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Answer, CallCheck, Cell, Finding, Measure, Observation, Way, rotation};

    /// What a source saw: answers by version, and failures.
    fn source(cluster: &str, versions: &[(&str, usize)], failures: &[&str]) -> SourceVerdict {
        let answers = versions.iter().flat_map(|(v, n)| std::iter::repeat_n(Answer::Version((*v).to_owned()), *n));
        let failed = failures.iter().map(|f| Answer::Failure((*f).to_owned()));
        let seen = Observation { answers: answers.chain(failed).collect(), ..Observation::default() };
        rotation("rotation helloworld.sample:5000/hello", cluster, 4, &["v1".into(), "v2".into()], seen)
    }

    fn verdict(sources: Vec<SourceVerdict>, findings: Vec<Finding>) -> Verdict {
        let passed = sources.iter().all(|s| s.passed);
        let (reachability, federation) = (Vec::new(), Vec::new());
        Verdict {
            lab: "two".into(),
            passed,
            at: String::new(),
            sources,
            reachability,
            links: Vec::new(),
            federation,
            faults: Vec::new(),
            findings,
        }
    }

    #[test]
    fn a_green_verdict() {
        let sources = vec![source("c1", &[("v1", 2), ("v2", 2)], &[]), source("c2", &[("v1", 1), ("v2", 3)], &[])];
        insta::assert_snapshot!(verdict_text(&verdict(sources, Vec::new())));
    }

    #[test]
    fn a_red_verdict() {
        let mut partly = source("c1", &[("v1", 3)], &["status 503: no healthy upstream"]);
        partly.endpoint_problems = vec!["172.30.255.20:15443 is missing: the east-west gateway of c2".into()];
        partly.endpoints = vec![Endpoint {
            address: "10.101.0.7:5000".into(),
            healthy: true,
            locality: "region1/zone1".into(),
            requests: 3,
            connect_failures: 2,
            ..Endpoint::default()
        }];
        let stranger = source("c3", &[("v1", 2), ("v2", 1), ("v9", 1)], &[]);
        let finding = Finding {
            cause: "istiod of c1 does not watch c2: it has no remote secret for it".into(),
            evidence: "Secret istio-system/istio-remote-secret-c2 does not exist in c1".into(),
            remedy: "lab up two (it applies the secret again)".into(),
        };
        let sources = vec![partly, source("c2", &[("v1", 2), ("v2", 2)], &[]), stranger];
        insta::assert_snapshot!(verdict_text(&verdict(sources, vec![finding])));
    }

    fn measure(what: &str, value: f64, unit: &str) -> Measure {
        Measure { what: what.into(), value, unit: unit.into() }
    }

    fn cell(to: &str, found: bool) -> Cell {
        Cell { from: "c1".into(), to: to.into(), kind: Way::Pod, expected: to == "c1", found, evidence: "x".into() }
    }

    /// A check of each kind, and the matrix.
    fn mixture() -> Verdict {
        let mut outside = source("c2", &[("v1", 2), ("v2", 2)], &[]);
        outside.check.push_str(" through ingress");
        outside.caller = OUTSIDE.into();
        let denied = SourceVerdict {
            check: "request plaintext is refused".into(),
            kind: CallCheck::Request,
            cluster: "c1".into(),
            caller: "legacy/sleep".into(),
            passed: true,
            requests: 3,
            denials: [("no answer: Recv failure: Connection reset by peer".into(), 3)].into(),
            ..SourceVerdict::default()
        };
        let tolerant = SourceVerdict {
            check: "request http://10.0.0.1/x".into(),
            kind: CallCheck::Request,
            cluster: "c3".into(),
            passed: true,
            requests: 10,
            failures: 2,
            allowed_failures: 3,
            versions: [("v7".into(), 8)].into(),
            errors: [("status 503".into(), 2)].into(),
            measures: vec![measure("95th percentile", 12.25, "ms")],
            ..SourceVerdict::default()
        };
        let mut failover = source("c1", &[("v1", 4)], &[]);
        failover.check = "failover helloworld.sample:5000/hello".into();
        failover.kind = CallCheck::Failover;
        (failover.passed, failover.missing, failover.expected) = (true, Vec::new(), vec!["v1".into()]);
        failover.measures = vec![
            measure("until c2 answers instead of c1", 0.44, "s"),
            measure("requests that failed meanwhile", 1.0, ""),
        ];
        let mut all = verdict(vec![outside, denied, tolerant, failover], Vec::new());
        all.reachability = vec![cell("c1", true), cell("c2", false)];
        all
    }

    #[test]
    fn a_green_mixture() {
        insta::assert_snapshot!(verdict_text(&mixture()));
    }

    #[test]
    fn a_red_mixture() {
        let mut all = mixture();
        all.passed = false;
        all.reachability[1].found = true;
        let failover = &mut all.sources[3];
        failover.passed = false;
        failover.problems = vec!["helloworld of c1 was started again and did not answer".into()];
        insta::assert_snapshot!(verdict_text(&all));
    }

    #[test]
    fn only_the_matrix() {
        let mut all = verdict(Vec::new(), Vec::new());
        all.reachability = vec![cell("c1", true), cell("c2", false)];
        assert!(verdict_text(&all).ends_with("PASSED  two: all 2 cells of the reachability matrix are as expected\n"));
        all.passed = false;
        all.reachability[1].found = true;
        assert!(verdict_text(&all).ends_with("FAILED  two: 1 of 2 cells of the reachability matrix is wrong\n"));
    }
}
