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

/// A stop and a start of one helloworld, as its own cluster's caller saw it.
#[derive(Clone, Debug, Default)]
pub struct Outage {
    /// Answers since the request to scale to none.
    pub stopped: Vec<Moment>,
    /// Answers since the request to scale back.
    pub started: Vec<Moment>,
}

/// Clusters and versions that an outage is about.
#[derive(Clone, Copy, Debug)]
pub struct Roles<'a> {
    /// The cluster whose helloworld is stopped, and its version.
    pub home: (&'a str, &'a str),
    /// The cluster that must answer instead, and its version.
    pub next: (&'a str, &'a str),
}

/// What the measure of failed requests is about.
pub const FAILED_MEANWHILE: &str = "requests that failed meanwhile";

impl Outage {
    /// The first moment at which another version than the stopped one answered.
    #[must_use]
    pub fn moved(moments: &[Moment], home: &str) -> Option<usize> {
        moments.iter().position(|m| matches!(&m.answer, Answer::Version(v) if v != home))
    }

    /// The first moment at which the version that was stopped answered.
    #[must_use]
    pub fn returned(moments: &[Moment], home: &str) -> Option<usize> {
        moments.iter().position(|m| matches!(&m.answer, Answer::Version(v) if v == home))
    }

    /// What was measured, and what is wrong: once another version has answered, every answer must be the next cluster's; and the stopped one
    /// must answer again once it is back. Requests that fail before that are measured, not judged.
    #[must_use]
    pub fn judge(&self, roles: Roles<'_>) -> (Vec<Measure>, Vec<String>) {
        let (home, next) = (roles.home, roles.next);
        let (mut measures, mut problems) = (Vec::new(), Vec::new());
        let mut measure = |what: String, value: f64, unit: &str| {
            measures.push(Measure { what, value, unit: unit.to_owned() });
        };
        let failed = |moments: &[Moment]| {
            let failures = moments.iter().filter(|m| matches!(m.answer, Answer::Failure(_))).count();
            f64::from(u32::try_from(failures).unwrap_or(u32::MAX))
        };
        let Some(moved) = Self::moved(&self.stopped, home.1) else {
            measure(FAILED_MEANWHILE.to_owned(), failed(&self.stopped), "");
            problems.push(format!("nobody else answered after helloworld was stopped in {}", home.0));
            return (measures, problems);
        };
        let (before, after) = self.stopped.split_at(moved);
        measure(format!("until {} answers instead of {}", next.0, home.0), seconds(after[0].millis), "s");
        measure(FAILED_MEANWHILE.to_owned(), failed(before), "");
        let is_next = |m: &&Moment| matches!(&m.answer, Answer::Version(v) if v == next.1);
        let others: Vec<&Moment> = after.iter().filter(|m| !is_next(m)).collect();
        if let Some(first) = others.first() {
            let what = match &first.answer {
                Answer::Version(version) => format!("came from {version}"),
                Answer::Failure(error) => format!("was {error}"),
            };
            problems.push(format!(
                "while {} was stopped, {} of {} answers were not from {} in {}; the first of them {what}",
                home.0,
                others.len(),
                after.len(),
                next.1,
                next.0
            ));
        }
        match Self::returned(&self.started, home.1) {
            Some(returned) => {
                let (on_the_way, _) = self.started.split_at(returned);
                measure(format!("until {} answers again", home.0), seconds(self.started[returned].millis), "s");
                measure("requests that failed on the way back".to_owned(), failed(on_the_way), "");
            }
            None => problems.push(format!("helloworld of {} was started again and did not answer", home.0)),
        }
        (measures, problems)
    }
}

fn seconds(millis: u64) -> f64 {
    Measure::rounded(millis, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: Roles<'_> = Roles { home: ("c1", "v1"), next: ("c2", "v2") };

    fn moments(answers: &[(u64, &str)]) -> Vec<Moment> {
        let answer = |text: &str| match text {
            "503" => Answer::Failure("status 503".to_owned()),
            version => Answer::Version(version.to_owned()),
        };
        answers.iter().map(|(millis, text)| Moment { millis: *millis, answer: answer(text) }).collect()
    }

    fn judge(stopped: &[(u64, &str)], started: &[(u64, &str)]) -> (Vec<String>, Vec<String>) {
        let outage = Outage { stopped: moments(stopped), started: moments(started) };
        let (measures, problems) = outage.judge(ROLES);
        (measures.iter().map(Measure::to_string).collect(), problems)
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
