//! `--probes`: what they are made for, and that they go whatever becomes of it.

use tokio_util::sync::CancellationToken;

use super::{CliError, output};
use crate::commands::probes;
use crate::context::LabContext;
use crate::exec::Progress;
use crate::plan::render::PROBES_NAMESPACE;
use crate::sys::state::State;

/// Does something with a lab that has probes, and removes them again.
pub(super) async fn with<T>(
    ctx: &LabContext,
    interrupt: &CancellationToken,
    progress: &Progress,
    work: impl AsyncFnOnce(LabContext) -> Result<T, CliError>,
) -> Result<T, CliError> {
    if !ctx.lab.is_existing() {
        return Err(CliError::Usage {
            problem: format!("--probes is for meshes that lab did not install, and it made lab {}", ctx.lab.name),
            remedy: "leave --probes out: lab's own apps call".to_owned(),
        });
    }
    // Two at once would take each other's probes away.
    let _lock = output::lock(&State::open()?, &ctx.lab.name).await?;
    let worked = tokio::select! {
        worked = async { work(probes::make(ctx, progress).await?).await } => worked,
        () = interrupt.cancelled() => Err(CliError::Interrupted {
            remedy: format!("the probes are being removed; `lab down {}` removes what is left of them", ctx.lab.name),
        }),
    };
    progress.say(format!("removing namespace {PROBES_NAMESPACE}"));
    let removed = probes::remove(ctx).await;
    // What came of the work is worth more than that something is left.
    match (worked, removed) {
        (worked, Ok(_)) => worked,
        (worked, Err(error)) => {
            eprintln!("warning: not all probes were removed: {error}; `lab down {}` removes them", ctx.lab.name);
            worked
        }
    }
}
