//! `lab heal`: ends faults before their time, or those that nobody has ended.

use super::{CliError, args, output};
use crate::context::{LabContext, StepError};
use crate::fault;

pub(super) async fn run(args: args::Heal) -> Result<(), CliError> {
    let ctx = output::open_own(&args.name).await?;
    let healed = heal(&ctx, args.kind.as_deref()).await?;
    if healed == 0 {
        let kind = args.kind.map(|kind| format!(" of kind {kind}")).unwrap_or_default();
        eprintln!("lab {} has no fault{kind}", args.name);
    }
    Ok(())
}

/// Ends the faults of a lab, or those of one kind, and tells of each. Gives how many there were.
///
/// # Errors
/// One of them cannot be ended; the others are.
pub(super) async fn heal(ctx: &LabContext, kind: Option<&str>) -> Result<usize, CliError> {
    let records = fault::records(&ctx.state)?;
    let (mut count, mut failed) = (0, None);
    for record in records.into_iter().filter(|r| kind.is_none_or(|kind| r.kind.word() == kind)) {
        match fault::heal(ctx, &record.id).await {
            Ok(_) => eprintln!("healed: {}", record.kind),
            Err(error) => failed = failed.or(Some(unhealed(&ctx.lab.name, &record, &error))),
        }
        count += 1;
    }
    failed.map_or(Ok(count), |error| Err(CliError::Before(error)))
}

/// Refuses to keep a lab in which something is broken on purpose.
pub(super) fn refuse_broken(ctx: &LabContext) -> Result<(), CliError> {
    let Some(record) = fault::records(&ctx.state)?.into_iter().next() else { return Ok(()) };
    Err(CliError::Before(StepError::Machine {
        problem: format!("lab {} has a fault: {}", ctx.lab.name, record.kind),
        remedy: format!("`lab heal {}` ends it", ctx.lab.name),
    }))
}

fn unhealed(lab: &str, record: &fault::Record, error: &StepError) -> StepError {
    StepError::Machine {
        problem: format!("it cannot be ended that {}: {error}", record.kind),
        remedy: format!("`lab status {lab}` shows what does not answer; then run `lab heal {lab}` again"),
    }
}
