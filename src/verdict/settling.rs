//! When a source that was red counts as well: no check passes because it was made often enough.

use super::{Endpoint, MISSED, SourceVerdict, silent};

/// No proof needs more calls than these: below one failure in so many, a check that sends fewer would not see it either.
const MOST_CALLS: u32 = 2_000;
/// Chance at most that rounds which are red by chance are taken for rounds that are well. A round costs more than a call.
const ROUNDS_MISSED: f64 = 1e-3;

/// The rounds of calls of one source while its lab settles.
///
/// Before the lab has settled, failures are forgiven; but a pass after a failure must not be luck. So what went wrong once must be seen to have ended:
///
/// - After a round of n calls of which w went wrong, calls pass only if so many of them in a row are well that their chance, if w of n + 1 still
///   went wrong, is below [`MISSED`]; at most [`MOST_CALLS`]. One wrong call of five takes 76, one of one takes 20. The most that any round asks for
///   holds until the end.
/// - After rounds that were red for what no single call shows (a version that is missing, a share, a time, more failures than are allowed), so
///   many rounds in a row must be well, by the same rule, with a chance below 1e-3: after the first one ten.
/// - Once any round was red, an endpoint to which requests go and which answers none, while others answer, is red, though Envoy tries again elsewhere
///   and the caller sees nothing of it.
///
/// Endpoints that are not there yet and callers that cannot be asked are not a matter of chance, and ask for nothing more.
#[derive(Clone, Debug, Default)]
pub struct Settling {
    /// So many calls in a row must be well.
    calls: u32,
    /// So many rounds in a row must be well.
    rounds: u32,
    /// Rounds since the first, and those that were red for what no single call shows.
    all: u32,
    red: u32,
    /// Rounds that were well since the last that was not.
    well: u32,
    was_red: bool,
}

/// How a source stands after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It passes.
    Well,
    /// The round was well, and so many more must be.
    Unproven(u32),
    /// The round was red.
    Red,
}

impl Settling {
    /// Calls of the next round, where its judgement needs `requests`.
    #[must_use]
    pub fn calls(&self, requests: u32) -> u32 {
        requests.max(self.calls)
    }

    /// Takes in a round. One that counts as red for an endpoint that answers nothing is told so.
    pub fn judge(&mut self, round: &mut SourceVerdict) -> Standing {
        self.all += 1;
        if self.was_red && round.passed {
            let dead: Vec<String> = silent(&round.endpoints).map(Endpoint::answers_nothing).collect();
            round.passed = dead.is_empty();
            round.problems.extend(dead);
        }
        if round.passed {
            self.well += 1;
            return match self.rounds.saturating_sub(self.well) {
                0 => Standing::Well,
                more => Standing::Unproven(more),
            };
        }
        self.was_red = true;
        self.well = 0;
        let unexpected = round.unexpected.iter().filter_map(|v| round.versions.get(v));
        let wrong = round.failures + unexpected.sum::<u32>();
        if wrong > 0 && round.allowed_failures == 0 {
            let needed = in_a_row(wrong, round.requests, MISSED).min(MOST_CALLS);
            self.calls = self.calls.max(needed);
        } else if round.requests > 0 && round.endpoint_problems.is_empty() {
            self.red += 1;
            self.rounds = in_a_row(self.red, self.all, ROUNDS_MISSED);
        }
        Standing::Red
    }
}

