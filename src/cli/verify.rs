//! `lab verify`.

use std::time::Duration;

use super::progress::shown;
use super::{CliError, args, dump, output, pause};
use crate::exec::Events;
use crate::observe::verify::{self, Waits};
use crate::plan::Action;

pub(super) async fn run(args: args::Verify) -> Result<(), CliError> {
    if let Some(file) = &args.junit {
        output::refuse_unwritable(file)?;
    }
    let ctx = output::open(&args.name).await?;
    pause::refuse_paused(&ctx).await?;
    let waits = Waits { settle: Duration::from_secs(args.settle), ..Waits::default() };
    let judge = async |events: &Events| verify::run(&ctx, waits, &events.progress(&Action::Verify.id())).await;
    let verdict = shown(judge).await;
    let told = verdict.map_err(CliError::from).and_then(|v| output::tell(&v, args.output, args.junit.as_deref()));
    if told.is_err() {
        dump::in_ci(&ctx).await;
    }
    told
}
