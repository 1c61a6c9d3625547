//! What proofs say, as a page of the documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// What `lab prove --output json` says of one scenario, as far as the page tells it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proved {
    passed: bool,
    trials: Vec<Trial>,
    worthless: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trial {
    what: String,
    is_own: bool,
    outcome: String,
    red: BTreeMap<String, Vec<String>>,
    finding: Option<String>,
    problems: Vec<String>,
    red_after: f64,
    green_after: f64,
}

impl Trial {
    fn is(&self, outcome: &str) -> bool {
        self.outcome == outcome
    }
}

impl Proved {
    fn count(&self, outcome: &str) -> usize {
        self.trials.iter().filter(|t| t.is(outcome)).count()
    }

    /// One line for a terminal.
    pub fn in_short(&self) -> String {
        let passed = if self.passed { "passed" } else { "FAILED" };
        format!("{passed}: {} of {} breaks named", self.count("named"), self.trials.len())
    }
}

/// The whole page.
pub fn markdown(all: &BTreeMap<String, Proved>) -> String {
    let mut page = String::from(
        "# What the checks of each scenario notice\n\n\
         `lab prove` breaks a lab in every way that its plan knows, one after the other, and mends it each time. This is what it saw of those shipped scenarios that were proved so far; \
         `./dev prove SCENARIO...` looks again.\n\n\
         | scenario | breaks | named | red without a name | noticed by no check | checks that stayed green | passed |\n|---|---|---|---|---|---|---|\n",
    );
    for (scenario, proved) in all {
        let _ = writeln!(
            page,
            "| [{scenario}](#{scenario}) | {} | {} | {} | {} | {} | {} |",
            proved.trials.len(),
            proved.count("named"),
            proved.count("unnamed"),
            proved.count("unnoticed"),
            listed(proved.worthless.iter()),
            if proved.passed { "yes" } else { "no" },
        );
    }
    page.push_str("\nWhat the user brings may be there for no check; what is the mesh's own may not.\n");
    for (scenario, proved) in all {
        let _ = write!(
            page,
            "\n## {scenario}\n\n| break | checks that turned red | finding | red, s | mended, s |\n|---|---|---|---|---|\n"
        );
        for trial in &proved.trials {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {:.0} |",
                cell(&trial.what),
                listed(trial.red.iter().map(|(check, places)| with_places(check, places)).collect::<Vec<_>>().iter()),
                said(trial),
                if trial.is("unnoticed") { String::new() } else { format!("{:.0}", trial.red_after) },
                trial.green_after,
            );
        }
    }
    page
}

fn with_places(check: &str, places: &[String]) -> String {
    let places: BTreeSet<&str> = places.iter().map(String::as_str).collect();
    let places: Vec<&str> = places.into_iter().collect();
    if places.is_empty() { check.to_owned() } else { format!("{check} ({})", places.join(", ")) }
}

fn said(trial: &Trial) -> String {
    let mut said = match &trial.finding {
        Some(finding) => cell(finding),
        None if trial.is("unnoticed") && !trial.is_own => "no check needs it".to_owned(),
        None => "**none**".to_owned(),
    };
    for problem in &trial.problems {
        let _ = write!(said, "; **{}**", cell(problem));
    }
    said
}

fn listed<'a>(all: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<String> = all.map(|one| cell(one)).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

/// Text that cannot end its cell, nor be taken for a tag.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
