//! Mirrors of Services: a pod in a cluster that stands in for those of a Service, and hands on what it gets to a process of this machine.
//!
//! As with faults, what is to be done is written into the lab's state before anything is done, and a process of its own undoes it once the one that carries
//! the mirror is gone, however that ended. `lab heal` and `lab up` undo it too, and the one that carries it sees that.

mod find;
mod record;

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::context::{LabContext, StepError};
use crate::plan::MirrorPlace;
use crate::plan::render::{self, MirrorHost};
use crate::sys::detached;
use crate::sys::kube::{How, Listener, Manager, Manifest};
use crate::sys::state::{LabState, Moment};

pub use find::{Found, Wanted, find};
pub use record::{Placed, Record, read, records, told};

/// Name of the lock under which mirrors begin and end.
const LOCK: &str = "mirrors.lock";
/// First argument of a keeper.
pub const KEEPER: &str = "keep-mirror";
/// How long a keeper may take to say that it is there.
const KEEPER_STARTS: Duration = Duration::from_secs(10);
/// Between two looks whether a mirror is still written down.
const LOOK: Duration = Duration::from_millis(500);
/// Between two attempts of a keeper to undo what could not be undone, and how many there are: about an hour of them.
const AGAIN: (Duration, u32) = (Duration::from_secs(10), 360);
/// How long its pod may take to be ready.
const READY: Duration = Duration::from_secs(90);
/// How long the pods that it stood in for are waited for before it goes.
const BACK: Duration = Duration::from_secs(20);
/// Who applies its objects: nothing that a lab is built of.
const HOW: How = How { manager: Manager::Developer, yields: false, dry_run: false };

/// A mirror that stands, as long as this process carries it.
#[derive(Debug)]
pub struct Carried {
    /// As it is written down.
    pub record: Record,
    _held: Moment,
}

/// What tells a new mirror from others.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}

/// Puts a pod in the place of those of a Service in each cluster, which hands on what it gets to that address of this machine. Ends when calls reach it alone.
///
/// # Errors
/// One of them is mirrored already, or a pod does not become ready; then all is as before.
pub async fn begin(
    ctx: &LabContext,
    id: &str,
    found: &[(Found, MirrorHost)],
    to: u16,
    listener: &impl Listener,
) -> Result<Carried, StepError> {
    let lock = ctx.state.exclusive(LOCK).await?;
    refuse_twice(ctx, found)?;
    let record =
        Record { id: id.to_owned(), to, places: found.iter().map(|(found, _)| Placed::from(&found.place)).collect() };
    record::write(&ctx.state, &record)?;
    let held = record::carry(&ctx.state, id).await?;
    let begun: Result<(), StepError> = match keep(ctx, id).await {
        Ok(()) => {
            join_all(found.iter().map(|(found, host)| stand_in(ctx, found, host, listener))).await.into_iter().collect()
        }
        Err(error) => Err(error),
    };
    drop(lock);
    if let Err(error) = begun {
        end(ctx, id).await?;
        return Err(error);
    }
    Ok(Carried { record, _held: held })
}

/// Undoes a mirror. `false` when there is none of that identifier any more.
///
/// # Errors
/// Something cannot be undone; what can is, and the mirror stays written down.
pub async fn end(ctx: &LabContext, id: &str) -> Result<bool, StepError> {
    if read(&ctx.state, id)?.is_none() {
        return Ok(false);
    }
    let _lock = ctx.state.exclusive(LOCK).await?;
    let Some(record) = read(&ctx.state, id)? else { return Ok(false) };
    let undone = join_all(record.places.iter().map(|place| put_back(ctx, place))).await;
    undone.into_iter().collect::<Result<(), _>>()?;
    record::delete(&ctx.state, id)?;
    Ok(true)
}

