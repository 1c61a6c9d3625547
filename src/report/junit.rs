//! A verdict as JUnit XML: a case for each source and version, and one for each source's endpoints.

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
                format!("{} without failures", source.cluster),
                source.errors.iter().map(|(e, n)| format!("{n} x {e}")).collect(),
                verdict,
            ));
            suite.add_test_case(case(
                format!("{} endpoints", source.cluster),
                source.endpoint_problems.clone(),
                verdict,
            ));
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn version_case(source: &SourceVerdict, version: &String, verdict: &Verdict) -> TestCase {
    let count = source.versions.get(version).copied().unwrap_or(0);
    let problem = if source.missing.contains(version) {
        vec![format!("{version} answered none of {} requests", source.requests)]
    } else if source.unexpected.contains(version) {
        vec![format!("{version} answered {count} of {} requests and should not be there", source.requests)]
    } else {
        Vec::new()
    };
    case(format!("{} to {version}", source.cluster), problem, verdict)
}

fn case(name: String, problems: Vec<String>, verdict: &Verdict) -> TestCase {
    if problems.is_empty() {
        return TestCase::new(name, TestCaseStatus::success());
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(problems.join("; "));
    let findings: Vec<String> =
        verdict.findings.iter().map(|f| format!("{}\n{}\n{}", f.cause, f.evidence, f.remedy)).collect();
    status.set_description(findings.join("\n\n"));
    TestCase::new(name, status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Answer, Observation, rotation};

    #[test]
    fn a_missing_version_is_a_failed_case() {
        let seen = Observation { answers: vec![Answer::Version("v1".into())], ..Observation::default() };
        let source = rotation("rotation r", "c1", 1, &["v1".into(), "v2".into()], seen);
        let verdict = Verdict {
            lab: "two".into(),
            passed: false,
            at: String::new(),
            sources: vec![source],
            findings: Vec::new(),
        };
        let xml = junit(&verdict).expect("valid");
        assert!(xml.contains("tests=\"4\" failures=\"1\""), "{xml}");
        assert!(xml.contains("<testcase name=\"c1 to v2\">"), "{xml}");
        assert!(xml.contains("v2 answered none of 1 requests"), "{xml}");
    }
}
