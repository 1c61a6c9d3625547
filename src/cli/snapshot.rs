//! `lab snapshot`.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{CliError, args, heal, output};
use crate::commands::snapshot::{About, save};
use crate::sys::state::State;

pub(super) async fn run(args: args::Snapshot, interrupt: &CancellationToken) -> Result<(), CliError> {
    let name = args.kept_as.unwrap_or_else(|| args.name.clone());
    output::refuse_no_name("snapshot", &name)?;
    let state = State::open()?;
    state.existing(&args.name)?;
    let snapshots = state.snapshots()?;
    snapshots.refuse_taken(&name)?;
    let start = Instant::now();
    let _lock = tokio::select! {
        lock = output::lock(&state, &args.name) => lock?,
        () = interrupt.cancelled() => return Err(nothing_kept()),
    };
    let ctx = output::open_own(&args.name).await?;
    heal::refuse_broken(&ctx)?;
    let saved = save(&ctx, &snapshots, &name, output::now(), interrupt).await?.ok_or_else(nothing_kept)?;
    let bytes = snapshots.get::<About>(&name)?.bytes();
    eprintln!(
        "lab {} is kept as {name} after {:.1} s: {} nodes, {} MB; they stood still for {:.1} s. `lab restore {name}` brings it back once it is down",
        args.name,
        start.elapsed().as_secs_f64(),
        saved.nodes,
        bytes.div_ceil(1_000_000),
        saved.still.as_secs_f64(),
    );
    Ok(())
}

fn nothing_kept() -> CliError {
    CliError::Interrupted { remedy: "no snapshot was kept, and the lab goes on".to_owned() }
}
