//! Faults as they are written down in the lab's state.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Act;
use crate::scenario::FaultKind;
use crate::sys::state::{LabState, StateError};

/// Directory of the records.
const DIRECTORY: &str = "faults";

/// A fault that there is, or that is about to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What tells it from others.
    pub id: String,
    /// What it is.
    pub kind: FaultKind,
    /// When it began, in milliseconds since 1970.
    pub began: u64,
    /// When it ends by itself, likewise.
    pub until: u64,
    /// What was done.
    pub acts: Vec<Done>,
}

/// Something that was done, with what undoes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// What.
    pub act: Act,
    /// What was there before: replicas, or an object.
    pub before: Value,
}

fn file(id: &str) -> String {
    format!("{DIRECTORY}/{id}.json")
}

/// The fault of that identifier, if there is one. A record that cannot be read is none.
///
/// # Errors
/// The state cannot be read.
pub fn read(state: &LabState, id: &str) -> Result<Option<Record>, StateError> {
    state.recall(&file(id))
}

/// All faults of a lab, the earliest first.
///
/// # Errors
/// The state cannot be read.
pub fn records(state: &LabState) -> Result<Vec<Record>, StateError> {
    let mut all = Vec::new();
    for name in state.files_in(DIRECTORY)? {
        all.extend(state.recall::<Record>(&format!("{DIRECTORY}/{name}"))?);
    }
    all.sort_by_key(|record| record.began);
    Ok(all)
}

pub(super) fn write(state: &LabState, record: &Record) -> Result<(), StateError> {
    state.write_json(&file(&record.id), record)
}

pub(super) fn delete(state: &LabState, id: &str) -> Result<(), StateError> {
    state.delete(&file(id))
}
