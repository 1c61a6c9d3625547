//! How faults were borne, for a person: the figures of each cluster, and what happened when.

use std::fmt::Write as _;

use super::{table, table_text};
use crate::verdict::{FaultSource, FaultVerdict};

/// What the columns of the figures are.
pub(super) const COLUMNS: [&str; 8] = [
    "FROM",
    "SENT",
    "LOST",
    "FIRST ANSWER AFTER A LOSS",
    "LOST UNTIL",
    "AS BEFORE AFTER ITS END",
    "95 OF 100 WITHIN",
    "ANSWERED BY",
];

/// A table for each fault, its timeline, and what is wrong.
#[must_use]
pub fn faults_text(faults: &[FaultVerdict]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for fault in faults {
        let _ = writeln!(text, "{}\n", title(fault));
        if !fault.sources.is_empty() {
            let mut table = table(COLUMNS);
            for source in &fault.sources {
                table.add_row(row(source));
            }
            for line in table_text(&table).lines() {
                let _ = writeln!(text, "  {}", line.trim_end());
            }
            text.push('\n');
        }
        for event in &fault.timeline {
            let _ = writeln!(text, "  {:>6.2} s  {}", event.at, event.what);
        }
        for source in &fault.sources {
            for (error, count) in &source.errors {
                let _ = writeln!(text, "  from {}: {count} x {error}", source.caller());
            }
        }
        for problem in fault.wrong() {
            let _ = writeln!(text, "  wrong: {problem}");
        }
        text.push('\n');
    }
    text
}

/// A fault in one line.
pub(super) fn title(fault: &FaultVerdict) -> String {
    format!("fault: {}, for {} s, while all call {}", fault.fault, fault.seconds, fault.service)
}

/// The figures of a cluster.
pub(super) fn row(source: &FaultSource) -> [String; 8] {
    let answers: Vec<String> = source.answers.iter().map(|(who, count)| format!("{who} {count}")).collect();
    // A source that could not be judged has no figures.
    let time = |at: Option<f64>| if source.sent == 0 { String::new() } else { seconds(at) };
    [
        source.caller(),
        source.sent.to_string(),
        source.lost.to_string(),
        if source.lost == 0 { String::new() } else { time(source.first_answer) },
        if source.sent > 0 && source.failover.is_none() { "the end".to_owned() } else { time(source.failover) },
        time(source.back),
        within(source.within),
        answers.join(", "),
    ]
}

/// How fast answers came while it lasted, and before.
fn within([before, while_there]: [Option<f64>; 2]) -> String {
    let text = |millis: Option<f64>| millis.map_or_else(|| "none".to_owned(), |millis| format!("{millis:.0} ms"));
    match before {
        None => String::new(),
        before => format!("{}, {} before", text(while_there), text(before)),
    }
}

fn seconds(at: Option<f64>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("{at} s"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::verdict::FaultEvent;

    pub(in crate::report) fn fault() -> FaultVerdict {
        let source = |cluster: &str, lost: u32, problems: &[&str]| FaultSource {
            cluster: cluster.into(),
            is_outside: false,
            sent: 400,
            lost,
            answers: [("c1".into(), 390), ("c3".into(), 10)].into(),
            first_answer: (lost > 0).then_some(0.4),
            failover: Some(if lost > 0 { 1.25 } else { 0.0 }),
            back: None,
            within: [Some(4.2), (lost > 0).then_some(12.0)],
            errors: if lost > 0 { [("no answer: x".into(), lost)].into() } else { [].into() },
            problems: problems.iter().map(|p| (*p).to_owned()).collect(),
        };
        FaultVerdict {
            fault: "the network between c1 and c2 is cut".into(),
            kind: "partition".into(),
            service: "helloworld.sample:5000/hello".into(),
            seconds: 20,
            sources: vec![source("c1", 3, &[]), source("c3", 0, &["c3 was not as before"])],
            timeline: vec![
                FaultEvent { at: 0.0, what: "the network between c1 and c2 is cut".into() },
                FaultEvent { at: 20.0, what: "it ends".into() },
            ],
            problems: Vec::new(),
        }
    }

    #[test]
    fn figures_timeline_and_what_is_wrong() {
        insta::assert_snapshot!(faults_text(&[fault()]));
    }
}
