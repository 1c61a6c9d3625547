//! `lab verify`.

use std::time::Duration;

use super::{CliError, args, dump, output, pause};
use crate::exec::Events;
use crate::images::Choice;
use crate::plan::{Action, Lab};
use crate::report::{Style, follow};
use crate::steps::{Context, verify};
use crate::sys::docker::Engine;
use crate::sys::state::State;

pub(super) async fn run(args: args::Verify) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    let engine = Engine::connect().await?;
    let ctx = Context::new(lab, engine, state, Choice::Auto, Duration::from_secs(args.settle));
    pause::refuse_paused(&ctx).await?;
    let (events, receiver) = Events::channel();
    let follower = tokio::spawn(follow(receiver, Style::detect()));
    let progress = events.progress(&Action::Verify.id());
    let verdict = verify::run(&ctx, &progress).await;
    drop((events, progress));
    let _ = follower.await;
    let told = verdict.map_err(CliError::from).and_then(|v| output::tell(&v, args.output, args.junit.as_deref()));
    if told.is_err() {
        dump::in_ci(&ctx).await;
    }
    told
}
