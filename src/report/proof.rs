//! What breaking a lab has shown, for a person.

use std::fmt::Write as _;

use super::{table, table_text};
use crate::verdict::{Proof, Trial, Trialled};

/// The proof as text: a line a break, then what is wrong.
#[must_use]
pub fn proof_text(proof: &Proof) -> String {
    let mut rows = table(["BREAK", "RED", "NAMED BY", "RED AFTER", "MENDED AFTER"]);
    for trial in &proof.trials {
        let after = |seconds: f64| if seconds > 0.0 { format!("{seconds:.1} s") } else { "-".to_owned() };
        let named = trial.finding.clone().unwrap_or_else(|| "-".to_owned());
        rows.add_row([&trial.what, &red(trial), &named, &after(trial.red_after), &after(trial.green_after)]);
    }
    let mut text = table_text(&rows);
    text.push('\n');
    for trial in proof.trials.iter().filter(|t| !t.passed()) {
        let why = match trial.outcome {
            Trialled::Unnoticed => "no check noticed it".to_owned(),
            Trialled::Unnamed => "no finding named it".to_owned(),
            Trialled::Named => String::new(),
        };
        let all: Vec<&str> = std::iter::once(why.as_str()).chain(trial.problems.iter().map(String::as_str)).collect();
        let all: Vec<&str> = all.into_iter().filter(|w| !w.is_empty()).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "wrong: {}: {}", trial.what, all.join("; "));
    }
    for check in &proof.worthless {
        let _ = writeln!(text, "worthless: {check} stayed green whatever was broken");
    }
    let unnoticed = proof.trials.iter().filter(|t| t.passed() && t.outcome == Trialled::Unnoticed).count();
    if unnoticed > 0 {
        let _ = writeln!(text, "note: of the scenario's own objects {unnoticed} may go without any check noticing it");
    }
    let named = proof.trials.iter().filter(|t| t.outcome == Trialled::Named).count();
    let word = if proof.passed { "PROVED" } else { "NOT PROVED" };
    let _ = writeln!(text, "{word}  {}: {named} of {} breaks turned red and were named", proof.lab, proof.trials.len());
    text
}

fn red(trial: &Trial) -> String {
    if trial.red.is_empty() {
        return "-".to_owned();
    }
    let one = |(check, places): (&String, &Vec<String>)| {
        if places.is_empty() { check.clone() } else { format!("{check}: {}", places.join(", ")) }
    };
    trial.red.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_below_the_table() {
        let trial = |what: &str, outcome, is_own| Trial {
            what: what.to_owned(),
            is_own,
            outcome,
            red: BTreeMap::new(),
            finding: None,
            problems: Vec::new(),
            red_after: 0.0,
            green_after: 2.5,
        };
        let trials = vec![
            trial("Service a/b of c1 deleted", Trialled::Unnoticed, true),
            trial("ConfigMap a/c of c1 deleted", Trialled::Unnoticed, false),
        ];
        let proof = Proof { lab: "x".to_owned(), passed: false, trials, worthless: vec!["rotation".to_owned()] };
        let text = proof_text(&proof);
        for line in [
            "wrong: Service a/b of c1 deleted: no check noticed it",
            "worthless: rotation stayed green whatever was broken",
            "note: of the scenario's own objects 1 may go without any check noticing it",
            "NOT PROVED  x: 0 of 2 breaks turned red and were named",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
        assert!(!text.contains("ConfigMap a/c of c1 deleted:"), "{text}");
    }
}
