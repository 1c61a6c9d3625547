//! Mirrors as they are written down in the lab's state.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::{MirrorPlace, StoodInFor};
use crate::sys::state::{LabState, Moment, StateError};

/// Directory of the records.
const DIRECTORY: &str = "mirrors";

/// A mirror that there is, or that is about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What tells it from others.
    pub id: String,
    /// The port of this machine that calls reach.
    pub to: u16,
    /// Where it stands in, by cluster.
    pub places: Vec<Placed>,
}

/// A mirror in one cluster, with what undoes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// The cluster.
    pub cluster: String,
    /// Namespace of the Service.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// As it is called: `helloworld.sample:5000`.
    pub host: String,
    /// The Deployments that have no pods meanwhile.
    pub stood_in_for: Vec<StoodInFor>,
}

impl From<&MirrorPlace> for Placed {
    fn from(place: &MirrorPlace) -> Self {
        Self {
            cluster: place.cluster.clone(),
            namespace: place.namespace.clone(),
            service: place.service.clone(),
            host: place.host(),
            stood_in_for: place.stood_in_for.clone(),
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clusters: Vec<&str> = self.places.iter().map(|place| place.cluster.as_str()).collect();
        let host = self.places.first().map_or("nothing", |place| place.host.as_str());
        write!(f, "calls to {host} in {} reach port {} of this machine", clusters.join(", "), self.to)
    }
}

fn file(id: &str) -> String {
    format!("{DIRECTORY}/{id}.json")
}

fn lock_file(id: &str) -> String {
    format!("{DIRECTORY}/{id}.lock")
}

/// The mirror of that identifier, if there is one. A record that cannot be read is none.
///
/// # Errors
/// The state cannot be read.
pub fn read(state: &LabState, id: &str) -> Result<Option<Record>, StateError> {
    state.recall(&file(id))
}

/// All mirrors of a lab.
///
/// # Errors
/// The state cannot be read.
pub fn records(state: &LabState) -> Result<Vec<Record>, StateError> {
    let mut all = Vec::new();
    for name in state.files_in(DIRECTORY)?.iter().filter_map(|name| name.strip_suffix(".json")) {
        all.extend(read(state, name)?);
    }
    all.sort_by(|a: &Record, b| a.places.iter().map(|p| &p.host).cmp(b.places.iter().map(|p| &p.host)));
    Ok(all)
}

pub(super) fn write(state: &LabState, record: &Record) -> Result<(), StateError> {
    state.write_json(&file(&record.id), record)
}

pub(super) fn delete(state: &LabState, id: &str) -> Result<(), StateError> {
    state.delete(&file(id))?;
    state.delete(&lock_file(id))
}

/// Waits for what the process has that carries a mirror, until it ends.
pub(super) async fn carry(state: &LabState, id: &str) -> Result<Moment, StateError> {
    state.exclusive(&lock_file(id)).await
}

/// A mirror in words, with whether anybody hands on what comes: who carried it may have been killed.
///
/// # Errors
/// The state cannot be written.
pub fn told(state: &LabState, record: &Record) -> Result<String, StateError> {
    let carried = state.is_taken(&lock_file(&record.id))?;
    Ok(if carried { record.to_string() } else { format!("{record}, and nobody hands them on: they fail") })
}
