//! `lab verify`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::progress::shown;
use super::{CliError, args, dump, output, pause, probes};
use crate::context::LabContext;
use crate::exec::{Events, Progress};
use crate::observe::verify::{self, Waits};
use crate::plan::Action;
use crate::verdict::Verdict;

/// How long pods that have just been made may take until every control plane knows them.
const SETTLE: Duration = Duration::from_secs(60);

pub(super) async fn run(args: args::Verify, interrupt: &CancellationToken) -> Result<(), CliError> {
    if let Some(file) = &args.junit {
        output::refuse_unwritable(file)?;
    }
    let ctx = output::open(&args.name).await?;
    pause::refuse_paused(&ctx).await?;
    let mut waits = Waits { settle: Duration::from_secs(args.settle), ..Waits::default() };
    let verdict = shown(async |events: &Events| {
        let progress = events.progress(&Action::Verify.id());
        if !args.probes {
            return judged(&ctx, waits, &progress).await;
        }
        (waits.retry, waits.settle) = (SETTLE, waits.settle.max(SETTLE));
        let judge = async |probed: LabContext| judged(&probed, waits, &progress).await;
        probes::with(&ctx, interrupt, &progress, judge).await
    });
    let verdict = tokio::select! {
        verdict = verdict => verdict,
        // What has made something must remove it.
        () = interrupt.cancelled(), if !args.probes => {
            return Err(CliError::Interrupted { remedy: "the lab was not changed".to_owned() });
        }
    };
    let told = verdict.and_then(|v| output::tell(&v, args.output, args.junit.as_deref()));
    if told.is_err() {
        dump::in_ci(&ctx).await;
    }
    told
}

async fn judged(ctx: &LabContext, waits: Waits, progress: &Progress) -> Result<Verdict, CliError> {
    Ok(verify::run(ctx, waits, progress).await?)
}
