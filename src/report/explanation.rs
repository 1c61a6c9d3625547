//! An explanation for a person.

use std::fmt::Write as _;

use crate::verdict::Explanation;

/// The explanation as text, legible without colour: a line a hop, then the cause, or that the call is answered.
#[must_use]
pub fn explanation_text(explanation: &Explanation) -> String {
    let Explanation { from, to, service, .. } = explanation;
    let place = if explanation.is_of_host() { String::new() } else { format!(" in {to}") };
    let mut text = format!("{from} calls {service}{place}\n\n");
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
            let _ = writeln!(text, "\n{}", sentence(explanation));
        }
    }
    text
}

/// Who answers, where nothing is broken.
fn sentence(explanation: &Explanation) -> String {
    let Explanation { from, to, .. } = explanation;
    let clusters = explanation.answered.iter().flat_map(|a| a.clusters.keys());
    let others: Vec<&str> = clusters.map(String::as_str).filter(|c| c != to).collect();
    match &explanation.answered {
        _ if explanation.is_of_host() => format!("{to} answers {from}: nothing on the way is broken"),
        Some(answered) if !answered.is_from(to) && others.is_empty() => {
            format!("{from} gets an answer; which cluster sent it is unknown")
        }
        Some(answered) if !answered.is_from(to) => {
            format!(
                "{from} gets an answer, from {} and not from {to}: nothing on the way is broken",
                others.join(" and ")
            )
        }
        _ => format!("{to} answers {from}: nothing on the way is broken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Answered, Finding, Hop};

    fn explanation(finding: Option<Finding>) -> Explanation {
        let hops = vec![
            Hop { name: "name", found: "Service sample/helloworld, 10.201.7.7".into(), finding: None },
            Hop { name: "remote secret", found: String::new(), finding },
        ];
        let (from, to, service) = ("c1".into(), "c2".into(), "helloworld.sample:5000/hello".into());
        Explanation { lab: "two".into(), from, to, service, hops, answered: None }
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

    #[test]
    fn who_answers_in_place_of_the_named_cluster_is_said() {
        let by = |cluster: &str| {
            let clusters = [(cluster.to_owned(), 31)].into();
            let answered = Answered { requests: 31, clusters, ..Answered::default() };
            explanation_text(&Explanation { answered: Some(answered), ..explanation(None) })
        };
        let host = Explanation { to: "a.example".into(), service: "http://a.example:80/".into(), ..explanation(None) };
        let told = explanation_text(&host);
        assert!(
            told.starts_with("c1 calls http://a.example:80/\n") && told.contains("\na.example answers c1"),
            "{told}"
        );
        assert!(by("c2").ends_with("c2 answers c1: nothing on the way is broken\n"));
        assert!(by("c1").ends_with("c1 gets an answer, from c1 and not from c2: nothing on the way is broken\n"));
    }
}
