//! A soak, for a person: a line for each fault, then what is wrong.

use std::fmt::Write as _;

use super::{table, table_text};
use crate::verdict::{Round, Soak};

/// A table of the faults, what is wrong, and the verdict.
#[must_use]
pub fn soak_text(soak: &Soak) -> String {
    let mut table = table(["AT", "FAULT", "SENT", "LOST", "BACK AFTER", "WELL AFTER", "MEMORY OF LAB", ""]);
    for round in &soak.rounds {
        table.add_row(row(round));
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for line in table_text(&table).lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    for round in &soak.rounds {
        for problem in round.fault.wrong().iter().chain(&round.problems) {
            let _ = writeln!(text, "wrong at {:.0} s, {}: {problem}", round.at, round.fault.fault);
        }
    }
    for problem in &soak.problems {
        let _ = writeln!(text, "wrong: {problem}");
    }
    let faults = soak.rounds.len();
    let borne = soak.rounds.iter().filter(|round| round.passed()).count();
    let verdict = if soak.passed { "PASSED" } else { "FAILED" };
    let ended = if soak.interrupted { ", interrupted" } else { "" };
    let _ = writeln!(
        text,
        "{verdict}  {}: {borne} of {faults} faults borne in {:.0} s{ended}, seed {}",
        soak.lab, soak.took, soak.seed
    );
    text
}

fn row(round: &Round) -> [String; 8] {
    let sources = &round.fault.sources;
    let back =
        sources.iter().filter_map(|s| s.back).fold(None, |most: Option<f64>, s| Some(most.map_or(s, |m| m.max(s))));
    [
        format!("{:.0} s", round.at),
        format!("{}, {} s", round.fault.fault, round.fault.seconds),
        sources.iter().map(|s| s.sent).sum::<u32>().to_string(),
        sources.iter().map(|s| s.lost).sum::<u32>().to_string(),
        back.map_or_else(|| "never".to_owned(), |s| format!("{s} s")),
        format!("{:.1} s", round.well_after),
        round.held.memory.map_or_else(String::new, |bytes| format!("{} MiB", bytes >> 20)),
        if round.passed() { "borne".to_owned() } else { "not borne".to_owned() },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::fault::tests::fault;
    use crate::verdict::Held;

    #[test]
    fn a_soak_is_told_fault_by_fault() {
        let round = |at: f64, problems: &[&str]| Round {
            at,
            fault: fault(),
            well_after: 2.25,
            endpoints: BTreeMap::new(),
            held: Held { memory: Some(50 << 20), files: Some(9) },
            problems: problems.iter().map(|p| (*p).to_owned()).collect(),
        };
        let rounds = vec![round(0.0, &[]), round(31.5, &["the caller in c1 has 3 addresses, and had 2 at first"])];
        insta::assert_snapshot!(soak_text(&Soak::of("demo", (7, 60), 63.0, true, rounds)));
    }
}
