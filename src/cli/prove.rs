//! `lab prove`.

use tokio_util::sync::CancellationToken;

use super::progress::shown;
use super::{CliError, Output, args, output, pause, up};
use crate::commands::prove::{self, Stopped};
use crate::commands::up::Up;
use crate::context::{LabContext, RunContext};
use crate::exec::{Event, Events};
use crate::images::Choice;
use crate::observe::verify::Waits;
use crate::plan::{Action, Lab};
use crate::report::{proof_text, verdict_text};
use crate::sys::docker::Engine;
use crate::sys::state::State;

pub(super) async fn run(args: args::Prove, interrupt: &CancellationToken) -> Result<(), CliError> {
    let root = State::open()?;
    let state = root.existing(&args.name)?;
    let lab: Lab = state.load()?;
    let name = lab.name.clone();
    let choice = up::keep_source(&state, &lab, Choice::Auto)?;
    let engine = Engine::connect().await?;
    let up = Up::new(RunContext::new(LabContext::new(lab, engine, state), choice), Waits::default());
    let planned = prove::planned(&up.ctx, args.only.as_deref());
    if planned.is_empty() {
        let what = args.only.as_ref().map_or_else(String::new, |only| format!(" whose words contain `{only}`"));
        return Err(CliError::Usage {
            problem: format!("there is nothing to break in lab {name}{what}"),
            remedy: format!("`lab prove {name} --list` shows what there is"),
        });
    }
    if args.list {
        return output::print_lines(planned.iter().map(|b| &b.what));
    }
    let _lock = root.lock(&name, || eprintln!("waiting: another lab process is working on {name}")).await?;
    pause::refuse_paused(&up.ctx).await?;
    let step = Action::Verify.id();
    let proof = shown(async |events: &Events| {
        events.send(Event::StepStarted { step: step.clone(), at: std::time::Duration::ZERO });
        prove::run(&up, &planned, args.only.is_none(), events, interrupt).await
    });
    let proof = match Box::pin(proof).await {
        Ok(proof) => proof,
        Err(Stopped::Interrupted) => {
            return Err(CliError::Interrupted {
                remedy: format!("what was broken last may still be: `lab up {name}` mends it"),
            });
        }
        Err(Stopped::Red(verdict)) => {
            output::print(&verdict_text(&verdict))?;
            return Err(CliError::Red);
        }
        Err(Stopped::Failed(error)) => {
            return Err(CliError::Build { lab: name, failures: vec![("prove".to_owned(), error)] });
        }
    };
    match args.output {
        Output::Text => output::print(&proof_text(&proof))?,
        Output::Json => output::print_json(&proof)?,
    }
    if proof.passed { Ok(()) } else { Err(CliError::Red) }
}
