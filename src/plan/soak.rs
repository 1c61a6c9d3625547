//! What breaks in a soak: drawn by a seed, so that the same lab and the same seed give the same faults in the same order.

use super::Lab;
use crate::scenario::{Away, FAULT_SHORTEST, FaultKind, Gateway, Link};

/// The longest fault of a soak, in seconds: enough for connections to be given up, and short enough for many faults.
const LONGEST: u32 = 20;

/// Faults without end.
#[derive(Debug)]
pub struct Draws {
    rng: fastrand::Rng,
    /// What there can be in the lab, by kind.
    kinds: Vec<Vec<FaultKind>>,
    /// The kinds that are still to come before any comes again.
    left: Vec<usize>,
}

impl Draws {
    /// The faults of a lab by a seed. There are none in a lab without a mesh of several clusters.
    #[must_use]
    pub fn of(lab: &Lab, seed: u64) -> Self {
        let mut kinds: Vec<Vec<FaultKind>> = Vec::new();
        for kind in candidates(lab) {
            match kinds.iter_mut().find(|same| same[0].name() == kind.name()) {
                Some(same) => same.push(kind),
                None => kinds.push(vec![kind]),
            }
        }
        Self { rng: fastrand::Rng::with_seed(seed), kinds, left: Vec::new() }
    }
}

impl Iterator for Draws {
    /// What breaks, and for how many seconds.
    type Item = (FaultKind, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            self.left = (0..self.kinds.len()).collect();
            self.rng.shuffle(&mut self.left);
        }
        let same = &self.kinds[self.left.pop()?];
        let kind = same[self.rng.usize(..same.len())].clone();
        Some((kind, self.rng.u32(FAULT_SHORTEST..=LONGEST)))
    }
}

/// Every fault that there can be on any kernel, and that calls between clusters can tell of.
fn candidates(lab: &Lab) -> Vec<FaultKind> {
    let ground = lab.ground();
    let names: Vec<String> = ground.clusters.iter().filter(|c| c.is_in_mesh).map(|c| c.name.clone()).collect();
    if names.len() < 2 {
        return Vec::new();
    }
    let mut all = Vec::new();
    for from in &names {
        for to in names.iter().filter(|to| *to != from) {
            let between = vec![from.clone(), to.clone()];
            for (one_way, refuse) in [(false, false), (true, false), (false, true)] {
                all.push(FaultKind::Partition { between: between.clone(), one_way, refuse });
            }
            let link = Link { loss: Some(10), ..Link::default() };
            all.push(FaultKind::Network { between, one_way: false, link });
            all.push(FaultKind::RemoteSecret { cluster: from.clone(), of: to.clone() });
        }
        let cluster = || from.clone();
        all.push(FaultKind::Gateway { cluster: cluster(), gateway: Gateway::EastWestGateway });
        all.push(FaultKind::Istiod { cluster: cluster() });
        all.push(FaultKind::Discovery { cluster: cluster() });
        all.push(FaultKind::ApiServer { cluster: cluster() });
        all.push(FaultKind::Dns { cluster: cluster() });
        all.push(FaultKind::Cluster { cluster: cluster(), away: Away::Paused });
        all.push(FaultKind::Cluster { cluster: cluster(), away: Away::Stopped });
    }
    all.retain(|kind| ground.refuse_measured(kind, LONGEST).is_empty());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    fn lab(text: &str) -> Lab {
        resolve(&parse(text, "x").expect("a scenario")).expect("a lab")
    }

    #[test]
    fn a_seed_repeats_its_faults_and_every_kind_comes_before_one_comes_again() {
        let lab = lab("name: a\nclusters: [c1, c2]\n");
        let draw = |seed| Draws::of(&lab, seed).take(30).collect::<Vec<_>>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let kinds = Draws::of(&lab, 1).kinds.len();
        let first: BTreeSet<_> = Draws::of(&lab, 1).take(kinds).map(|(kind, _)| kind.name()).collect();
        assert_eq!(first.len(), kinds, "{first:?}");
        for (kind, seconds) in draw(3) {
            assert!(lab.ground().refuse(&kind, seconds).is_empty(), "{kind}");
        }
    }

    #[test]
    fn nothing_breaks_where_nobody_would_see_it() {
        assert_eq!(Draws::of(&lab("name: a\nclusters: [c1]\n"), 1).next(), None);
        assert_eq!(Draws::of(&lab("name: a\nmesh: none\nclusters: [c1, c2]\n"), 1).next(), None);
    }
}
