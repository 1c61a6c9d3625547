//! Whether each check of a lab can turn red, and says why when it does.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{OUTSIDE, SourceVerdict, Verdict};
use crate::plan::Break;

/// What came of breaking a lab in every way that its plan knows.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The lab.
    pub lab: String,
    /// Whether every break of the mesh was noticed, named and mended, and every check has been red.
    pub passed: bool,
    /// One entry a break, in the order in which they were made.
    pub trials: Vec<Trial>,
    /// Checks that stayed green throughout.
    pub worthless: Vec<String>,
}

/// One break, and what was seen of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// What was done, as `Deployment sample/helloworld-v2 of c2 stopped`.
    pub what: String,
    /// Whether it is the mesh's own, which some check must miss.
    pub is_own: bool,
    /// What came of it.
    pub outcome: Trialled,
    /// The checks that turned red, each with the places that called.
    pub red: BTreeMap<String, Vec<String>>,
    /// The finding that named it.
    pub finding: Option<String>,
    /// What is wrong with how it was noticed; nothing if all is well.
    pub problems: Vec<String>,
    /// Seconds from the break to the red verdict that counts.
    pub red_after: f64,
    /// Seconds that it took to mend, until the verdict was green again.
    pub green_after: f64,
}

/// What came of a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Trialled {
    /// A check turned red, and a finding named it.
    Named,
    /// A check turned red, and no finding named it.
    Unnamed,
    /// All stayed green.
    Unnoticed,
}

/// What a verdict says of a break.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noticed {
    /// The checks that are red, each with the places that called.
    pub red: BTreeMap<String, Vec<String>>,
    /// The finding that names it.
    pub finding: Option<String>,
    /// Red sources that have nothing to do with it.
    pub strays: Vec<String>,
}

impl Noticed {
    /// Reads a verdict after a break.
    #[must_use]
    pub fn of(verdict: &Verdict, of: &Break) -> Self {
        let mut noticed = Self::default();
        for source in verdict.sources.iter().filter(|s| !s.passed) {
            noticed.red.entry(source.check.clone()).or_default().push(place(source));
            let related = if source.caller == OUTSIDE { &of.entrances } else { &of.callers };
            if !related.contains(&source.cluster) {
                noticed.strays.push(format!("{} from {}", source.check, place(source)));
            }
        }
        for cell in verdict.reachability.iter().filter(|c| !c.passed()) {
            noticed.red.entry("reachability".to_owned()).or_default().push(format!("{} to {}", cell.from, cell.to));
        }
        for spread in verdict.federation.iter().filter(|s| !s.passed()) {
            noticed.red.entry(spread.check.clone()).or_default();
        }
        let names = |text: &str| of.named.iter().all(|word| text.contains(word.as_str()));
        let finding = verdict.findings.iter().find(|f| names(&format!("{}; {}", f.cause, f.evidence)));
        noticed.finding = finding.map(|f| f.cause.clone());
        noticed
    }

    /// What came of the break.
    #[must_use]
    pub fn outcome(&self) -> Trialled {
        match (self.red.is_empty(), &self.finding) {
            (true, _) => Trialled::Unnoticed,
            (false, Some(_)) => Trialled::Named,
            (false, None) => Trialled::Unnamed,
        }
    }
}

fn place(source: &SourceVerdict) -> String {
    if source.caller == OUTSIDE { format!("outside at {}", source.cluster) } else { source.place() }
}

impl Trial {
    /// Whether nothing is wrong with how it was noticed. What the user brings need not be missed by anybody; if it is, it must be named.
    #[must_use]
    pub fn passed(&self) -> bool {
        let is_enough = match self.outcome {
            Trialled::Named => true,
            Trialled::Unnamed => false,
            Trialled::Unnoticed => !self.is_own,
        };
        is_enough && self.problems.is_empty()
    }
}

