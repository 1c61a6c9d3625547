//! An explanation for a person.

use std::fmt::Write as _;

use crate::verdict::Explanation;

/// The explanation as text, legible without colour: a line a hop, then the cause, or that the call is answered.
#[must_use]
pub fn explanation_text(explanation: &Explanation) -> String {
    let mut text = format!("{} calls {} in {}\n\n", explanation.from, explanation.service, explanation.to);
    let width = explanation.hops.iter().map(|h| h.name.len()).max().unwrap_or(0);
    for hop in &explanation.hops {
        let (mark, found) = match &hop.finding {
            None => ("ok    ", hop.found.as_str()),
            Some(finding) => ("BROKEN", finding.evidence.as_str()),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark}  {:<width$}  {found}", hop.name);
    }
    match explanation.finding() {
        Some(finding) => {
            let _ = writeln!(text, "\ncause:    {}\nremedy:   {}", finding.cause, finding.remedy);
        }
        None => {
            let _ = writeln!(text, "\n{} answers {}: nothing on the way is broken", explanation.to, explanation.from);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Finding, Hop};

    fn explanation(finding: Option<Finding>) -> Explanation {
        let hops = vec![
            Hop { name: "name", found: "Service sample/helloworld, 10.201.7.7".into(), finding: None },
            Hop { name: "remote secret", found: String::new(), finding },
        ];
        let (from, to, service) = ("c1".into(), "c2".into(), "helloworld.sample:5000/hello".into());
        Explanation { lab: "two".into(), from, to, service, hops }
    }

    #[test]
    fn a_broken_hop_is_the_last_line() {
        let finding = Finding {
            cause: "istiod of c1 does not watch c2".into(),
            evidence: "Secret istio-system/istio-remote-secret-c2 does not exist in c1".into(),
            remedy: "lab up two".into(),
        };
        assert_eq!(
            explanation_text(&explanation(Some(finding))),
            "c1 calls helloworld.sample:5000/hello in c2\n\n\
             ok      name           Service sample/helloworld, 10.201.7.7\n\
             BROKEN  remote secret  Secret istio-system/istio-remote-secret-c2 does not exist in c1\n\n\
             cause:    istiod of c1 does not watch c2\nremedy:   lab up two\n"
        );
        assert!(explanation_text(&explanation(None)).ends_with("c2 answers c1: nothing on the way is broken\n"));
    }
}
