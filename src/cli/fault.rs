//! `lab fault`: breaks something for a while.

use std::time::Duration;

use super::progress::shown;
use super::{CliError, args, change, output, pause};
use crate::context::{LabContext, StepError};
use crate::exec::Events;
use crate::fault;
use crate::observe::verify;
use crate::plan::{Action, Lab};
use crate::report::faults_text;
use crate::scenario::{Fault, FaultExpect, FaultKind, FaultProblem};
use crate::sys::detached;
use crate::sys::docker::Engine;
use crate::sys::state::State;

pub(super) async fn run(args: args::Fault) -> Result<(), CliError> {
    let args::Fault { name, seconds, measure, output: form, kind } = args;
    let kind = FaultKind::try_from(kind).map_err(|problem| refused(&name, &problem))?;
    let _lock = output::lock_existing(&name).await?;
    let ctx = output::open(&name).await?;
    let ground = ctx.lab.ground();
    let wrong = if measure { ground.refuse_measured(&kind, seconds) } else { ground.refuse(&kind, seconds) };
    if let Some((_, problem)) = wrong.into_iter().next() {
        return Err(refused(&name, &problem));
    }
    if measure {
        change::refuse_several_meshes(&ctx.lab)?;
        return self::measure(&ctx, kind, seconds, form).await;
    }
    let record = fault::begin(&ctx, &kind, Duration::from_secs(seconds.into())).await?;
    eprintln!("{}, for {seconds} s; `lab heal {name}` ends it before", record.kind);
    Ok(())
}

fn refused(lab: &str, problem: &FaultProblem) -> CliError {
    let remedy = miette::Diagnostic::help(problem).map(|help| help.to_string()).unwrap_or_default();
    CliError::Usage { problem: format!("lab {lab}: {problem}"), remedy }
}

async fn measure(ctx: &LabContext, kind: FaultKind, seconds: u32, form: args::Output) -> Result<(), CliError> {
    pause::refuse_paused(ctx).await?;
    let service = change::service()?;
    let fault = Fault { kind, seconds, service, expect: FaultExpect::default() };
    let bear = async |events: &Events| verify::bear(ctx, &fault, &events.progress(&Action::Verify.id())).await;
    let verdict = shown(bear).await?;
    match form {
        args::Output::Text => output::print(&faults_text(std::slice::from_ref(&verdict)))?,
        args::Output::Json => output::print_json(&verdict)?,
    }
    if verdict.passed() { Ok(()) } else { Err(CliError::Red) }
}

/// Is the process that ends a fault in time.
pub(super) async fn keep(args: args::KeepFault) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    detached::settle();
    let open = async || {
        let lab: Lab = state.load()?;
        Ok::<_, StepError>(LabContext::new(lab, Engine::connect().await?, state.clone()))
    };
    Ok(fault::watch(open, &state, &args.id).await?)
}
