//! What callers saw while a member of a federation was lost and came back.

use std::collections::BTreeSet;

use super::{Answer, Measure, Moment};

/// Calls that stay out of harm's way one after the other, before a loss counts as weathered.
const CALM: usize = 20;
/// Calls that show who answers: one in five is missed by so many with a chance of 2e-10.
pub const WINDOW: usize = 100;

/// The calls of one caller. Times count from when the member was frozen, and from when it went on.
#[derive(Clone, Debug)]
pub struct Loss<'a> {
    /// The cluster that calls.
    pub from: &'a str,
    /// The member that is lost.
    pub lost: &'a str,
    /// The latest calls before anything happened, as many as [`WINDOW`].
    pub before: Vec<Moment>,
    /// Calls since it was frozen.
    pub away: Vec<Moment>,
    /// Calls since it went on.
    pub back: Vec<Moment>,
}

/// Whether the latest calls were all answered, the earlier half of them by the same as the later: an app that is being updated answers otherwise.
#[must_use]
pub fn is_settled(moments: &[Moment]) -> bool {
    let Some(latest) = moments.len().checked_sub(WINDOW).map(|start| &moments[start..]) else { return false };
    let (earlier, later) = latest.split_at(WINDOW / 2);
    latest.iter().all(|m| matches!(m.answer, Answer::Version(_))) && versions(earlier) == versions(later)
}

/// Whether the latest calls were all answered.
#[must_use]
pub fn is_calm(moments: &[Moment]) -> bool {
    moments.len() >= CALM && moments[moments.len() - CALM..].iter().all(|m| matches!(m.answer, Answer::Version(_)))
}

/// Whether the latest calls were all answered, and by everybody who answered before.
#[must_use]
pub fn is_as_before(moments: &[Moment], before: &[Moment]) -> bool {
    let latest = &moments[moments.len().saturating_sub(WINDOW)..];
    is_calm(moments) && versions(latest) == versions(before)
}

fn versions(moments: &[Moment]) -> BTreeSet<&str> {
    moments.iter().filter_map(|m| if let Answer::Version(v) = &m.answer { Some(v.as_str()) } else { None }).collect()
}

impl Loss<'_> {
    /// What was measured, and what is wrong: calls that fail in between are measured, not judged, but they must end, and everybody must answer
    /// again when all is as before.
    #[must_use]
    pub fn judge(&self) -> (Vec<Measure>, Vec<String>) {
        let Loss { from, lost, before, away, back } = self;
        if !is_settled(before) {
            let problem =
                format!("calls from {from} were not all answered, or by others each time, before {lost} was lost");
            return (Vec::new(), vec![problem]);
        }
        let (mut measures, mut problems) = (Vec::new(), Vec::new());
        let mut phase = |moments: &[Moment], when: &str| {
            let failed: Vec<&Moment> = moments.iter().filter(|m| matches!(m.answer, Answer::Failure(_))).collect();
            let last = failed.last().map_or(0, |m| m.millis);
            let count = f64::from(u32::try_from(failed.len()).unwrap_or(u32::MAX));
            let what = |what: &str| format!("{what} from {from} {when}");
            measures.push(Measure { what: what("calls that failed"), value: count, unit: String::new() });
            let value = Measure::rounded(last, 1000);
            measures.push(Measure { what: what("until the last failed call"), value, unit: "s".to_owned() });
        };
        phase(away, &format!("while {lost} was lost"));
        phase(back, &format!("when {lost} came back"));
        if !is_calm(away) {
            problems.push(format!("calls from {from} did not stop failing while {lost} was lost"));
        }
        if !is_as_before(back, before) {
            let latest = &back[back.len().saturating_sub(WINDOW)..];
            problems.push(format!(
                "calls from {from} were answered by [{}] before {lost} was lost, and by [{}] in the end",
                join(&versions(before)),
                join(&versions(latest))
            ));
        }
        (measures, problems)
    }
}

fn join(versions: &BTreeSet<&str>) -> String {
    versions.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many answers of each in turn, one every ten milliseconds; `-` is a failure.
    fn calls(answers: &[(&str, usize)]) -> Vec<Moment> {
        let all = answers.iter().flat_map(|(who, count)| std::iter::repeat_n(*who, *count));
        let answer = |who: &str| match who {
            "-" => Answer::Failure("no answer".to_owned()),
            version => Answer::Version(version.to_owned()),
        };
        all.zip((0..).step_by(10)).map(|(who, millis)| Moment { millis, answer: answer(who) }).collect()
    }

    fn judge(away: &[(&str, usize)], back: &[(&str, usize)]) -> (Vec<String>, Vec<String>) {
        let before = calls(&[("eu", 20), ("ap", 15), ("us", 30), ("ap", 15), ("eu", 20)]);
        let loss = Loss { from: "eu", lost: "ap", before, away: calls(away), back: calls(back) };
        let (measures, problems) = loss.judge();
        (measures.iter().map(Measure::to_string).collect(), problems)
    }

    #[test]
    fn failures_are_measured_until_they_end() {
        let (measures, problems) =
            judge(&[("eu", 3), ("-", 2), ("us", 20)], &[("us", 90), ("eu", 50), ("us", 10), ("ap", 20)]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            measures,
            [
                "calls that failed from eu while ap was lost: 2",
                "until the last failed call from eu while ap was lost: 0.04 s",
                "calls that failed from eu when ap came back: 0",
                "until the last failed call from eu when ap came back: 0 s",
            ]
        );
    }

    #[test]
    fn failures_that_do_not_end_are_red() {
        let back = &[("eu", 30), ("us", 30), ("ap", 30)];
        let (_, problems) = judge(&[("eu", 50), ("-", 1), ("eu", 19)], back);
        assert_eq!(problems, ["calls from eu did not stop failing while ap was lost"]);
        assert_eq!(judge(&[], back).1.len(), 1, "no call is no answer");
    }

    #[test]
    fn who_answers_no_more_is_missed() {
        let (_, problems) = judge(&[("eu", 20)], &[("ap", 1), ("eu", 60), ("us", 60)]);
        assert_eq!(
            problems,
            ["calls from eu were answered by [ap, eu, us] before ap was lost, and by [eu, us] in the end"]
        );
        assert_eq!(judge(&[("eu", 20)], &[("eu", 40), ("us", 40), ("ap", 20), ("-", 1)]).1.len(), 1);
    }

    #[test]
    fn what_was_broken_before_says_nothing_of_the_loss() {
        let loss = Loss { from: "eu", lost: "ap", before: calls(&[("-", 30)]), away: Vec::new(), back: Vec::new() };
        assert_eq!(loss.judge().1, ["calls from eu were not all answered, or by others each time, before ap was lost"]);
    }

    #[test]
    fn an_app_that_is_being_updated_has_not_settled() {
        let both = [("eu", 20), ("ap", 30), ("eu", 30), ("ap", 20)];
        assert!(is_settled(&calls(&both)));
        assert!(is_settled(&calls(&[&[("nowhere", 40), ("-", 1)], &both[..]].concat())), "that is over");
        assert!(!is_settled(&calls(&[("nowhere", 40), ("eu", 60)])));
        assert!(!is_settled(&calls(&[("eu", 98), ("-", 1), ("eu", 1)])));
        assert!(!is_settled(&calls(&[("eu", 99)])), "too few to tell");
    }
}
