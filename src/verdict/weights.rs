//! Shares in percent: how many requests tell a split from another one, and which counts are within chance.
//!
//! Envoy draws the target of each request anew by the weights of the route, so a version's count of n answers is binomial. For each version
//! there is an interval of counts outside of which a sound split lands with a chance below [`MAX_ERROR`], shared out over all versions and
//! sources of the check. The number of requests is the least (in tens) for which a split that is off by [`SEEN`] percent points lands
//! inside with a chance below [`MISSED`]. Tails are summed exactly, term by term; nothing is approximated by a normal distribution.

use std::collections::BTreeMap;

use super::MAX_ERROR;

/// A split that is off by so many percent points must be seen.
pub const SEEN: u8 = 15;
/// Chance at most that such a split is taken for the right one.
pub const MISSED: f64 = 1e-6;
/// No split needs more requests.
const MOST: u32 = 20_000;

/// Requests that each of `sources` callers must send to judge these shares.
#[must_use]
pub fn requests_for_weights(weights: &BTreeMap<String, u8>, sources: usize) -> u32 {
    let binomial = Binomial::up_to(MOST);
    let bound = bound(weights.len(), sources);
    let tells = |requests: u32| {
        weights.values().all(|&percent| {
            let (low, high) = binomial.interval(requests, percent, bound);
            let others = [percent.checked_sub(SEEN), percent.checked_add(SEEN).filter(|p| *p <= 100)];
            others.into_iter().flatten().all(|other| binomial.between(requests, other, low, high) < MISSED)
        })
    };
    (10..MOST).step_by(10).find(|&requests| tells(requests)).unwrap_or(MOST)
}

/// The least and the most answers out of `answers` that a version with this share may give.
#[must_use]
pub fn counts_within_chance(answers: u32, percent: u8, versions: usize, sources: usize) -> (u32, u32) {
    Binomial::up_to(answers).interval(answers, percent, bound(versions, sources))
}

/// The chance of a wrong red that one version at one source may take up.
fn bound(versions: usize, sources: usize) -> f64 {
    let judgements = versions.max(1).saturating_mul(sources.max(1));
    MAX_ERROR / f64::from(u32::try_from(judgements).unwrap_or(u32::MAX))
}

/// Binomial probabilities by logarithms of factorials, which do not overflow.
struct Binomial {
    ln_factorial: Vec<f64>,
}

impl Binomial {
    fn up_to(most: u32) -> Self {
        let mut sum = 0.0;
        let logarithms = (1..=most).map(|n| {
            sum += f64::from(n).ln();
            sum
        });
        Self { ln_factorial: std::iter::once(0.0).chain(logarithms).collect() }
    }

    /// Chance of exactly `count` out of `requests`.
    fn exactly(&self, requests: u32, percent: u8, count: u32) -> f64 {
        match percent {
            0 => return if count == 0 { 1.0 } else { 0.0 },
            100.. => return if count == requests { 1.0 } else { 0.0 },
            _ => {}
        }
        let share = f64::from(percent) / 100.0;
        let ln = |n: u32| self.ln_factorial[n as usize];
        let choose = ln(requests) - ln(count) - ln(requests - count);
        (choose + f64::from(count) * share.ln() + f64::from(requests - count) * (1.0 - share).ln()).exp()
    }

    fn between(&self, requests: u32, percent: u8, low: u32, high: u32) -> f64 {
        (low..=high).map(|count| self.exactly(requests, percent, count)).sum()
    }

    /// The interval that is left when either tail is cut off as long as it stays below half of `bound`.
    fn interval(&self, requests: u32, percent: u8, bound: f64) -> (u32, u32) {
        let mut tail = 0.0;
        let mut outside = |count: &u32| {
            tail += self.exactly(requests, percent, *count);
            tail < bound / 2.0
        };
        let low = (0..=requests).find(|count| !outside(count)).unwrap_or(0);
        tail = 0.0;
        let mut outside = |count: &u32| {
            tail += self.exactly(requests, percent, *count);
            tail < bound / 2.0
        };
        let high = (0..=requests).rev().find(|count| !outside(count)).unwrap_or(requests);
        (low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(shares: &[u8]) -> BTreeMap<String, u8> {
        shares.iter().zip(1..).map(|(w, n): (_, u32)| (format!("v{n}"), *w)).collect()
    }

    #[test]
    fn probabilities_are_exact() {
        let binomial = Binomial::up_to(100);
        assert!((binomial.exactly(4, 50, 2) - 0.375).abs() < 1e-12);
        assert!((binomial.exactly(3, 20, 0) - 0.512).abs() < 1e-12);
        assert!((binomial.between(100, 37, 0, 100) - 1.0).abs() < 1e-12);
        assert_eq!((binomial.interval(50, 0, 1e-9), binomial.interval(50, 100, 1e-9)), ((0, 0), (50, 50)));
    }

    #[test]
    fn a_sound_split_is_red_less_often_than_the_bound_and_one_that_is_off_is_seen() {
        for shares in [&[50_u8, 50][..], &[80, 20], &[95, 5], &[100, 0], &[34, 33, 33], &[70, 10, 10, 10]] {
            for sources in [1, 3] {
                let requests = requests_for_weights(&weights(shares), sources);
                let binomial = Binomial::up_to(requests);
                let mut wrong_red = 0.0;
                for &share in shares {
                    let (low, high) = counts_within_chance(requests, share, shares.len(), sources);
                    let below: f64 = (0..low).map(|k| binomial.exactly(requests, share, k)).sum();
                    let above: f64 = (high + 1..=requests).map(|k| binomial.exactly(requests, share, k)).sum();
                    wrong_red += below + above;
                    for other in [share.checked_sub(SEEN), share.checked_add(SEEN).filter(|s| *s <= 100)] {
                        let missed = other.map_or(0.0, |o| binomial.between(requests, o, low, high));
                        assert!(missed < MISSED, "{shares:?}: {other:?} in {low}..={high} of {requests}: {missed}");
                    }
                }
                let sources = f64::from(u32::try_from(sources).expect("few"));
                assert!(wrong_red * sources < MAX_ERROR, "{shares:?}: {wrong_red}");
            }
        }
    }

    #[test]
    fn an_even_split_needs_the_most_requests() {
        let needed = |shares: &[u8]| requests_for_weights(&weights(shares), 1);
        insta::assert_debug_snapshot!([needed(&[50, 50]), needed(&[80, 20]), needed(&[95, 5]), needed(&[100, 0])]);
    }
}
