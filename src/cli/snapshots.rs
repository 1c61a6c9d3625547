//! `lab snapshots`.

use schemars::JsonSchema;
use serde::Serialize;

use super::args::SnapshotsVerb;
use super::{CliError, Output, args, output};
use crate::commands::snapshot::kept::is_kept;
use crate::commands::snapshot::{About, refuse_incomplete, refuse_other_images};
use crate::images::Trust;
use crate::report;
use crate::sys::docker::Engine;
use crate::sys::state::{Snapshots, State};

/// A snapshot in the list; of one that cannot be read, only the name is known.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// Its name.
    name: String,
    /// The lab that it is of; nothing where it is spoiled, and then nothing else is known.
    lab: Option<String>,
    /// How many clusters the lab has.
    clusters: usize,
    /// How many nodes they have.
    nodes: usize,
    /// Bytes on the disk.
    bytes: u64,
    /// When it was taken, RFC 3339 in UTC.
    taken: Option<String>,
    /// The command that took it: `lab snapshot`, or `lab up` where that keeps it by itself.
    by: &'static str,
}

pub(super) async fn run(args: args::Snapshots) -> Result<(), CliError> {
    let snapshots = State::open()?.snapshots()?;
    match args.verb {
        SnapshotsVerb::List(args) => list(&snapshots, args.output),
        SnapshotsVerb::Remove(args) => {
            for name in &args.snapshots {
                snapshots.remove(name)?;
                eprintln!("snapshot {name} is removed");
            }
            Ok(())
        }
        SnapshotsVerb::Export(args) => {
            output::refuse_irreplaceable(&args.file)?;
            let sum = snapshots.get::<About>(&args.snapshot)?.pack(&args.file)?;
            let file = args.file.display();
            eprintln!(
                "snapshot {} is written to {file}. Whoever reads it has the keys of the lab: it is readable for you alone",
                args.snapshot
            );
            output::print(&format!("{sum}  {file}\n"))
        }
        SnapshotsVerb::Import(args) => {
            output::refuse_no_name("snapshot", &args.kept_as)?;
            snapshots.refuse_taken(&args.kept_as)?;
            output::refuse_unreadable(&args.file)?;
            // Its nodes are made as the archive says, with all rights on this machine: it must be the one that was exported.
            let sum = match args.trusted.of(&args.file)? {
                Trust::Sum(sum) => Some(sum),
                Trust::Given => None,
            };
            let (unkept, snapshot) = snapshots.unpack::<About>(&args.file, sum.as_deref())?;
            if let Some(foreign) = snapshot.about.foreign() {
                return Err(CliError::Usage {
                    problem: format!("{} {foreign}", args.file.display()),
                    remedy: "do not use this archive: somebody has changed it".to_owned(),
                });
            }
            refuse_incomplete(&snapshot)?;
            refuse_other_images(&Engine::connect().await?, &snapshot).await?;
            snapshots.adopt(unkept, &args.kept_as)?;
            eprintln!(
                "snapshot {0} of lab {1} is here: `lab restore {0}` brings the lab up",
                args.kept_as, snapshot.about.lab.name
            );
            Ok(())
        }
    }
}

/// The command that took it.
fn by(name: &str) -> &'static str {
    if is_kept(name) { "lab up" } else { "lab snapshot" }
}

fn list(snapshots: &Snapshots, form: Output) -> Result<(), CliError> {
    let row = |name: String| match snapshots.get::<About>(&name) {
        Ok(snapshot) => Row {
            lab: Some(snapshot.about.lab.name.clone()),
            clusters: snapshot.about.lab.clusters.len(),
            nodes: snapshot.about.nodes.len(),
            bytes: snapshot.bytes(),
            taken: Some(snapshot.about.taken),
            by: by(&name),
            name,
        },
        Err(_) => Row { by: by(&name), name, lab: None, clusters: 0, nodes: 0, bytes: 0, taken: None },
    };
    let rows: Vec<Row> = snapshots.names()?.into_iter().map(row).collect();
    if form == Output::Json {
        return output::print_json(&rows);
    }
    let mut table = report::table(["NAME", "LAB", "CLUSTERS", "NODES", "SIZE", "TAKEN", "BY"]);
    for row in rows {
        table.add_row([
            row.name,
            row.lab.unwrap_or_else(|| "spoiled: run lab snapshots remove".to_owned()),
            row.clusters.to_string(),
            row.nodes.to_string(),
            format!("{} MB", row.bytes.div_ceil(1_000_000)),
            row.taken.unwrap_or_default(),
            row.by.to_owned(),
        ]);
    }
    output::print_table(&table)
}
