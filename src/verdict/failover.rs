//! Failover: what answered while the nearest helloworld was gone.

use super::{Answer, Measure};

/// An answer with its time, from one request to scale to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the request to scale.
    pub millis: u64,
    /// What came back.
    pub answer: Answer,
}

/// Who answers together: a level of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// Each place, as `c1` or `c1/a`, with its versions of helloworld.
    pub places: Vec<(String, Vec<String>)>,
}

impl Answering {
    /// Their names, as `c2, c3`.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.places.iter().map(|(place, _)| place.as_str()).collect();
        names.join(", ")
    }

    /// Their versions.
    pub fn versions(&self) -> impl Iterator<Item = &String> {
        self.places.iter().flat_map(|(_, versions)| versions)
    }

    /// Whether an answer is from one of them.
    #[must_use]
    pub fn gave(&self, answer: &Answer) -> bool {
        matches!(answer, Answer::Version(version) if self.versions().any(|v| v == version))
    }
}

/// Stops of one level of an order after the other, and a start of all of them, as a caller in the first one saw it.
#[derive(Clone, Debug, Default)]
pub struct Outage {
    /// Answers since the request to scale each level to none, the first level first.
    pub stopped: Vec<Vec<Moment>>,
    /// Answers since the requests to scale back.
    pub started: Vec<Moment>,
}

/// What the measure of failed requests is about.
pub const FAILED_MEANWHILE: &str = "requests that failed meanwhile";

/// So many answers in a row show that nobody else answers.
const STEADY: usize = 20;
/// So many answers after a stop must all be of those who are to answer then.
pub const AWAY_ANSWERS: usize = 100;

impl Outage {
    /// The first moment at which somebody answered who is not stopped. Where several stop at once it is the first after which only such answer: the next
    /// level answers a part of the calls already when one of them is gone, since Envoy sends it what the others may not carry.
    #[must_use]
    pub fn moved(moments: &[Moment], stopped: &[Answering]) -> Option<usize> {
        let is_other =
            |m: &Moment| matches!(m.answer, Answer::Version(_)) && !stopped.iter().any(|l| l.gave(&m.answer));
        let run = if stopped.last().is_some_and(|l| l.places.len() > 1) { AWAY_ANSWERS } else { 1 };
        moments.windows(run).position(|moments| moments.iter().all(is_other))
    }

    /// The first moment at which the first level, which was stopped, answered.
    #[must_use]
    pub fn returned(moments: &[Moment], home: &Answering) -> Option<usize> {
        moments.iter().position(|m| home.gave(&m.answer))
    }

    /// Whether nobody else has answered lately.
    #[must_use]
    pub fn is_steady(moments: &[Moment], home: &Answering) -> bool {
        let lately = moments.len().checked_sub(STEADY).map(|start| &moments[start..]);
        lately.is_some_and(|lately| lately.iter().all(|m| home.gave(&m.answer)))
    }

    /// What was measured, and what is wrong: once somebody else has answered, every answer must be the next level's, and each place of that must
    /// have given some; and the first must answer again once it is back. Requests that fail before that are measured, not judged.
    ///
    /// `levels` is the order; one more of them than were stopped.
    #[must_use]
    pub fn judge(&self, levels: &[Answering]) -> (Vec<Measure>, Vec<String>) {
        let (mut measures, mut problems) = (Vec::new(), Vec::new());
        for (i, (moments, pair)) in self.stopped.iter().zip(levels.windows(2)).enumerate() {
            if !judge_stop(moments, (&levels[..=i], &pair[1]), &mut measures, &mut problems) {
                return (measures, problems);
            }
        }
        let Some(home) = levels.first() else { return (measures, problems) };
        match Self::returned(&self.started, home) {
            Some(returned) => {
                let (on_the_way, _) = self.started.split_at(returned);
                let back = seconds(self.started[returned].millis);
                measures.push(measure(format!("until {} answers again", home.name()), back, "s"));
                measures.push(measure("requests that failed on the way back".to_owned(), failed(on_the_way), ""));
            }
            None => problems.push(format!("helloworld of {} was started again and did not answer", home.name())),
        }
        (measures, problems)
    }
}

