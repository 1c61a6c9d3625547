//! Every shipped scenario, changed at random: whatever becomes of it is refused in words or planned to the end, in little time. What was found once is kept
//! in `tests/fuzz/` and tried first.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lab::graph;
use lab::plan::{Draws, Plan, StepId, breaks, plan_markdown, resolve, scenario_yaml, undeclared_ports};
use lab::scenario::{parse, render};
use lab::sys::kube::Manifest;

/// How long one text may take, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(10);

/// What mutations put in.
const TOKENS: [&str; 30] = [
    "null",
    "~",
    "{}",
    "[]",
    "-1",
    "0",
    "1e999",
    "99999999999999999999",
    "0.0.0.0/0",
    "255.255.255.255/32",
    "::/0",
    "10.0.0.0/8",
    "c1",
    "c9",
    "*c1",
    "&c1 ",
    "<<: ",
    "? ",
    "|\n",
    ">\n",
    "!!binary ",
    "\u{0}",
    "\u{feff}",
    "\u{85}",
    "\t",
    "\r",
    "---\n",
    "name: ",
    "../..",
    "'\"",
];

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in ["scenarios", "tests/fuzz"] {
        files.extend(fs::read_dir(root.join(dir)).expect(dir).map(|entry| entry.expect("an entry").path()));
    }
    files.extend(
        fs::read_dir(root.join("labs")).expect("labs").map(|lab| lab.expect("a lab").path().join("scenario.yaml")),
    );
    files.retain(|file| file.extension().is_some_and(|e| e == "yaml") && file.exists());
    files.sort();
    assert!(files.len() > 30, "{files:?}");
    files.iter().map(|file| fs::read_to_string(file).expect("a text")).collect()
}

/// Reads a text as `lab` would, and plans what can be planned. Gives how far it came.
fn through(text: &str) -> usize {
    let start = Instant::now();
    let reached = match parse(text, "lab.yaml") {
        Err(errors) => {
            let shown = render(&errors);
            assert!(shown.starts_with("error: ") && shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
            0
        }
        Ok(scenario) => match resolve(&scenario) {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                1
            }
            Ok(lab) => {
                let plan = Plan::of(&lab);
                for (at, step) in plan.steps.iter().enumerate() {
                    let is_before = |need: &StepId| plan.steps[..at].iter().any(|s| s.id == *need);
                    assert!(step.needs.iter().all(is_before), "{} comes before what it needs", step.id);
                }
                let _ =
                    (plan_markdown(&lab), undeclared_ports(&lab), breaks(&lab), Draws::of(&lab, 1).take(20).count());
                let _ = (graph::dot(&graph::topology(&lab)), graph::mermaid(&graph::steps(&lab, &plan)));
                let again = parse(&scenario_yaml(&lab), "written.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
                assert_eq!(resolve(&again).expect("room for it"), lab);
                2
            }
        },
    };
    let _ = Manifest::parse(text);
    assert!(start.elapsed() < PATIENCE, "it took {:?}:\n{text}", start.elapsed());
    reached
}

/// One change at a place of a text.
fn mutate(rng: &mut fastrand::Rng, text: &mut String, corpus: &[String]) {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let at = rng.usize(..bounds.len());
    let end = (at + rng.usize(..24)).min(bounds.len() - 1);
    let range = bounds[at]..bounds[end];
    match rng.u8(..6) {
        0 => text.replace_range(range, TOKENS[rng.usize(..TOKENS.len())]),
        1 => text.replace_range(range, ""),
        2 => text.insert_str(bounds[at], TOKENS[rng.usize(..TOKENS.len())]),
        // Lines are doubled, moved, or come from another scenario.
        3 if !lines.is_empty() => {
            let (from, to) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
            let mut moved = lines.clone();
            moved.insert(to, lines[from].clone());
            *text = moved.join("\n");
        }
        4 if !lines.is_empty() => {
            let mut left = lines;
            let from = rng.usize(..left.len());
            left.drain(from..(from + rng.usize(1..8)).min(left.len()));
            *text = left.join("\n");
        }
        _ => {
            let other: Vec<&str> = corpus[rng.usize(..corpus.len())].lines().collect();
            let from = rng.usize(..other.len().max(1)).min(other.len());
            let mut mixed = lines;
            let to = rng.usize(..=mixed.len());
            let taken = other[from..(from + rng.usize(1..12)).min(other.len())].iter().map(|line| (*line).to_owned());
            mixed.splice(to..to, taken);
            *text = mixed.join("\n");
        }
    }
}

/// Tries changed texts until it is enough. Gives how many were refused, had no room, and were planned.
fn fuzz(seed: u64, enough: impl Fn(usize) -> bool) -> [usize; 3] {
    let corpus = corpus();
    let mut reached = [0; 3];
    let mut rng = fastrand::Rng::with_seed(seed);
    while !enough(reached.iter().sum()) {
        let mut text = corpus[rng.usize(..corpus.len())].clone();
        for _ in 0..rng.usize(1..4) {
            mutate(&mut rng, &mut text, &corpus);
        }
        let tried = std::panic::catch_unwind(|| through(&text));
        reached[tried.unwrap_or_else(|_| panic!("seed {seed}; keep this in tests/fuzz/ and mend it:\n{text}"))] += 1;
    }
    reached
}

#[test]
fn what_was_found_once_and_what_is_shipped_is_borne() {
    for text in corpus() {
        through(&text);
    }
}

#[test]
fn changed_scenarios_are_refused_or_planned() {
    let reached = fuzz(1, |tried| tried >= 400);
    assert!(reached[0] > 50 && reached[2] > 20, "all ends are seen: {reached:?}");
}

/// A minute, with another seed each time.
#[test]
fn changed_scenarios_are_refused_or_planned_for_a_minute_in_full() {
    let (start, seed) = (Instant::now(), fastrand::u64(..));
    let reached = fuzz(seed, |_| start.elapsed() > Duration::from_secs(60));
    eprintln!("seed {seed}: refused, without room, planned: {reached:?}");
}
