//! What a machine has, for a person.

use std::fmt::Write as _;

use crate::verdict::{Judgement, Level, MachineReport};

/// The report as text, legible without colour: a line a judgement, its remedy below it.
#[must_use]
pub fn machine_text(report: &MachineReport) -> String {
    let mut text = format!("judged for {}\n\n{}", report.judged_for, judgements_text(&report.findings));
    if !report.fixed.is_empty() {
        let _ = writeln!(text);
        for fixed in &report.fixed {
            let _ = writeln!(text, "fix: {fixed}");
        }
    }
    let count = |level| report.findings.iter().filter(|j| j.level == level).count();
    let (warnings, failures) = (count(Level::Warning), count(Level::Failure));
    let sentence = match (failures, warnings) {
        (0, 0) => "this machine can carry it".to_owned(),
        (0, n) => format!("this machine can carry it; {}", plural(n, "warning")),
        (n, 0) => format!("this machine cannot carry it: {}", plural(n, "failure")),
        (n, m) => format!("this machine cannot carry it: {}, {}", plural(n, "failure"), plural(m, "warning")),
    };
    let _ = writeln!(text, "\n{sentence}");
    text
}

/// A line a judgement, its remedy below it.
#[must_use]
pub fn judgements_text(judgements: &[Judgement]) -> String {
    // Writing to a string cannot fail.
    let mut text = String::new();
    let width = judgements.iter().map(|j| j.what.len()).max().unwrap_or(0);
    for judgement in judgements {
        let mark = match judgement.level {
            Level::Ok => "ok",
            Level::Unknown => "unknown",
            Level::Warning => "warning",
            Level::Failure => "FAILURE",
        };
        let _ = writeln!(text, "{mark:<7}  {:<width$}  {}", judgement.what, judgement.found);
        if let Some(remedy) = &judgement.remedy {
            let _ = writeln!(text, "{:<7}  {:<width$}  remedy: {remedy}", "", "");
        }
    }
    text
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_stands_below_what_it_is_for() {
        let findings = vec![
            Judgement::ok("engine", "Docker 28.2.2, API 1.50"),
            Judgement::unknown("disk", "the engine does not say"),
            Judgement::warning("inotify watches", "8192, and 9 nodes need about 9000", "raise it"),
            Judgement::failure("images", "no registry answers", "install Go"),
        ];
        let fixed = vec!["fs.inotify.max_user_instances: 128 before, 512 now, until the next boot".to_owned()];
        insta::assert_snapshot!(machine_text(&MachineReport::new("lab demo".to_owned(), fixed, findings.clone())), @r"
        judged for lab demo

        ok       engine           Docker 28.2.2, API 1.50
        unknown  disk             the engine does not say
        warning  inotify watches  8192, and 9 nodes need about 9000
                                  remedy: raise it
        FAILURE  images           no registry answers
                                  remedy: install Go

        fix: fs.inotify.max_user_instances: 128 before, 512 now, until the next boot

        this machine cannot carry it: 1 failure, 1 warning
        ");
        let well = MachineReport::new("lab demo".to_owned(), Vec::new(), findings[..2].to_vec());
        assert!(well.passed && machine_text(&well).ends_with("\nthis machine can carry it\n"));
    }
}
