//! `lab doctor`.

use tokio_util::sync::CancellationToken;

use super::{CliError, Output, args, output};
use crate::machine::doctor::{self, Requirement};
use crate::plan::resolve;
use crate::report::machine_text;
use crate::scenario;
use crate::verdict::MachineReport;

/// The lab that a machine is judged for when no file is given: the smallest that has a mesh over two networks.
const ANY_LAB: &str = "name: any\nclusters: [c1, c2]\n";

pub(super) async fn run(args: args::Doctor, interrupt: &CancellationToken) -> Result<(), CliError> {
    let (lab, judged_for) = if let Some(file) = &args.scenario {
        let lab = output::load(file, args.name.as_deref(), args.reading, interrupt).await?;
        output::refuse_existing(&lab)?;
        let nodes: usize = lab.clusters.iter().map(|c| 1 + usize::from(c.workers)).sum();
        let judged_for = format!("lab {}: {} clusters, {nodes} nodes", lab.name, lab.clusters.len());
        (lab, judged_for)
    } else {
        let any = scenario::parse(ANY_LAB, "any").map_err(|e| CliError::Scenario(Box::new(e)))?;
        let judged_for = "a lab of two clusters; `lab doctor FILE` judges for the lab of a scenario file".to_owned();
        (resolve(&any)?, judged_for)
    };
    let requirement = Requirement { lab: &lab, is_planned: args.scenario.is_some() };
    let looked = async {
        let judged = Box::pin(doctor::look(requirement)).await?;
        let fixed = if args.fix { doctor::fix(&judged) } else { Vec::new() };
        // What was raised counts as it is now.
        let judged = if fixed.is_empty() { judged } else { Box::pin(doctor::look(requirement)).await? };
        Ok::<_, CliError>(MachineReport::new(judged_for, fixed, judged))
    };
    let report = tokio::select! {
        report = Box::pin(looked) => report?,
        () = interrupt.cancelled() => return Err(CliError::Interrupted { remedy: "nothing was started".to_owned() }),
    };
    match args.output {
        Output::Text => output::print(&machine_text(&report))?,
        Output::Json => output::print_json(&report)?,
    }
    if report.passed { Ok(()) } else { Err(CliError::Unfit) }
}
