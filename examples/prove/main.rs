//! `./dev prove`: brings shipped scenarios up one after the other, breaks each in every way that its plan knows, and writes down which check noticed and which
//! finding named it. What was seen goes to `bench/proofs.json`, and from there to a page of the documentation.

mod page;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use clap::Parser;
use page::Proved;

/// What was seen, by scenario.
const DATA: &str = "bench/proofs.json";
/// The page that is made of it.
const PAGE: &str = "docs/reference/proofs.md";

/// Proves scenarios. Those that are not named keep what was seen of them before.
#[derive(Parser)]
struct Args {
    /// The lab that is run.
    #[arg(long)]
    lab: PathBuf,
    /// Scenarios, as `three-network`; none writes the page anew.
    scenarios: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut all: BTreeMap<String, Proved> = read(Path::new(DATA))?;
    let mut failed = Vec::new();
    for scenario in &args.scenarios {
        match prove(&args.lab, scenario) {
            Ok(proved) => {
                eprintln!("prove: {scenario}: {}", proved.in_short());
                all.insert(scenario.clone(), proved);
                // What was seen is kept whatever becomes of the rest.
                fs::write(DATA, serde_json::to_string_pretty(&all)? + "\n")?;
            }
            Err(error) => {
                eprintln!("prove: {scenario}: {error}");
                failed.push(scenario.as_str());
            }
        }
    }
    fs::write(PAGE, page::markdown(&all))?;
    if failed.is_empty() { Ok(()) } else { Err(format!("not proved: {}", failed.join(", ")).into()) }
}

fn read(path: &Path) -> Result<BTreeMap<String, Proved>, Box<dyn Error>> {
    if path.exists() { Ok(serde_json::from_str(&fs::read_to_string(path)?)?) } else { Ok(BTreeMap::new()) }
}

fn prove(lab: &Path, scenario: &str) -> Result<Proved, Box<dyn Error>> {
    let file = format!("scenarios/{scenario}.yaml");
    let proved = run(lab, &["up", &file, "--fresh", "--name", scenario]).and_then(|up| {
        if !up.status.success() {
            return Err(format!("lab up {file} ended with {}", up.status).into());
        }
        let proof = run(lab, &["prove", scenario, "--output", "json"])?;
        serde_json::from_slice(&proof.stdout).map_err(|e| format!("lab prove ended with {}: {e}", proof.status).into())
    });
    run(lab, &["down", scenario])?;
    proved
}

fn run(lab: &Path, args: &[&str]) -> Result<Output, Box<dyn Error>> {
    Ok(Command::new(lab).args(args).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_was_seen() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all = read(&root.join(DATA)).expect("data");
        let page = fs::read_to_string(root.join(PAGE)).expect("a page");
        assert_eq!(page, page::markdown(&all), "`./dev prove` writes the page anew");
    }
}
