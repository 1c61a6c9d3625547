//! `lab heal`: ends faults before their time, or those that nobody has ended, and mirrors.

use super::{CliError, args, output};
use crate::context::{LabContext, StepError};
use crate::plan::Act;
use crate::{fault, mirror};

pub(super) async fn run(args: args::Heal) -> Result<(), CliError> {
    let ctx = output::open_own(&args.name).await?;
    let records = fault::records(&ctx.state)?;
    let mut acts = records.iter().flat_map(|record| &record.acts);
    let starts = acts.any(|done| matches!(done.act, Act::Stop { .. }));
    let healed = heal(&ctx, args.kind.as_deref()).await?;
    if starts {
        eprintln!(
            "nodes start again, and it takes a minute or so until all is as before; `lab up {}` waits for it",
            args.name
        );
    }
    if healed == 0 {
        let what = args.kind.map_or_else(|| "fault, and no mirror".to_owned(), |kind| format!("fault of kind {kind}"));
        eprintln!("lab {} has no {what}", args.name);
    }
    Ok(())
}

/// Ends the faults of a lab and its mirrors, or the faults of one kind, and tells of each. Gives how many there were.
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
    let mirrors = if kind.is_none() { mirror::records(&ctx.state)? } else { Vec::new() };
    for record in mirrors {
        match mirror::end(ctx, &record.id).await {
            Ok(_) => eprintln!("ended: {record}"),
            Err(error) => failed = failed.or(Some(still_there(&ctx.lab.name, &record, &error))),
        }
        count += 1;
    }
    failed.map_or(Ok(count), |error| Err(CliError::Before(error)))
}

/// Refuses to keep a lab in which something is broken on purpose, or stands in for something else.
pub(super) fn refuse_broken(ctx: &LabContext) -> Result<(), CliError> {
    let fault = fault::records(&ctx.state)?.into_iter().next().map(|record| format!("fault: {}", record.kind));
    let mirror = mirror::records(&ctx.state)?.into_iter().next().map(|record| format!("mirror: {record}"));
    let Some(what) = fault.or(mirror) else { return Ok(()) };
    Err(CliError::Before(StepError::Machine {
        problem: format!("lab {} has a {what}", ctx.lab.name),
        remedy: format!("`lab heal {}` ends it", ctx.lab.name),
    }))
}

fn unhealed(lab: &str, record: &fault::Record, error: &StepError) -> StepError {
    StepError::Machine {
        problem: format!("it cannot be ended that {}: {error}", record.kind),
        remedy: format!("`lab status {lab}` shows what does not answer; then run `lab heal {lab}` again"),
    }
}

fn still_there(lab: &str, record: &mirror::Record, error: &StepError) -> StepError {
    StepError::Machine {
        problem: format!("it cannot be ended that {record}: {error}"),
        remedy: format!("`lab status {lab}` shows what does not answer; then run `lab heal {lab}` again"),
    }
}
