//! A verdict as JUnit XML. For each source: a case for each version, one for failed requests, one for its endpoints and, unless it is of a
//! rotation, one for all else that is expected. For the matrix: a case for each cell. For ways between clusters: a case
//! for each. For a federation: a case for
//! each member, and one for those that are lost. For faults: a case for each.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::fault::faults_text;
use crate::verdict::{CallCheck, Cell, FaultVerdict, LinkVerdict, MemberReplicas, SourceVerdict, Verdict};

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
            suite.add_test_case(case(source, "without failures", &failures(source), verdict));
            suite.add_test_case(case(source, "endpoints", &source.endpoint_problems, verdict));
            if source.kind != CallCheck::Rotation {
                suite.add_test_case(case(source, "expectations", &source.problems, verdict));
            }
        }
        report.add_test_suite(suite);
    }
    if !verdict.links.is_empty() {
        let mut suite = TestSuite::new("configuration");
        suite.add_test_cases(verdict.links.iter().map(|link| link_case(link, verdict)));
        report.add_test_suite(suite);
    }
    if !verdict.reachability.is_empty() {
        let mut suite = TestSuite::new("reachability");
        suite.add_test_cases(verdict.reachability.iter().map(|cell| cell_case(cell, verdict)));
        report.add_test_suite(suite);
    }
    for spread in &verdict.federation {
        let mut suite = TestSuite::new(&spread.check);
        suite.add_test_cases(spread.members.iter().map(|member| member_case(member, verdict)));
        let status = match &spread.problems[..] {
            [] => TestCaseStatus::success(),
            problems => failure(problems, verdict),
        };
        suite.add_test_case(TestCase::new("members that are lost", status));
        report.add_test_suite(suite);
    }
    if !verdict.faults.is_empty() {
        let mut suite = TestSuite::new("faults");
        suite.add_test_cases(verdict.faults.iter().map(|fault| fault_case(fault, verdict)));
        report.add_test_suite(suite);
    }
    report.to_string()
}

/// A case for each fault; its output has the figures and the timeline.
fn fault_case(fault: &FaultVerdict, verdict: &Verdict) -> TestCase {
    let problems = fault.wrong();
    let status = if problems.is_empty() { TestCaseStatus::success() } else { failure(&problems, verdict) };
    let mut case = TestCase::new(fault.fault.clone(), status);
    case.set_classname(format!("{}.{}", verdict.lab, fault.kind));
    case.set_system_out(faults_text(std::slice::from_ref(fault)));
    case
}

fn link_case(link: &LinkVerdict, verdict: &Verdict) -> TestCase {
    let problem = link.finding.iter().map(|finding| finding.cause.clone()).collect::<Vec<_>>();
    let status = if problem.is_empty() { TestCaseStatus::success() } else { failure(&problem, verdict) };
    let mut case = TestCase::new(format!("{} to {}", link.from, link.to), status);
    case.set_classname(format!("{}.{}", verdict.lab, link.from));
    case
}

fn member_case(member: &MemberReplicas, verdict: &Verdict) -> TestCase {
    let found = member.found.map_or_else(|| "no answer".to_owned(), |n| format!("{n} replicas"));
    let problem = format!("{found} instead of {}", member.expected);
    let status = if member.passed() { TestCaseStatus::success() } else { failure(&[problem], verdict) };
    let mut case = TestCase::new(format!("replicas in {}", member.cluster), status);
    case.set_classname(format!("{}.{}", verdict.lab, member.cluster));
    case
}

/// Requests that failed, unless so many may.
fn failures(source: &SourceVerdict) -> Vec<String> {
    let tolerated = source.failures > 0 && source.failures <= source.allowed_failures;
    if tolerated { Vec::new() } else { source.errors.iter().map(|(e, n)| format!("{n} x {e}")).collect() }
}

fn cell_case(cell: &Cell, verdict: &Verdict) -> TestCase {
    let Cell { from, to, kind, expected, evidence, .. } = cell;
    let must = if *expected { "must be reached and is not" } else { "must not be reached and is" };
    let status =
        if cell.passed() { TestCaseStatus::success() } else { failure(&[format!("{must}: {evidence}")], verdict) };
    let mut case = TestCase::new(format!("{from} to {to} by {kind}"), status);
    case.set_classname(format!("{}.{from}", verdict.lab));
    case
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
    let mut case = TestCase::new(format!("{} {what}", source.place()), status);
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
    use crate::verdict::{Answer, Finding, Observation, Way, rotation};

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
            reachability: Vec::new(),
            links: Vec::new(),
            federation: Vec::new(),
            faults: Vec::new(),
            findings: vec![finding],
        };
        insta::assert_snapshot!(junit(&verdict).expect("valid"));
    }

    #[test]
    fn a_cell_is_a_case_and_failures_that_may_be_are_none() {
        let cell = |to: &str, found| Cell {
            from: "c1".into(),
            to: to.into(),
            kind: Way::NodePort,
            expected: to == "c1",
            found,
            evidence: "http://172.30.0.3:30500/hello: helloworld of c2 answered".into(),
        };
        let source = SourceVerdict {
            check: "request x".into(),
            kind: CallCheck::Request,
            cluster: "c1".into(),
            passed: false,
            requests: 3,
            failures: 1,
            allowed_failures: 1,
            errors: [("status 503".into(), 1)].into(),
            problems: vec!["the 95th percentile is 900 ms, and 500 ms is allowed".into()],
            ..SourceVerdict::default()
        };
        let verdict = Verdict {
            lab: "two".into(),
            passed: false,
            at: String::new(),
            sources: vec![source],
            reachability: vec![cell("c1", true), cell("c2", true)],
            links: Vec::new(),
            federation: Vec::new(),
            faults: Vec::new(),
            findings: Vec::new(),
        };
        insta::assert_snapshot!(junit(&verdict).expect("valid"));
    }
}
