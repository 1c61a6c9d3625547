//! `lab rotate`.

use tokio_util::sync::CancellationToken;

use super::progress::shown;
use super::{CliError, Output, args, output, pause, up};
use crate::commands::rotate::{self, Stopped, Subject};
use crate::commands::up::Up;
use crate::context::{LabContext, RunContext};
use crate::exec::{Event, Events};
use crate::images::Choice;
use crate::observe::verify::Waits;
use crate::plan::{Action, Lab, helloworlds};
use crate::report::{passage_text, verdict_text};
use crate::scenario::App;
use crate::sys::docker::Engine;
use crate::sys::state::State;

pub(super) async fn run(args: args::Rotate, interrupt: &CancellationToken) -> Result<(), CliError> {
    let root = State::open()?;
    let state = root.existing(&args.name)?;
    let lab: Lab = state.load()?;
    refuse(&lab, args.what)?;
    let name = lab.name.clone();
    let choice = up::keep_source(&state, &lab, Choice::Auto)?;
    let engine = Engine::connect().await?;
    let up = Up::new(RunContext::new(LabContext::new(lab, engine, state), choice), Waits::default());
    let _lock = root.lock(&name, || eprintln!("waiting: another lab process is working on {name}")).await?;
    pause::refuse_paused(&up.ctx).await?;
    let step = Action::Verify.id();
    let passage = shown(async |events: &Events| {
        events.send(Event::StepStarted { step: step.clone(), at: std::time::Duration::ZERO });
        rotate::run(&up, args.what, &events.progress(&step), interrupt).await
    });
    let again = format!("`lab rotate {name} {}` goes on", value(args.what));
    let passage = match Box::pin(passage).await {
        Ok(passage) => passage,
        Err(Stopped::Interrupted) => return Err(CliError::Interrupted { remedy: again }),
        Err(Stopped::Red(verdict)) => {
            output::print(&verdict_text(&verdict))?;
            eprintln!("stopped: not everything is well; mend it first, then {again}");
            return Err(CliError::Red);
        }
        Err(Stopped::Failed(error)) => {
            return Err(CliError::Build { lab: name, failures: vec![("rotate".to_owned(), error)] });
        }
    };
    match args.output {
        Output::Text => output::print(&passage_text(&passage))?,
        Output::Json => output::print_json(&passage)?,
    }
    if passage.passed { Ok(()) } else { Err(CliError::Red) }
}

/// As the command line has it.
fn value(what: Subject) -> &'static str {
    match what {
        Subject::RemoteSecret => "remote-secret",
        Subject::Intermediate => "intermediate",
        Subject::Root => "root",
    }
}

/// Refuses what cannot be replaced, before anything is asked.
fn refuse(lab: &Lab, what: Subject) -> Result<(), CliError> {
    let refused = |problem: String, remedy: String| Err(CliError::Usage { problem, remedy });
    if !lab.has_mesh() {
        return refused(
            format!("lab {} has no mesh, so nothing in it trusts anything", lab.name),
            "name a lab with a mesh".to_owned(),
        );
    }
    let calls = lab.apps.iter().any(|app| matches!(app, App::Sleep)) && helloworlds(lab).next().is_some();
    if !calls {
        return refused(
            format!("lab {} has nobody who calls while {what} are replaced", lab.name),
            "add helloworld and sleep to `apps` of its scenario, and run `lab up` with it".to_owned(),
        );
    }
    if what == Subject::RemoteSecret && lab.data_clusters().count() < 2 {
        return refused(
            format!("lab {} has one cluster, and no remote secrets", lab.name),
            "name a lab with several".to_owned(),
        );
    }
    if what != Subject::RemoteSecret && lab.mesh.ca.is_some() {
        return refused(
            format!(
                "the certificates of lab {} are those that its scenario brings, and lab cannot issue others",
                lab.name
            ),
            format!(
                "leave `mesh.ca` out of a scenario of its own to try this; `lab rotate {} remote-secret` works here too",
                lab.name
            ),
        );
    }
    Ok(())
}