/// Judges the answers since the last of these levels was stopped. `false` when nobody else answered.
fn judge_stop(
    moments: &[Moment],
    (stopped, next): (&[Answering], &Answering),
    measures: &mut Vec<Measure>,
    problems: &mut Vec<String>,
) -> bool {
    let all: Vec<&str> = stopped.iter().flat_map(|l| &l.places).map(|(place, _)| place.as_str()).collect();
    let names = match all.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    };
    let last = stopped.last().map(Answering::name).unwrap_or_default();
    let Some(moved) = Outage::moved(moments, stopped) else {
        measures.push(measure(FAILED_MEANWHILE.to_owned(), failed(moments), ""));
        // Of several that stop at once, the one that is left hinders nobody from answering.
        let alone = if stopped.last().is_some_and(|l| l.places.len() > 1) { " alone" } else { "" };
        problems.push(format!("nobody else answered{alone} after helloworld was stopped in {names}"));
        return false;
    };
    let (before, after) = moments.split_at(moved);
    let until = format!("until {} answers instead of {last}", next.name());
    measures.push(measure(until, seconds(after[0].millis), "s"));
    measures.push(measure(FAILED_MEANWHILE.to_owned(), failed(before), ""));
    let was = if all.len() == 1 { "was" } else { "were" };
    let others: Vec<&Moment> = after.iter().filter(|m| !next.gave(&m.answer)).collect();
    if let Some(first) = others.first() {
        let what = match &first.answer {
            Answer::Version(version) => format!("came from {version}"),
            Answer::Failure(error) => format!("was {error}"),
        };
        let versions: Vec<&str> = next.versions().map(String::as_str).collect();
        problems.push(format!(
            "while {names} {was} stopped, {} of {} answers were not from {} in {}; the first of them {what}",
            others.len(),
            after.len(),
            versions.join(" or "),
            next.name()
        ));
    }
    for (place, versions) in &next.places {
        let alone = Answering { places: vec![(place.clone(), versions.clone())] };
        if !after.iter().any(|m| alone.gave(&m.answer)) {
            problems.push(format!("while {names} {was} stopped, {place} gave none of {} answers", after.len()));
        }
    }
    true
}

fn measure(what: String, value: f64, unit: &str) -> Measure {
    Measure { what, value, unit: unit.to_owned() }
}

fn failed(moments: &[Moment]) -> f64 {
    let failures = moments.iter().filter(|m| matches!(m.answer, Answer::Failure(_))).count();
    f64::from(u32::try_from(failures).unwrap_or(u32::MAX))
}

