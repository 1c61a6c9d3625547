//! What verbs have in common that change a lab that is up.

use super::progress::shown;
use super::{CliError, Output, output, pause, up};
use crate::commands::up::{Stopped, Up};
use crate::context::{LabContext, RunContext};
use crate::exec::{Event, Events};
use crate::images::Choice;
use crate::observe::verify::Waits;
use crate::plan::{Action, Lab, helloworlds};
use crate::report::verdict_text;
use crate::scenario::{App, ServiceUrl};
use crate::sys::docker::Engine;
use crate::sys::state::{Lock, State};

/// What is called while a lab is changed.
const SERVICE: &str = "helloworld.sample:5000/hello";

/// A lab that is there, read once nobody else works on it, so that what another process made of it is known.
pub(super) async fn locked(name: &str) -> Result<(Up, Lock), CliError> {
    let lock = output::lock_existing(name).await?;
    Ok((open(name).await?, lock))
}

/// A lab that is there, ready for its steps to be run again: to be looked at, or to be changed by who holds its lock.
pub(super) async fn open(name: &str) -> Result<Up, CliError> {
    let state = State::open()?.existing(name)?;
    let lab: Lab = state.load()?;
    output::refuse_existing(&lab)?;
    let choice = up::keep_source(&state, &lab, Choice::Auto)?;
    let engine = Engine::connect().await?;
    Ok(Up::new(RunContext::new(LabContext::new(lab, engine, state), choice), Waits::default()))
}

/// [`SERVICE`], read.
pub(super) fn service() -> Result<ServiceUrl, CliError> {
    SERVICE.parse().map_err(|reason: &str| CliError::Usage {
        problem: format!("{SERVICE} {reason}"),
        remedy: "report this as a mistake in lab".to_owned(),
    })
}

/// Refuses to judge what a fault does to calls in a lab of several meshes: what they must come to is derived for one.
pub(super) fn refuse_several_meshes(lab: &Lab) -> Result<(), CliError> {
    if lab.meshes().len() < 2 {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("lab {} has several meshes, and what a fault must do to calls is derived for one", lab.name),
        remedy: format!(
            "`lab fault {0}` without --measure breaks something, and `lab verify {0}` judges meanwhile",
            lab.name
        ),
    })
}

/// Refuses a lab in which nobody calls `helloworld` while something happens, as `it has faults`.
pub(super) fn refuse_without_callers(lab: &Lab, meanwhile: &str) -> Result<(), CliError> {
    if lab.apps.iter().any(|app| matches!(app, App::Sleep)) && helloworlds(lab).next().is_some() {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("lab {} has nobody who calls while {meanwhile}", lab.name),
        remedy: "add helloworld and sleep to `apps` of its scenario, and run `lab up` with it".to_owned(),
    })
}

/// Does it with one line of progress, while `_lock` keeps others from the lab. `again` says what to do about a change that was interrupted, as a
/// sentence.
pub(super) async fn run<T>(
    (up, _lock): &(Up, Lock),
    verb: &str,
    again: &str,
    change: impl AsyncFnOnce(&Events) -> Result<T, Stopped>,
) -> Result<T, CliError> {
    let name = &up.ctx.lab.name;
    pause::refuse_paused(&up.ctx).await?;
    let done = shown(async |events: &Events| {
        events.send(Event::StepStarted { step: Action::Verify.id(), at: std::time::Duration::ZERO });
        change(events).await
    });
    match Box::pin(done).await {
        Ok(done) => Ok(done),
        Err(Stopped::Interrupted) => Err(CliError::Interrupted { remedy: again.to_owned() }),
        Err(Stopped::Red(verdict)) => {
            output::print(&verdict_text(&verdict))?;
            eprintln!("stopped: not everything is well; mend it first, as the verdict says");
            Err(CliError::Red)
        }
        Err(Stopped::Failed(error)) => {
            Err(CliError::Build { lab: name.clone(), failures: vec![(verb.to_owned(), error)] })
        }
    }
}

/// Prints what a change came to. Red, if it did not pass.
pub(super) fn tell<T: serde::Serialize>(
    format: Output,
    done: &T,
    text: impl FnOnce(&T) -> String,
    passed: bool,
) -> Result<(), CliError> {
    match format {
        Output::Text => output::print(&text(done))?,
        Output::Json => output::print_json(done)?,
    }
    if passed { Ok(()) } else { Err(CliError::Red) }
}
