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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Measure, MemberReplicas};

    #[test]
    fn what_is_wrong_is_told_beside_it() {
        let member = |cluster: &str, expected, found| MemberReplicas { cluster: cluster.into(), expected, found };
        let spread = Spread {
            check: "federation demo/hello".into(),
            members: vec![member("ap", 2, Some(2)), member("eu", 4, Some(3)), member("south", 0, None)],
            problems: vec!["ap was not lost, because not everything was well before".into()],
            measures: vec![Measure { what: "until all is well".into(), value: 2.5, unit: "s".into() }],
        };
        insta::assert_snapshot!(spreads(&[spread]), @r"
        federation demo/hello

          ap     2 ready, 2 expected
          eu     3 ready, 4 expected  wrong
          south  no answer, 0 expected  wrong
          ap was not lost, because not everything was well before
          until all is well: 2.5 s
        ");
    }
}
