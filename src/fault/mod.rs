//! Faults of a lab: begun, written down, and undone by whoever comes first of the run that began them, a keeper, `lab heal` and `lab up`.
//!
//! What is to be done, and how it is undone, is written into the lab's state before anything is done. Then a process of its own is started that undoes it
//! when its time is over, so that no end of lab leaves a fault behind.

mod act;
mod record;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;

use crate::context::{LabContext, StepError};
use crate::plan::{Act, acts};
use crate::scenario::FaultKind;
use crate::sys::detached;

pub use record::{Done, Record, read, records};

/// Name of the lock under which faults begin and end.
const LOCK: &str = "faults.lock";
/// First argument of a keeper.
pub const KEEPER: &str = "keep-fault";
/// How long a keeper may take to say that it is there.
const KEEPER_STARTS: Duration = Duration::from_secs(10);
/// Between two looks of a keeper whether its fault is still there.
const LOOK: Duration = Duration::from_millis(500);
/// Between two attempts of a keeper to undo what could not be undone, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// How long a keeper tries.
const TRIES: Duration = Duration::from_secs(3600);

/// Begins a fault that ends by itself after a time. Gives how it is written down.
///
/// # Errors
/// What would be hit is not as it must be, is hit by another fault already, or cannot be reached; then all is as before.
pub async fn begin(ctx: &LabContext, kind: &FaultKind, lasts: Duration) -> Result<Record, StepError> {
    let _lock = ctx.state.exclusive(LOCK).await?;
    let id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    let wanted = acts(&ctx.lab, kind, &id);
    refuse_twice(ctx, &wanted)?;
    let mut done = Vec::new();
    for act in wanted {
        done.push(act::look(ctx, act).await?);
    }
    let record = Record { id, kind: kind.clone(), began: now(), until: now() + millis(lasts), acts: done };
    record::write(&ctx.state, &record)?;
    let begun = match keep(ctx, &record).await {
        Ok(()) => perform(ctx, &record).await,
        Err(error) => Err(error),
    };
    if let Err(error) = begun {
        undo(ctx, &record).await?;
        record::delete(&ctx.state, &record.id)?;
        return Err(error);
    }
    Ok(record)
}

/// Undoes a fault. `false` when there is none of that identifier any more.
///
/// # Errors
/// Something cannot be undone; what can is, and the fault stays written down.
pub async fn heal(ctx: &LabContext, id: &str) -> Result<bool, StepError> {
    if read(&ctx.state, id)?.is_none() {
        return Ok(false);
    }
    let _lock = ctx.state.exclusive(LOCK).await?;
    let Some(record) = read(&ctx.state, id)? else { return Ok(false) };
    undo(ctx, &record).await?;
    record::delete(&ctx.state, id)?;
    Ok(true)
}

/// Forgets all faults of a lab that is removed, so that no keeper does anything more.
///
/// # Errors
/// The state cannot be written.
pub async fn forget(state: &crate::sys::state::LabState) -> Result<(), StepError> {
    let all = records(state)?;
    if all.is_empty() {
        return Ok(());
    }
    let _lock = state.exclusive(LOCK).await?;
    for record in all {
        record::delete(state, &record.id)?;
    }
    Ok(())
}

/// Does what a fault is, everywhere at once.
async fn perform(ctx: &LabContext, record: &Record) -> Result<(), StepError> {
    let mut all = Vec::new();
    for done in &record.acts {
        all.push(act::perform(ctx, done));
    }
    join_all(all).await.into_iter().collect()
}

/// Undoes what a fault did, everywhere at once. Everything is tried.
async fn undo(ctx: &LabContext, record: &Record) -> Result<(), StepError> {
    let mut all = Vec::new();
    for done in &record.acts {
        all.push(act::undo(ctx, done));
    }
    let failed = join_all(all).await.into_iter().find_map(Result::err);
    if record.acts.iter().any(|done| matches!(done.act, Act::Stop { .. })) {
        act::renew_routes(ctx).await?;
    }
    failed.map_or(Ok(()), Err)
}

/// Refuses to break what is broken already: what it was like before could not be told.
fn refuse_twice(ctx: &LabContext, wanted: &[Act]) -> Result<(), StepError> {
    for record in records(&ctx.state)? {
        let theirs: Vec<String> = record.acts.iter().filter_map(|done| done.act.target()).collect();
        if let Some(both) = wanted.iter().filter_map(Act::target).find(|target| theirs.contains(target)) {
            return Err(StepError::Machine {
                problem: format!("{both} is hit by a fault already: {}", record.kind),
                remedy: format!("`lab heal {}` ends it", ctx.lab.name),
            });
        }
    }
    Ok(())
}

/// Starts the process that undoes a fault when its time is over.
async fn keep(ctx: &LabContext, record: &Record) -> Result<(), StepError> {
    let started = detached::start(&[KEEPER, &ctx.lab.name, &record.id], KEEPER_STARTS).await;
    started.map_err(|error| StepError::Machine {
        problem: format!("nothing can be started that would end the fault: {error}"),
        remedy: "raise what this user may have of processes (`ulimit -u` shows it)".to_owned(),
    })
}

/// Is a keeper: waits for the end of a fault's time and undoes it, as often as it takes. Ends as soon as the fault is gone.
///
/// # Errors
/// It could not be undone for an hour.
pub async fn watch(
    open: impl AsyncFn() -> Result<LabContext, StepError>,
    state: &crate::sys::state::LabState,
    id: &str,
) -> Result<(), StepError> {
    let (mut pause, longest) = AGAIN;
    // What of the state is gone, or cannot be read, is gone with its lab.
    while let Ok(Some(record)) = read(state, id) {
        let left = record.until.saturating_sub(now());
        if left > 0 {
            tokio::time::sleep(LOOK.min(Duration::from_millis(left))).await;
            continue;
        }
        let healed = async { heal(&open().await?, id).await };
        match healed.await {
            Ok(_) => return Ok(()),
            Err(error) if now().saturating_sub(record.until) > millis(TRIES) => return Err(error),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(longest);
    }
    Ok(())
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
