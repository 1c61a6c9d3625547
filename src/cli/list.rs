//! `lab list`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{CliError, Output, args, output};
use crate::context::files;
use crate::plan::Lab;
use crate::report;
use crate::sys::docker::Engine;
use crate::sys::state::State;
use crate::verdict::Verdict;

/// A lab of this machine.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// Name of the lab.
    name: String,
    /// How many clusters it has; 0 where its state cannot be read.
    clusters: usize,
    /// How many of its nodes run.
    nodes_running: usize,
    /// How many nodes it has.
    nodes: usize,
    /// `passed` or `failed`, or else what to do to know; nothing where the checks never ran.
    last_verdict: Option<&'static str>,
}

pub(super) async fn run(args: &args::List) -> Result<(), CliError> {
    let state = State::open()?;
    let is_found = |name: &String| {
        let stored = state.existing(name).ok().and_then(|s| s.load::<Lab>().ok());
        stored.is_some_and(|lab| !lab.makes_machines())
    };
    let names = state.names()?;
    // Where lab made none of them, no engine is asked.
    let nodes = if !names.is_empty() && names.iter().all(is_found) {
        Vec::new()
    } else {
        Engine::connect().await?.nodes(None).await?
    };
    let mut rows = Vec::new();
    for name in names {
        let lab_state = state.existing(&name)?;
        let own = || nodes.iter().filter(|n| n.lab == name);
        // One lab whose state another version of lab has written must not hide the others.
        let lab = lab_state.load::<Lab>();
        let last_verdict = match (&lab, lab_state.read_json::<Verdict>(files::VERDICT)) {
            (Ok(_), Ok(verdict)) => verdict.map(|v| if v.passed { "passed" } else { "failed" }),
            (Ok(_), Err(_)) => Some("not readable: run lab verify"),
            (Err(_), _) => Some("damaged: run lab down"),
        };
        rows.push(Row {
            clusters: lab.map_or(0, |lab| lab.clusters.len()),
            nodes_running: own().filter(|n| n.running).count(),
            nodes: own().count(),
            last_verdict,
            name,
        });
    }
    if args.output == Output::Json {
        return output::print_json(&rows);
    }
    let mut table = report::table(["NAME", "CLUSTERS", "NODES RUNNING", "LAST VERDICT"]);
    for row in rows {
        table.add_row([
            row.name,
            row.clusters.to_string(),
            format!("{} of {}", row.nodes_running, row.nodes),
            row.last_verdict.unwrap_or("none").to_owned(),
        ]);
    }
    output::print_table(&table)
}