/// Forgets all mirrors of a lab that is removed, so that nobody does anything more for them.
///
/// # Errors
/// The state cannot be written.
pub async fn forget(state: &LabState) -> Result<(), StepError> {
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

/// Waits until a mirror is no longer written down. What of the state cannot be read is gone with its lab.
pub async fn until_gone(state: &LabState, id: &str) {
    while let Ok(Some(_)) = read(state, id) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Is a keeper: waits until the process that carries a mirror is gone, and undoes it, as often as it takes. Ends as soon as the mirror is gone.
///
/// # Errors
/// It could not be undone for an hour.
pub async fn watch(
    open: impl AsyncFn() -> Result<LabContext, StepError>,
    state: &LabState,
    id: &str,
) -> Result<(), StepError> {
    let _left = tokio::select! {
        () = until_gone(state, id) => return Ok(()),
        // Where it cannot be waited for, it is gone with its lab.
        left = record::carry(state, id) => left,
    };
    let (pause, mut left) = AGAIN;
    loop {
        let ended = async { end(&open().await?, id).await };
        match ended.await {
            Ok(_) => return Ok(()),
            Err(error) if left == 0 => return Err(error),
            Err(_) => {}
        }
        left -= 1;
        tokio::select! {
            () = until_gone(state, id) => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Starts the process that undoes a mirror when the one that carries it is gone.
async fn keep(ctx: &LabContext, id: &str) -> Result<(), StepError> {
    let started = detached::start(&[KEEPER, &ctx.lab.name, id], KEEPER_STARTS).await;
    started.map_err(|error| StepError::Machine {
        problem: format!("nothing can be started that would end the mirror: {error}"),
        remedy: "raise what this user may have of processes (`ulimit -u` shows it)".to_owned(),
    })
}

/// Refuses a second mirror of a Service in the same cluster.
fn refuse_twice(ctx: &LabContext, found: &[(Found, MirrorHost)]) -> Result<(), StepError> {
    for record in records(&ctx.state)? {
        let is_of = |place: &MirrorPlace| {
            record
                .places
                .iter()
                .any(|p| (&p.cluster, &p.namespace, &p.service) == (&place.cluster, &place.namespace, &place.service))
        };
        if found.iter().any(|(found, _)| is_of(&found.place)) {
            return Err(StepError::Machine {
                problem: format!("there is a mirror already: {record}"),
                remedy: format!("`lab heal {}` ends it", ctx.lab.name),
            });
        }
    }
    Ok(())
}

/// Makes the pod of a mirror, and once it is ready takes those away that it stands in for.
async fn stand_in(
    ctx: &LabContext,
    found: &Found,
    host: &MirrorHost,
    listener: &impl Listener,
) -> Result<(), StepError> {
    let place = &found.place;
    let client = ctx.client(&place.cluster).await?;
    let manifest = Manifest::from_values(render::mirror(place, &found.image, host, ctx.lab.is_dual()))?;
    for object in &manifest.objects {
        client.apply_object(object, None, HOW).await?;
    }
    client.until_available(&place.namespace, &MirrorPlace::deployment_of(&place.service), READY, listener).await?;
    for stopped in &place.stood_in_for {
        client.scale(&place.namespace, &stopped.deployment, 0).await?;
    }
    Ok(())
}

/// Brings back what a mirror stood in for, and takes it away once that is there: so there is always somebody who answers.
async fn put_back(ctx: &LabContext, place: &Placed) -> Result<(), StepError> {
    let client = ctx.client(&place.cluster).await?;
    for stopped in &place.stood_in_for {
        let found: Option<k8s_openapi::api::apps::v1::Deployment> =
            client.get(&place.namespace, &stopped.deployment).await?;
        // Whoever has scaled it since, or taken it away, has had the last word.
        if found.is_some_and(|d| d.spec.replicas == Some(0)) {
            client.scale(&place.namespace, &stopped.deployment, stopped.replicas).await?;
        }
    }
    let back = place
        .stood_in_for
        .iter()
        .map(|stopped| client.until_available(&place.namespace, &stopped.deployment, BACK, &Silent));
    // One that does not come back is told by who looks at it, and the mirror of a process that may be gone helps nobody.
    let _ = tokio::time::timeout(BACK, join_all(back)).await;
    let own = |version: &str, kind: &str| {
        let metadata = json!({ "name": MirrorPlace::deployment_of(&place.service), "namespace": place.namespace });
        json!({ "apiVersion": version, "kind": kind, "metadata": metadata })
    };
    for object in &Manifest::from_values([own("apps/v1", "Deployment"), own("v1", "Secret")])?.objects {
        client.delete(object).await?;
    }
    Ok(())
}

/// A wait that tells nobody what it waits for.
struct Silent;

impl Listener for Silent {
    fn say(&self, _: String) {}
}
