//! `lab verify`.

use std::time::Duration;

use super::{CliError, args, dump, output, pause};
use crate::exec::Events;
use crate::observe::verify::{self, Waits};
use crate::plan::Action;
use crate::report::{Style, follow};

pub(super) async fn run(args: args::Verify) -> Result<(), CliError> {
    let ctx = output::open(&args.name).await?;
    pause::refuse_paused(&ctx).await?;
    let waits = Waits { settle: Duration::from_secs(args.settle), ..Waits::default() };
    let (events, receiver) = Events::channel();
    let follower = tokio::spawn(follow(receiver, Style::detect()));
    let progress = events.progress(&Action::Verify.id());
    let verdict = verify::run(&ctx, waits, &progress).await;
    drop((events, progress));
    let _ = follower.await;
    let told = verdict.map_err(CliError::from).and_then(|v| output::tell(&v, args.output, args.junit.as_deref()));
    if told.is_err() {
        dump::in_ci(&ctx).await;
    }
    told
}
