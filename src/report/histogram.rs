//! A verdict for a person.

use std::fmt::Write as _;

use crate::verdict::{SourceVerdict, Verdict};

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
    let red: Vec<&str> = verdict.sources.iter().filter(|s| !s.passed).map(|s| s.cluster.as_str()).collect();
    if verdict.passed {
        let requests: u32 = verdict.sources.iter().map(|s| s.requests).sum();
        let _ = writeln!(
            text,
            "PASSED  {}: calls from {} reach every version; {requests} requests, none failed",
            verdict.lab,
            verdict.sources.iter().map(|s| s.cluster.as_str()).collect::<Vec<_>>().join(", ")
        );
    } else {
        let _ = writeln!(text, "FAILED  {}: not as it must be from {}", verdict.lab, red.join(", "));
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
            "  did not answer"
        } else if source.unexpected.contains(version) {
            "  should not be there"
        } else {
            ""
        };
        let _ = writeln!(text, "  {version:<width$} {count:>5}  {bar}{note}");
    }
    for (error, count) in &source.errors {
        let _ = writeln!(text, "  {count} x {error}");
    }
    for problem in &source.endpoint_problems {
        let _ = writeln!(text, "  endpoint {problem}");
    }
    if !source.passed && !source.endpoints.is_empty() {
        let all: Vec<String> = source
            .endpoints
            .iter()
            .map(|e| format!("{} ({})", e.address, if e.healthy { "healthy" } else { "not healthy" }))
            .collect();
        let _ = writeln!(text, "  its Envoy has {}", all.join(", "));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::verdict::Finding;

    fn source(cluster: &str, versions: &[(&str, u32)]) -> SourceVerdict {
        let observed = versions
            .iter()
            .flat_map(|(v, n)| (0..*n).map(|_| crate::verdict::Answer::Version((*v).to_owned())))
            .collect();
        let seen = crate::verdict::Observation { answers: observed, ..Default::default() };
        crate::verdict::rotation("rotation helloworld.sample:5000/hello", cluster, 4, &["v1".into(), "v2".into()], seen)
    }

    #[test]
    fn a_green_and_a_red_verdict_read_well() {
        let mut verdict = Verdict {
            lab: "two".into(),
            passed: true,
            at: String::new(),
            sources: vec![source("c1", &[("v1", 2), ("v2", 2)]), source("c2", &[("v1", 1), ("v2", 3)])],
            findings: Vec::new(),
        };
        insta::assert_snapshot!("green", verdict_text(&verdict));
        verdict.passed = false;
        verdict.sources[0] = source("c1", &[("v1", 4)]);
        verdict.sources[0].errors = BTreeMap::from([("status 503: no healthy upstream".into(), 1)]);
        verdict.findings = vec![Finding {
            cause: "istiod of c1 does not watch c2: it has no remote secret for it".into(),
            evidence: "Secret istio-system/istio-remote-secret-c2 does not exist in c1".into(),
            remedy: "lab up two (it applies the secret again)".into(),
        }];
        insta::assert_snapshot!("red", verdict_text(&verdict));
    }
}
