//! A change under traffic, for a person.

use super::{table, table_text};
use crate::verdict::{Passage, words};

/// The passage as text: a line a phase, then the sentence that counts.
#[must_use]
pub fn passage_text(passage: &Passage) -> String {
    let mut rows = table(["PHASE", "TOOK", "CALLS", "LOST"]);
    for phase in &passage.phases {
        let each = |what: &dyn Fn(&str, &crate::verdict::Calls) -> Option<String>| {
            let all: Vec<String> = phase.calls.iter().filter_map(|(from, calls)| what(from, calls)).collect();
            if all.is_empty() { "-".to_owned() } else { all.join(", ") }
        };
        let sent = each(&|from, calls| Some(format!("{from} {}", calls.sent)));
        let lost = each(&|from, calls| {
            (calls.lost() > 0).then(|| format!("{from} {}: {}", calls.lost(), words::counts(&calls.lost)))
        });
        rows.add_row([&phase.name, &format!("{:.1} s", phase.took), &sent, &lost]);
    }
    let (sent, lost) = passage.totals();
    let word = if passage.passed { "PASSED" } else { "FAILED" };
    let mut said = format!("of {sent} requests {} lost", if lost == 0 { "none".to_owned() } else { lost.to_string() });
    if lost > 0 && passage.passed {
        said.push_str(", all of them while the pods that should have answered were restarted");
    }
    format!("{}\n{word}  {}: {}; {said}\n", table_text(&rows), passage.lab, passage.what)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::verdict::{Calls, Phase};

    #[test]
    fn lost_requests_are_told_with_their_phase_and_reason() {
        let calls = |lost: &[(&str, u32)]| Calls {
            sent: 40,
            lost: lost.iter().map(|(why, n)| ((*why).to_owned(), *n)).collect(),
        };
        let phase = |name: &str, lost: &[(&str, u32)]| Phase {
            name: name.to_owned(),
            restarts: false,
            took: 2.0,
            calls: BTreeMap::from([("c1".to_owned(), calls(lost))]),
        };
        let phases = vec![phase("istiod", &[]), phase("workloads", &[("status 503", 2)])];
        let text = passage_text(&Passage::of("a", "root certificate replaced", phases));
        assert!(text.contains("FAILED  a: root certificate replaced; of 80 requests 2 lost"), "{text}");
        let line = text.lines().find(|l| l.starts_with("workloads")).expect("the phase");
        assert!(line.contains("c1 2: ") && line.contains("status 503"), "{text}");
    }
}