fn seconds(millis: u64) -> f64 {
    Measure::rounded(millis, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(places: &[(&str, &str)]) -> Answering {
        let place = |(place, version): &(&str, &str)| ((*place).to_owned(), vec![(*version).to_owned()]);
        Answering { places: places.iter().map(place).collect() }
    }

    fn moments(answers: &[(u64, &str)]) -> Vec<Moment> {
        let answer = |text: &str| match text {
            "503" => Answer::Failure("status 503".to_owned()),
            version => Answer::Version(version.to_owned()),
        };
        answers.iter().map(|(millis, text)| Moment { millis: *millis, answer: answer(text) }).collect()
    }

    fn judge(stopped: &[(u64, &str)], started: &[(u64, &str)]) -> (Vec<String>, Vec<String>) {
        in_turn(&[level(&[("c1", "v1")]), level(&[("c2", "v2")])], &[stopped], started)
    }

    fn in_turn(
        levels: &[Answering],
        stopped: &[&[(u64, &str)]],
        started: &[(u64, &str)],
    ) -> (Vec<String>, Vec<String>) {
        let outage = Outage { stopped: stopped.iter().map(|s| moments(s)).collect(), started: moments(started) };
        let (measures, problems) = outage.judge(levels);
        (measures.iter().map(Measure::to_string).collect(), problems)
    }

    #[test]
    fn levels_are_lost_in_turn_and_a_tie_answers_as_one() {
        let levels = [level(&[("c1/a", "v1-a")]), level(&[("c1/b", "v1-b")]), level(&[("c2", "v2"), ("c3", "v3")])];
        let first = &[(9, "v1-a"), (300, "v1-b"), (320, "v1-b")][..];
        let second = &[(9, "v1-b"), (200, "503"), (700, "v3"), (720, "v2")][..];
        let (measures, problems) = in_turn(&levels, &[first, second], &[(9, "v2"), (50, "v1-b"), (3000, "v1-a")]);
        assert_eq!(
            measures,
            [
                "until c1/b answers instead of c1/a: 0.3 s",
                "requests that failed meanwhile: 0",
                "until c2, c3 answers instead of c1/b: 0.7 s",
                "requests that failed meanwhile: 1",
                "until c1/a answers again: 3 s",
                "requests that failed on the way back: 0",
            ]
        );
        assert_eq!(problems, Vec::<String>::new());
        let alone = &[(700, "v3"), (720, "v3")][..];
        let (_, problems) = in_turn(&levels, &[first, alone], &[(1, "v1-a")]);
        assert_eq!(problems, ["while c1/a and c1/b were stopped, c2 gave none of 2 answers"]);
        let (_, problems) = in_turn(&levels, &[&[(1, "v3"), (2, "v1-b")], second], &[(1, "v1-a")]);
        assert_eq!(
            problems,
            ["while c1/a was stopped, 1 of 2 answers were not from v1-b in c1/b; the first of them came from v3"]
        );
    }

    #[test]
    fn those_of_a_tie_may_answer_until_the_last_of_them_is_gone() {
        let levels = [level(&[("c1/a", "v1-a")]), level(&[("c1/b", "v1-b"), ("c1/c", "v1-c")]), level(&[("c2", "v2")])];
        let first = &[(300, "v1-b"), (320, "v1-c")][..];
        let mut second = vec![(9, "v1-b"), (200, "v2"), (220, "v1-c"), (1300, "503")];
        let back = &[(1, "v1-a")];
        let unsettled = second.clone();
        second.extend([(1660, "v2")].repeat(AWAY_ANSWERS));
        let (measures, problems) = in_turn(&levels, &[first, &second], back);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            measures[2..4],
            ["until c2 answers instead of c1/b, c1/c: 1.66 s", "requests that failed meanwhile: 1"]
        );
        let (_, problems) = in_turn(&levels, &[first, &unsettled], back);
        assert_eq!(problems, ["nobody else answered alone after helloworld was stopped in c1/a, c1/b and c1/c"]);
        second.push((1700, "v1-c"));
        let (_, problems) = in_turn(&levels, &[first, &second], back);
        assert_eq!(
            problems,
            [
                "while c1/a, c1/b and c1/c were stopped, 1 of 101 answers were not from v2 in c2; the first of them came from v1-c"
            ]
        );
    }

    #[test]
    fn a_place_is_steady_when_nobody_else_has_answered_lately() {
        let home = level(&[("c1", "v1")]);
        let mut answers = vec![(1, "v2")];
        answers.extend([(2, "v1")].repeat(STEADY - 1));
        assert!(!Outage::is_steady(&moments(&answers), &home));
        answers.push((3, "v1"));
        assert!(Outage::is_steady(&moments(&answers), &home));
        assert!(!Outage::is_steady(&moments(&[(1, "v1")]), &home));
    }

    #[test]
    fn measures_the_way_there_and_back() {
        let (measures, problems) =
            judge(&[(10, "v1"), (400, "503"), (440, "v2"), (460, "v2")], &[(20, "v2"), (5400, "v1")]);
        assert_eq!(
            measures,
            [
                "until c2 answers instead of c1: 0.44 s",
                "requests that failed meanwhile: 1",
                "until c1 answers again: 5.4 s",
                "requests that failed on the way back: 0",
            ]
        );
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn the_wrong_cluster_or_a_failure_is_red() {
        let back = &[(5, "v1")];
        let (_, problems) = judge(&[(1, "v3"), (2, "v2")], back);
        assert_eq!(
            problems,
            ["while c1 was stopped, 1 of 2 answers were not from v2 in c2; the first of them came from v3"]
        );
        assert_eq!(judge(&[(1, "v2"), (2, "503")], back).1.len(), 1);
        assert_eq!(judge(&[(1, "v2"), (2, "v1")], back).1.len(), 1);
    }

    #[test]
    fn nobody_there_and_nobody_back_is_red() {
        let (measures, problems) = judge(&[(1, "v1"), (2, "503")], &[]);
        assert_eq!(measures, ["requests that failed meanwhile: 1"]);
        assert_eq!(problems, ["nobody else answered after helloworld was stopped in c1"]);
        let (_, problems) = judge(&[(1, "v2")], &[(1, "v2")]);
        assert_eq!(problems, ["helloworld of c1 was started again and did not answer"]);
    }
}