/// How many in a row must be well, so that it is less likely than `chance` if `wrong` of `all` and one more go wrong on average.
fn in_a_row(wrong: u32, all: u32, chance: f64) -> u32 {
    let share = f64::from(wrong) / (f64::from(all.max(wrong)) + 1.0);
    (1..MOST_CALLS).find(|&n| f64::from(n) * (1.0 - share).ln() < chance.ln()).unwrap_or(MOST_CALLS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Answer, Observation, rotation};

    /// A round of a check that any answer with status 200 passes.
    fn round(requests: u32, failures: u32) -> SourceVerdict {
        SourceVerdict { requests, failures, passed: failures == 0, ..SourceVerdict::default() }
    }

    fn judged(settling: &mut Settling, mut round: SourceVerdict) -> Standing {
        settling.judge(&mut round)
    }

    /// Whether one call of a sequence that repeats itself without an end is well, each `modulus`-th on average not.
    struct Calls {
        state: u32,
        modulus: u32,
    }

    impl Calls {
        fn is_well(&mut self) -> bool {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            !(self.state >> 16).is_multiple_of(self.modulus)
        }

        /// A round as a check makes it: five failures decide.
        fn round(&mut self, requests: u32) -> SourceVerdict {
            let (mut sent, mut failures) = (0, 0);
            while sent < requests && failures < 5 {
                sent += 1;
                failures += u32::from(!self.is_well());
            }
            round(sent, failures)
        }
    }

    #[test]
    fn a_source_that_is_well_at_once_passes_at_once() {
        let mut settling = Settling::default();
        assert_eq!(settling.calls(5), 5);
        assert_eq!(judged(&mut settling, round(5, 0)), Standing::Well);
    }

    /// One of two endpoints is dead. Asked again and again five times, five of five are well by chance soon.
    #[test]
    fn no_source_passes_because_it_was_asked_often_enough() {
        for seed in 0..50 {
            let mut calls = Calls { state: seed, modulus: 2 };
            let mut settling = Settling::default();
            // What a first round does not see nothing can tell.
            let mut first = round(5, 1);
            settling.judge(&mut first);
            let passed = (0..200).any(|_| {
                let mut round = calls.round(settling.calls(5));
                settling.judge(&mut round) == Standing::Well
            });
            assert!(!passed, "seed {seed}");
        }
    }

    #[test]
    fn so_many_calls_must_be_well_as_the_share_of_wrong_ones_asks_for() {
        let needed = |requests, failures| {
            let mut settling = Settling::default();
            assert_eq!(judged(&mut settling, round(requests, failures)), Standing::Red);
            settling.calls(5)
        };
        assert_eq!([needed(1, 1), needed(5, 1), needed(5, 5), needed(100, 1)], [20, 76, 8, 1389]);
        assert_eq!(needed(1_000_000, 1), MOST_CALLS);
        // The most that was asked for holds, though all fail later.
        let mut settling = Settling::default();
        judged(&mut settling, round(5, 1));
        judged(&mut settling, round(5, 5));
        assert_eq!(settling.calls(5), 76);
        assert_eq!(judged(&mut settling, round(76, 0)), Standing::Well);
    }

    #[test]
    fn a_version_that_should_not_answer_is_a_wrong_call() {
        let mut settling = Settling::default();
        let answers = ["v1", "v1", "v1", "v2"].map(|v| Answer::Version(v.to_owned())).to_vec();
        let seen = Observation { answers, ..Observation::default() };
        judged(&mut settling, rotation("r", "c1", 4, &["v1".to_owned()], seen));
        assert_eq!(settling.calls(4), 62);
    }

    #[test]
    fn what_no_single_call_shows_must_be_well_several_rounds_in_a_row() {
        let missing = || SourceVerdict { requests: 31, missing: vec!["v2".into()], ..SourceVerdict::default() };
        let mut settling = Settling::default();
        judged(&mut settling, missing());
        let standings: Vec<Standing> = (0..10).map(|_| judged(&mut settling, round(31, 0))).collect();
        assert_eq!((standings[0], standings[9]), (Standing::Unproven(9), Standing::Well));
        // Those before it do not count after another one that is red.
        judged(&mut settling, missing());
        assert!(matches!(judged(&mut settling, round(31, 0)), Standing::Unproven(_)));
    }

    #[test]
    fn what_is_not_there_yet_is_no_matter_of_chance() {
        let mut settling = Settling::default();
        let absent = SourceVerdict {
            requests: 31,
            missing: vec!["v2".into()],
            endpoint_problems: vec!["10.1.0.5:5000 is missing".into()],
            ..SourceVerdict::default()
        };
        judged(&mut settling, absent);
        judged(&mut settling, SourceVerdict { errors: [("no running pod".into(), 1)].into(), ..round(0, 0) });
        let broken = SourceVerdict { passed: false, ..round(0, 0) };
        assert_eq!(judged(&mut settling, broken), Standing::Red);
        assert_eq!(judged(&mut settling, round(31, 0)), Standing::Well);
    }

    #[test]
    fn failures_that_are_allowed_are_not_counted_against_a_pass() {
        let mut settling = Settling::default();
        judged(&mut settling, SourceVerdict { allowed_failures: 4, passed: false, ..round(60, 5) });
        assert_eq!(settling.calls(60), 60);
        let tolerated = SourceVerdict { allowed_failures: 4, passed: true, ..round(60, 3) };
        assert_eq!(judged(&mut settling, tolerated), Standing::Unproven(9));
    }

    #[test]
    fn after_a_failure_an_endpoint_that_answers_nothing_is_red_though_nobody_notices() {
        let endpoint = |address: &str, requests, answers| Endpoint {
            address: address.to_owned(),
            requests,
            answers,
            ..Endpoint::default()
        };
        let hidden = || SourceVerdict {
            endpoints: vec![endpoint("10.1.0.5:5000", 76, 76), endpoint("10.1.0.6:5001", 30, 0)],
            ..round(76, 0)
        };
        // A retry that hides it may be what the check is about.
        assert_eq!(judged(&mut Settling::default(), hidden()), Standing::Well);
        let mut settling = Settling::default();
        judged(&mut settling, round(5, 1));
        let mut again = hidden();
        assert_eq!(settling.judge(&mut again), Standing::Red);
        let told = "10.1.0.6:5001 answered none of 30 requests, and Envoy tried again elsewhere";
        assert_eq!((again.passed, again.problems), (false, vec![told.to_owned()]));
        // One that was taken out gets none, and where nothing is answered by anybody that is what is expected.
        let out = SourceVerdict { endpoints: vec![endpoint("10.1.0.6:5001", 0, 0)], ..round(76, 0) };
        assert!(matches!(judged(&mut settling, out), Standing::Unproven(_)));
    }
}
