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

/// Clusters of the lab that the command line names already.
pub(super) fn clusters() -> Vec<CompletionCandidate> {
    let Ok(state) = State::open() else { return Vec::new() };
    let named = names().into_iter().find(|name| std::env::args_os().any(|word| word == OsStr::new(name)));
    let lab = named.and_then(|name| state.existing(&name).ok()).and_then(|lab| lab.load::<Lab>().ok());
    let clusters = lab.map(|lab| lab.clusters).unwrap_or_default();
    clusters.into_iter().map(|cluster| CompletionCandidate::new(cluster.name)).collect()
}

/// Scenario files, and directories on the way to one or with one in them.
pub(super) fn files(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_yaml = |path: &Path| path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let mut found = PathCompleter::file().filter(is_yaml).complete(current);
    let of_labs = PathCompleter::dir().filter(|path| output::scenario_file(path).is_some()).complete(current);
    found.extend(
        of_labs.into_iter().filter(|d| !found.iter().any(|f| f.get_value() == d.get_value())).collect::<Vec<_>>(),
    );
    found
}

/// The same, and the labs of this machine.
pub(super) fn files_and_labs(current: &OsStr) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    let labs = names().into_iter().filter(|name| name.starts_with(&*start)).map(CompletionCandidate::new);
    labs.chain(files(current)).collect()
}