impl Proof {
    /// Puts trials together. `checks` are the names of all checks, `is_whole` tells whether everything was broken once.
    #[must_use]
    pub fn of(lab: &str, checks: &BTreeSet<String>, trials: Vec<Trial>, is_whole: bool) -> Self {
        let red: BTreeSet<&String> = trials.iter().flat_map(|t| t.red.keys()).collect();
        // A part of the breaks says nothing about what stayed green.
        let worthless: Vec<String> = checks.iter().filter(|c| is_whole && !red.contains(c)).cloned().collect();
        let passed = worthless.is_empty() && trials.iter().all(Trial::passed);
        Self { lab: lab.to_owned(), passed, trials, worthless }
    }
}

/// The names of all that a verdict judges.
#[must_use]
pub fn judged(verdict: &Verdict) -> BTreeSet<String> {
    let reachability = (!verdict.reachability.is_empty()).then(|| "reachability".to_owned());
    let sources = verdict.sources.iter().map(|s| s.check.clone());
    sources.chain(verdict.federation.iter().map(|s| s.check.clone())).chain(reachability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{breaks, resolve};
    use crate::verdict::Finding;

    fn a_break() -> Break {
        let scenario = crate::scenario::parse("name: a\nclusters: [c1, c2]\n", "a.yaml").expect("a scenario");
        let all = breaks(&resolve(&scenario).expect("a lab"));
        all.into_iter().find(|b| b.what.contains("remote-secret-c2")).expect("a secret")
    }

    fn verdict(red: &[&str], cause: &str) -> Verdict {
        let source = |cluster: &str| SourceVerdict {
            check: "rotation".to_owned(),
            cluster: cluster.to_owned(),
            passed: !red.contains(&cluster),
            ..SourceVerdict::default()
        };
        let finding = Finding { cause: cause.to_owned(), evidence: String::new(), remedy: String::new() };
        Verdict {
            lab: "a".to_owned(),
            passed: red.is_empty(),
            at: String::new(),
            sources: vec![source("c1"), source("c2")],
            reachability: Vec::new(),
            links: Vec::new(),
            federation: Vec::new(),
            faults: Vec::new(),
            findings: vec![finding],
        }
    }

    fn trial(of: &Break, seen: &Verdict) -> Trial {
        let noticed = Noticed::of(seen, of);
        Trial {
            what: of.what.clone(),
            is_own: of.is_own,
            outcome: noticed.outcome(),
            red: noticed.red,
            finding: noticed.finding,
            problems: noticed.strays,
            red_after: 1.0,
            green_after: 1.0,
        }
    }

    #[test]
    fn a_break_must_turn_what_it_is_about_red_and_nothing_else_and_be_named() {
        let (of, checks) = (a_break(), BTreeSet::from(["rotation".to_owned()]));
        let proof = |red: &[&str], cause: &str| Proof::of("a", &checks, vec![trial(&of, &verdict(red, cause))], true);
        let named = "istiod of c1 does not watch c2";
        let well = proof(&["c1"], named);
        assert!(well.passed && well.trials[0].outcome == Trialled::Named, "{well:?}");
        let unnamed = proof(&["c1"], "something is wrong");
        assert!(!unnamed.passed && unnamed.trials[0].outcome == Trialled::Unnamed);
        let stray = proof(&["c1", "c2"], named);
        assert!(!stray.passed && stray.trials[0].problems == ["rotation from c2"], "{stray:?}");
        let unnoticed = proof(&[], named);
        assert_eq!((unnoticed.passed, &unnoticed.worthless[..]), (false, &["rotation".to_owned()][..]));
    }

    #[test]
    fn what_the_user_brings_may_be_missed_by_nobody() {
        let of = Break { is_own: false, ..a_break() };
        assert!(trial(&of, &verdict(&[], "")).passed());
        assert!(!trial(&of, &verdict(&["c1"], "")).passed(), "red without a name");
        assert!(!Proof::of("a", &BTreeSet::from(["x".to_owned()]), Vec::new(), true).passed, "x was never red");
        assert!(Proof::of("a", &BTreeSet::from(["x".to_owned()]), Vec::new(), false).passed, "not all was tried");
    }
}
