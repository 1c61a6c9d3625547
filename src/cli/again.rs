//! What `lab up` keeps of the labs that it builds, and takes again.

use std::time::{Duration, Instant};

use super::up::Run;
use super::{CliError, output};
use crate::commands::snapshot::{kept, restore};
use crate::commands::up::Up;
use crate::commands::{down, snapshot};

/// A lab that was restored, and does not run yet.
pub(super) struct Restored {
    name: String,
    /// How long it took.
    pub took: Duration,
}

/// Restores what was kept of the same lab, if there is anything and no such lab: a line says so. What cannot be restored is left to be built.
pub(super) async fn restored(run: &Run<'_>, is_new: bool) -> Result<Option<Restored>, CliError> {
    if run.args.fresh || !is_new {
        return Ok(None);
    }
    let start = Instant::now();
    let lab = &run.lab.name;
    let restored = async {
        let snapshots = run.state.snapshots()?;
        // What the digest is made of need not be asked for where nothing is kept.
        if !snapshots.names()?.iter().any(|name| kept::is_kept(name)) {
            return Ok(None);
        }
        let name = kept::name_of(run.lab, run.engine, run.choice).await?;
        let Some(kept) = name.and_then(|name| kept::find(&snapshots, &name)) else {
            return Ok(None);
        };
        if let Err(error) = restore(run.engine, run.state, &kept, &kept.about.lab).await {
            eprintln!("warning: what was kept of lab {lab} at {} is not used: {error}; it is built", kept.about.taken);
            kept::forget(&snapshots, &kept.name);
            return Ok(None);
        }
        let took = start.elapsed();
        eprintln!(
            "lab {lab} is restored from {}, kept at {}, after {:.1} s, and is started now; --fresh would build it",
            kept.name,
            kept.about.taken,
            took.as_secs_f64()
        );
        Ok(Some(Restored { name: kept.name, took }))
    };
    tokio::select! {
        restored = Box::pin(restored) => restored,
        () = run.interrupt.cancelled() => Err(CliError::Interrupted {
            remedy: format!("what was restored so far goes with the next `lab up`, or with `lab down {lab}`"),
        }),
    }
}

/// Takes away a restored lab that is of no use, and what it was restored from.
pub(super) async fn undo(run: &Run<'_>, restored: &Restored, why: &str) -> Result<(), CliError> {
    eprintln!("warning: lab {}, restored from {}, is of no use: {why}; it is built anew", run.lab.name, restored.name);
    kept::forget(&run.state.snapshots()?, &restored.name);
    let state = run.state.lab(&run.lab.name)?;
    down::remove(run.engine, &run.lab.name, Some(&state), |_| ()).await?;
    Ok(state.empty()?)
}

/// Keeps a lab that was built and has passed, for the next `lab up` of the same. That it cannot be kept is no error. One that was asked to be built is not
/// kept, and takes the place of what was.
pub(super) async fn keep(run: &Run<'_>, up: &Up) -> Result<(), CliError> {
    if up.verdict().is_none() {
        return Ok(());
    }
    let start = Instant::now();
    let lab = &run.lab.name;
    let kept = async {
        let Some(name) = kept::name_of(run.lab, run.engine, run.choice).await? else { return Ok(()) };
        let snapshots = run.state.snapshots()?;
        if run.args.fresh {
            kept::forget(&snapshots, &name);
            return Ok(());
        }
        if let Some(obstacle) = kept::obstacle(&up.ctx).await? {
            eprintln!("lab {lab} is not kept for the next `lab up`: {obstacle}");
            return Ok(());
        }
        let saved = kept::keep(&up.ctx, &snapshots, &name, output::now(), run.interrupt).await?;
        let Some(saved) = saved else {
            let remedy = format!("lab {lab} is up; it is not kept for the next `lab up`");
            return Err(CliError::Interrupted { remedy });
        };
        let bytes = snapshots.get::<snapshot::About>(&name)?.bytes();
        eprintln!(
            "lab {lab} is kept for the next `lab up` of the same: {} MB, after {:.1} s, for {:.1} s of which its nodes stood still",
            bytes.div_ceil(1_000_000),
            start.elapsed().as_secs_f64(),
            saved.still.as_secs_f64()
        );
        Ok(())
    };
    match kept.await {
        Err(error @ CliError::Interrupted { .. }) => Err(error),
        Err(error) => {
            eprintln!("warning: lab {lab} is not kept for the next `lab up`: {error}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
