//! A verdict as JUnit XML. For each source: a case for each version, one for failed requests, and one for its endpoints.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::verdict::{SourceVerdict, Verdict};

/// The report as XML text.
pub fn junit(verdict: &Verdict) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new(format!("lab {}", verdict.lab));
    let mut checks: Vec<&str> = verdict.sources.iter().map(|s| s.check.as_str()).collect();
    checks.dedup();
    for check in checks {
        let mut suite = TestSuite::new(check);
        for source in verdict.sources.iter().filter(|s| s.check == check) {
            for version in source.expected.iter().chain(&source.unexpected) {
                suite.add_test_case(version_case(source, version, verdict));
            }
            suite.add_test_case(case(
                source,
                "without failures",
                &source.errors.iter().map(|(e, n)| format!("{n} x {e}")).collect::<Vec<_>>(),
                verdict,
            ));
            suite.add_test_case(case(source, "endpoints", &source.endpoint_problems, verdict));
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn version_case(source: &SourceVerdict, version: &str, verdict: &Verdict) -> TestCase {
    let count = source.versions.get(version).copied().unwrap_or(0);
    let problem = if source.missing.iter().any(|v| v == version) {
        vec![format!("{version} answered none of {} requests", source.requests)]
    } else if source.unexpected.iter().any(|v| v == version) {
        vec![format!("{version} answered {count} of {} requests and should not be there", source.requests)]
    } else {
        Vec::new()
    };
    case(source, &format!("to {version}"), &problem, verdict)
}

/// A case about calls from one cluster. Its class is the lab and the cluster, by which CI servers group.
fn case(source: &SourceVerdict, what: &str, problems: &[String], verdict: &Verdict) -> TestCase {
    let status = if problems.is_empty() { TestCaseStatus::success() } else { failure(problems, verdict) };
    let mut case = TestCase::new(format!("{} {what}", source.cluster), status);
    case.set_classname(format!("{}.{}", verdict.lab, source.cluster));
    case
}

fn failure(problems: &[String], verdict: &Verdict) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(problems.join("; "));
    let findings: Vec<String> =
        verdict.findings.iter().map(|f| format!("{}\n{}\n{}", f.cause, f.evidence, f.remedy)).collect();
    status.set_description(findings.join("\n\n"));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Answer, Finding, Observation, rotation};

    #[test]
    fn a_missing_version_is_a_failed_case() {
        let seen = Observation { answers: vec![Answer::Version("v1".into())], ..Observation::default() };
        let source = rotation("rotation r", "c1", 1, &["v1".into(), "v2".into()], seen);
        let finding = Finding {
            cause: "istiod of c1 does not watch c2".into(),
            evidence: "Secret <none>".into(),
            remedy: "lab up two".into(),
        };
        let verdict = Verdict {
            lab: "two".into(),
            passed: false,
            at: String::new(),
            sources: vec![source],
            findings: vec![finding],
        };
        insta::assert_snapshot!(junit(&verdict).expect("valid"));
    }
}
