//! A verdict for a person.

use std::fmt::Write as _;

use crate::verdict::{Endpoint, SourceVerdict, Verdict};

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
    let mut check = "";
    for source in &verdict.sources {
        if source.check != check {
            check = &source.check;
            let _ = writeln!(text, "{check}\n");
        }
        write_source(&mut text, source);
    }
    let (mut well, mut red): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for source in &verdict.sources {
        // A cluster calls in every check.
        let clusters = if source.passed { &mut well } else { &mut red };
        if !clusters.contains(&source.cluster.as_str()) {
            clusters.push(&source.cluster);
        }
    }
    well.retain(|cluster| !red.contains(cluster));
    if verdict.sources.is_empty() {
        let _ = writeln!(text, "NO CHECKS  {}: the scenario asks for none, so nothing is proved", verdict.lab);
    } else if verdict.passed {
        let requests: u32 = verdict.sources.iter().map(|s| s.requests).sum();
        let _ = writeln!(
            text,
            "PASSED  {}: calls from {} reach every version; {requests} requests, none failed",
            verdict.lab,
            well.join(", ")
        );
    } else {
        let others = if well.is_empty() { String::new() } else { format!("; all is well from {}", well.join(", ")) };
        let _ =
            writeln!(text, "FAILED  {}: calls from {} are not as they must be{others}", verdict.lab, red.join(", "));
    }
    text
}

fn write_source(text: &mut String, source: &SourceVerdict) {
    let _ = writeln!(text, "from {}: {} requests, {} failed", source.cluster, source.requests, source.failures);
    let shown = source.expected.iter().chain(&source.unexpected);
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
        let _ = writeln!(text, "  {version:<width$} {count:>5}  {bar}{gap}{note}");
    }
    for (error, count) in &source.errors {
        let _ = writeln!(text, "  {count} x {error}");
    }
    for problem in &source.endpoint_problems {
        let _ = writeln!(text, "  endpoint {problem}");
    }
    if !source.endpoints.is_empty() {
        let all: Vec<String> = source.endpoints.iter().map(endpoint).collect();
        let _ = writeln!(text, "  its Envoy sent {}", all.join(", "));
    }
    text.push('\n');
}

/// An endpoint with the requests that went there, and what is not well with it.
fn endpoint(endpoint: &Endpoint) -> String {
    let notes: Vec<String> = [
        (!endpoint.healthy).then(|| "not healthy".to_owned()),
        endpoint.ejected.then(|| "ejected".to_owned()),
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
    use crate::verdict::{Answer, Finding, Observation, rotation};

    /// What a source saw: answers by version, and failures.
    fn source(cluster: &str, versions: &[(&str, usize)], failures: &[&str]) -> SourceVerdict {
        let answers = versions.iter().flat_map(|(v, n)| std::iter::repeat_n(Answer::Version((*v).to_owned()), *n));
        let failed = failures.iter().map(|f| Answer::Failure((*f).to_owned()));
        let seen = Observation { answers: answers.chain(failed).collect(), ..Observation::default() };
        rotation("rotation helloworld.sample:5000/hello", cluster, 4, &["v1".into(), "v2".into()], seen)
    }

    fn verdict(sources: Vec<SourceVerdict>, findings: Vec<Finding>) -> Verdict {
        let passed = sources.iter().all(|s| s.passed);
        Verdict { lab: "two".into(), passed, at: String::new(), sources, findings }
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
}
