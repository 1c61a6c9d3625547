//! How many requests make a wrong verdict unlikely enough.

/// Chance at most of missing a version that does rotate, over all sources of a check together.
pub const MAX_ERROR: f64 = 1e-9;

/// Requests that each of `sources` callers must send, so that the chance of any of them missing any of `versions` equally likely versions
/// stays below [`MAX_ERROR`].
///
/// Envoy's default balancer, given sequential requests, chooses endpoints uniformly and independently; the chance of missing one of N
/// after n requests is the sum over k of (-1)^(k+1) C(N,k) (1-k/N)^n.
#[must_use]
pub fn requests_needed(versions: usize, sources: usize) -> u32 {
    let bound = MAX_ERROR / f64::from(u32::try_from(sources.max(1)).unwrap_or(u32::MAX));
    (1..100_000).find(|&requests| chance_of_a_miss(versions, requests) < bound).unwrap_or(100_000)
}

fn chance_of_a_miss(versions: usize, requests: u32) -> f64 {
    let count = f64::from(u32::try_from(versions).unwrap_or(u32::MAX));
    let exponent = f64::from(requests);
    let mut chance = 0.0;
    let mut choose = 1.0;
    let mut k = 0.0;
    while k < count {
        k += 1.0;
        choose *= (count - k + 1.0) / k;
        // Odd terms add, even ones take away.
        let sign = if (k % 2.0) > 0.5 { 1.0 } else { -1.0 };
        chance += sign * choose * (1.0 - k / count).powf(exponent);
    }
    chance.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_needs_the_published_numbers() {
        let needed: Vec<u32> = (2..=6).map(|n| requests_needed(n, 1)).collect();
        assert_eq!(needed, [31, 54, 77, 101, 124]);
    }

    #[test]
    fn more_sources_need_more_requests() {
        assert!(requests_needed(3, 3) > requests_needed(3, 1));
        assert_eq!(requests_needed(1, 1), 1);
    }

    #[test]
    fn the_bound_holds_and_one_request_fewer_breaks_it() {
        for versions in 2..=20 {
            let requests = requests_needed(versions, 1);
            assert!(chance_of_a_miss(versions, requests) < MAX_ERROR);
            assert!(chance_of_a_miss(versions, requests - 1) >= MAX_ERROR);
        }
    }
}
