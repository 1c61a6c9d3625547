//! How a lab bore faults without end: each fault, the verdict after it, and what grew meanwhile.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{FaultVerdict, Verdict};

/// So much more memory than at first is a leak, if it is a quarter more as well: allocators keep what they had once.
const LEAKED_BYTES: u64 = 16 << 20;
/// So many more open files than at first are a leak.
const LEAKED_FILES: u64 = 8;
/// Rounds that are not looked at, since caches fill in them.
const WARM: usize = 2;

/// A soak.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Soak {
    /// The lab.
    pub lab: String,
    /// What the faults were drawn by.
    pub seed: u64,
    /// Seconds that it was to take.
    pub seconds: u64,
    /// Seconds that it took.
    pub took: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether every fault was borne as promised, every verdict was green, and nothing grew.
    pub passed: bool,
    /// The faults in their order.
    pub rounds: Vec<Round>,
    /// What is wrong with all of it.
    pub problems: Vec<String>,
}

/// One fault, and what came after it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// When it began, in seconds since the soak did.
    pub at: f64,
    /// How the fault was borne.
    pub fault: FaultVerdict,
    /// Seconds from its end until the verdict was there.
    pub well_after: f64,
    /// Addresses that the caller in each cluster has of the service that is called.
    pub endpoints: BTreeMap<String, usize>,
    /// What `lab` itself holds.
    pub held: Held,
    /// What is wrong after the fault, beside what callers saw of it.
    pub problems: Vec<String>,
}

/// What a process holds; nothing where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Open files and connections.
    pub files: Option<u64>,
}

/// Addresses that callers have of what they call, by cluster: of the first check that counts them.
#[must_use]
pub fn endpoints(verdict: &Verdict) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for source in verdict.sources.iter().filter(|s| !s.endpoints.is_empty()) {
        all.entry(source.cluster.clone()).or_insert(source.endpoints.len());
    }
    all
}

impl Round {
    /// What is wrong with the lab after a fault, held against the addresses before the first one.
    #[must_use]
    pub fn problems(verdict: &Verdict, first: &BTreeMap<String, usize>) -> Vec<String> {
        let mut problems: Vec<String> = Vec::new();
        if !verdict.passed {
            let red = verdict.sources.iter().filter(|s| !s.passed).map(|s| format!("{} from {}", s.check, s.cluster));
            problems.push(format!("the lab was not well again: {}", red.collect::<Vec<_>>().join(", ")));
            problems.extend(verdict.findings.iter().map(|finding| finding.cause.clone()));
            return problems;
        }
        let now = endpoints(verdict);
        for (cluster, before) in first {
            let after = now.get(cluster).copied().unwrap_or_default();
            if after != *before {
                problems.push(format!("the caller in {cluster} has {after} addresses, and had {before} at first"));
            }
        }
        problems
    }

    /// Whether the fault was borne, and all was well after it.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.fault.passed() && self.problems.is_empty()
    }
}

impl Soak {
    /// Judges what happened.
    #[must_use]
    pub fn of(lab: &str, (seed, seconds): (u64, u64), took: f64, interrupted: bool, rounds: Vec<Round>) -> Self {
        let mut problems = Vec::new();
        if rounds.is_empty() {
            problems.push("no fault was over in that time, so nothing is proved".to_owned());
        }
        let grown = |of: fn(&Held) -> Option<u64>| {
            let all: Vec<u64> = rounds.iter().skip(WARM).filter_map(|round| of(&round.held)).collect();
            let third = all.len() / 3;
            (third > 0).then(|| (middle(&all[..third]), middle(&all[all.len() - third..])))
        };
        if let Some((first, last)) = grown(|held| held.memory)
            && last > first + LEAKED_BYTES
            && last > first + first / 4
        {
            let mib = |bytes: u64| bytes >> 20;
            problems.push(format!("the memory of lab grew from {} to {} MiB", mib(first), mib(last)));
        }
        if let Some((first, last)) = grown(|held| held.files)
            && last > first + LEAKED_FILES
        {
            problems.push(format!("lab had {first} files and connections open, and has {last} now"));
        }
        let passed = problems.is_empty() && rounds.iter().all(Round::passed);
        Self { lab: lab.to_owned(), seed, seconds, took, interrupted, passed, rounds, problems }
    }
}

fn middle(all: &[u64]) -> u64 {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::super::SourceVerdict;
    use super::*;

    fn round(memory: u64, files: u64) -> Round {
        let held = Held { memory: Some(memory << 20), files: Some(files) };
        let (fault, endpoints) = (FaultVerdict::default(), BTreeMap::new());
        Round { at: 0.0, fault, well_after: 1.0, endpoints, held, problems: Vec::new() }
    }

    fn soak(rounds: Vec<Round>) -> Soak {
        Soak::of("a", (1, 60), 61.0, false, rounds)
    }

    #[test]
    fn what_grows_from_round_to_round_is_a_leak_and_what_jumps_at_first_is_none() {
        let still = || (0..12).map(|_| round(60, 20)).collect::<Vec<_>>();
        assert!(soak(still()).passed);
        let mut cold = still();
        (cold[0], cold[1]) = (round(10, 9), round(20, 12));
        assert!(soak(cold).passed);
        let memory = soak((0..12).map(|at| round(60 + at * 5, 20)).collect());
        assert_eq!((memory.passed, memory.problems[0].as_str()), (false, "the memory of lab grew from 75 to 110 MiB"));
        let files = soak((0..12).map(|at| round(60, 20 + at * 2)).collect());
        assert_eq!(files.problems, ["lab had 26 files and connections open, and has 40 now"]);
        assert!(!soak(Vec::new()).passed, "nothing happened");
    }

    #[test]
    fn a_round_that_is_wrong_makes_the_soak_red() {
        let mut rounds = vec![round(1, 1), round(1, 1)];
        rounds[1].fault.problems.push("x".to_owned());
        assert!(!soak(rounds).passed);
        let mut rounds = vec![round(1, 1)];
        rounds[0].problems.push("x".to_owned());
        assert!(!soak(rounds).passed);
    }

    #[test]
    fn an_address_too_many_is_told() {
        let source = |count: usize| SourceVerdict {
            cluster: "c1".to_owned(),
            passed: true,
            endpoints: vec![super::super::Endpoint::default(); count],
            ..SourceVerdict::default()
        };
        let verdict = |count| Verdict {
            lab: "a".to_owned(),
            passed: true,
            at: String::new(),
            sources: vec![source(count)],
            reachability: Vec::new(),
            links: Vec::new(),
            federation: Vec::new(),
            faults: Vec::new(),
            findings: Vec::new(),
        };
        let first = endpoints(&verdict(2));
        assert_eq!(Round::problems(&verdict(2), &first), [""; 0]);
        assert_eq!(Round::problems(&verdict(3), &first), ["the caller in c1 has 3 addresses, and had 2 at first"]);
        let red = Verdict { passed: false, ..verdict(2) };
        assert_eq!(Round::problems(&red, &first).len(), 1);
    }
}
