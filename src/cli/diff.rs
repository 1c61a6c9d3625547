//! `lab diff` and `lab up --dry-run`: what would change, and nothing changed.

use tokio_util::sync::CancellationToken;

use super::{CliError, Output, args, brought, eject, output, up};
use crate::commands::diff::{self, Difference};
use crate::commands::up::Up;
use crate::context::{LabContext, RunContext};
use crate::images::Choice;
use crate::observe::verify::Waits;
use crate::plan::{Lab, Plan, refuse_changes};
use crate::sys::docker::Engine;
use crate::sys::state::{LabState, State};
use crate::sys::unfinished;

pub(super) async fn run(args: args::Diff, interrupt: &CancellationToken) -> Result<(), CliError> {
    let lab = output::load_file_or_lab(&args.scenario, args.name.as_deref(), args.reading, interrupt).await?;
    if lab.is_brought() {
        let up = args::Up { dry_run: true, output: args.output, remove: args.remove, ..args::Up::again(args.scenario) };
        return Box::pin(brought::up(&up, &State::open()?, lab, interrupt)).await;
    }
    tell(lab, Choice::Auto, args.output, args.remove, interrupt).await
}

/// Tells what `lab up` would change. That it would change something is an exit code of its own.
pub(super) async fn tell(
    lab: Lab,
    choice: Choice,
    form: Output,
    removes: bool,
    interrupt: &CancellationToken,
) -> Result<(), CliError> {
    let look = Box::pin(look(lab, choice, removes, interrupt));
    let difference = tokio::select! {
        difference = look => difference?,
        () = interrupt.cancelled() => return Err(CliError::Interrupted { remedy: "nothing was changed".to_owned() }),
    };
    told(&difference, form)
}

/// Tells a difference.
pub(super) fn told(difference: &Difference, form: Output) -> Result<(), CliError> {
    match form {
        Output::Json => output::print_json(difference)?,
        Output::Text => output::print_lines(difference.lines())?,
    }
    if difference.is_nothing() {
        eprintln!("`lab up` would change nothing");
        return Ok(());
    }
    Err(CliError::WouldChange)
}

async fn look(lab: Lab, choice: Choice, removes: bool, interrupt: &CancellationToken) -> Result<Difference, CliError> {
    output::refuse_existing(&lab)?;
    let engine = Engine::connect().await?;
    let Ok(existing) = State::open()?.existing(&lab.name) else { return Ok(diff::of_new(&lab)) };
    let before: Lab = existing.load()?;
    brought::refuse_other(&before, &lab)?;
    refuse_changes(&before, &lab, removes)?;
    let choice = up::keep_source(&existing, &lab, choice)?;
    // The steps that need no cluster write what they make: here into a copy.
    let scratch = unfinished::dir().map_err(CliError::write("a temporary directory"))?;
    let copy = LabState::at(scratch.path());
    existing.copy_to(&copy)?;
    let ctx = RunContext::new(LabContext::new(lab, engine, copy), choice);
    let up = Up::new(ctx, Waits::default());
    let plan = Plan::of(&up.ctx.lab);
    if diff::is_any_here(&up.ctx).await? {
        eject::prepare(&up, &plan, interrupt).await?;
    }
    let mut difference = diff::look(&up.ctx, &plan).await?;
    difference.clusters.extend(diff::leaving(&before, &up.ctx.lab));
    difference.objects.extend(diff::leaving_members(&before, &up.ctx.lab));
    Ok(difference)
}
