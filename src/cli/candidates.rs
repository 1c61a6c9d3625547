//! What completion offers of this machine: labs, their clusters, scenario files. Where something cannot be read it offers nothing.

use std::ffi::OsStr;
use std::path::Path;

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};

use super::output;
use crate::plan::Lab;
use crate::sys::state::State;

fn names() -> Vec<String> {
    State::open().and_then(|state| state.names()).unwrap_or_default()
}

/// Names of the labs of this machine.
pub(super) fn labs() -> Vec<CompletionCandidate> {
    names().into_iter().map(CompletionCandidate::new).collect()
}

/// Names of the snapshots of this machine.
pub(super) fn snapshots() -> Vec<CompletionCandidate> {
    let names = State::open().and_then(|state| state.snapshots()?.names()).unwrap_or_default();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Clusters of the lab that the command line names already.
pub(super) fn clusters() -> Vec<CompletionCandidate> {
    let named = names().into_iter().find(|name| std::env::args_os().any(|word| word == OsStr::new(name)));
    let lab = named.and_then(|name| State::open().ok()?.existing(&name).ok()?.load::<Lab>().ok());
    lab.into_iter().flat_map(|lab| lab.clusters).map(|cluster| CompletionCandidate::new(cluster.name)).collect()
}

/// What stands for a scenario file, and the directories on the way to one.
pub(super) fn files(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_scenario = |path: &Path| {
        let file = output::scenario_file(path);
        file.is_some_and(|file| file.extension().is_some_and(|e| e == "yaml" || e == "yml"))
    };
    PathCompleter::any().filter(is_scenario).complete(current)
}

/// The same, and the labs of this machine.
pub(super) fn files_and_labs(current: &OsStr) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    let labs = names().into_iter().filter(|name| name.starts_with(&*start)).map(CompletionCandidate::new);
    labs.chain(files(current)).collect()
}
