//! `lab restore`: the lab of a snapshot is laid down, and `up` starts it, mends it and judges it.

use std::path::PathBuf;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{CliError, args, output, up};
use crate::commands::snapshot::{About, fork, restore};
use crate::sys::docker::Engine;
use crate::sys::state::State;

/// What is locked while a lab with new addresses is made: no lab has such a name.
const FORKING: &str = ".forking";

pub(super) async fn run(args: args::Restore, interrupt: &CancellationToken) -> Result<(), CliError> {
    let state = State::open()?;
    let snapshot = state.snapshots()?.get::<About>(&args.snapshot)?;
    let own = &snapshot.about.lab.name;
    let lab = args.name.unwrap_or_else(|| own.clone());
    output::refuse_no_name("lab", &lab)?;
    {
        let engine = Engine::connect().await?;
        let start = Instant::now();
        let restored = async {
            let _lock = output::lock(&state, &lab).await?;
            if lab == *own {
                return Ok::<_, CliError>(restore(&engine, &state, &snapshot, &snapshot.about.lab).await?);
            }
            // Addresses that are free are so until the network is made: one fork at a time.
            let told = || eprintln!("waiting: another lab process is making a lab of a snapshot");
            let _one = state.lock(FORKING, told).await?;
            let fork = fork(&engine, &snapshot, &lab).await?;
            Ok(restore(&engine, &state, &snapshot, &fork).await?)
        };
        tokio::select! {
            restored = Box::pin(restored) => restored?,
            () = interrupt.cancelled() => {
                let remedy = format!("`lab down {lab}` removes what was made of it so far");
                return Err(CliError::Interrupted { remedy });
            }
        }
        eprintln!(
            "lab {lab} is restored from snapshot {} of {} after {:.1} s, and is started now",
            snapshot.name,
            snapshot.about.taken,
            start.elapsed().as_secs_f64()
        );
    }
    let again = args::Up { no_verify: args.no_verify, output: args.output, ..args::Up::again(PathBuf::from(&lab)) };
    Box::pin(up::run(again, interrupt)).await
}
