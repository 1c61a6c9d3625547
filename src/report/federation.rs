//! Replicas of a federation for a person.

use std::fmt::Write as _;

use crate::verdict::Spread;

/// A line for each member.
pub(super) fn spreads(spreads: &[Spread]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for spread in spreads {
        let _ = writeln!(text, "{}\n", spread.check);
        let width = spread.members.iter().map(|m| m.cluster.len()).max().unwrap_or(0);
        for member in &spread.members {
            let found = member.found.map_or_else(|| "no answer".to_owned(), |n| format!("{n} ready"));
            let wrong = if member.passed() { "" } else { "  wrong" };
            let _ = writeln!(text, "  {:<width$}  {found}, {} expected{wrong}", member.cluster, member.expected);
        }
        for problem in &spread.problems {
            let _ = writeln!(text, "  {problem}");
        }
        for measure in &spread.measures {
            let _ = writeln!(text, "  {measure}");
        }
        text.push('\n');
    }
    text
}
