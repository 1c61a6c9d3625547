//! `lab down`.

use std::collections::BTreeSet;

use super::{CliError, args, brought, misnamed, output};
use crate::commands::{down, probes};
use crate::plan::Lab;
use crate::plan::render::PROBES_NAMESPACE;
use crate::scenario;
use crate::sys::docker::Engine;
use crate::sys::marked;
use crate::sys::state::{LabState, State, nearest};
use crate::{fault, mirror};

pub(super) async fn run(args: args::Down) -> Result<(), CliError> {
    let state = State::open()?;
    let names = if args.all { state.names()? } else { args.names };
    // Of what lab did not make it removes nothing, and no engine is asked.
    let is_found = |name: &String| {
        let stored = state.existing(name).ok().and_then(|s| s.load::<Lab>().ok());
        stored.is_some_and(|lab| lab.is_existing())
    };
    let (found, names): (Vec<String>, Vec<String>) = names.into_iter().partition(is_found);
    for name in &found {
        forget(&state, name).await?;
    }
    let is_brought = |name: &String| {
        let stored = state.existing(name).ok().and_then(|s| s.load::<Lab>().ok());
        stored.is_some_and(|lab| lab.is_brought())
    };
    let (theirs, names): (Vec<String>, Vec<String>) = names.into_iter().partition(is_brought);
    for name in &theirs {
        Box::pin(brought::leave(&state, name)).await?;
    }
    if !(found.is_empty() && theirs.is_empty()) && names.is_empty() {
        return Ok(());
    }
    let engine = Engine::connect().await?;
    // What carries a lab's label is a lab's, also when its state is lost.
    let mut known: BTreeSet<String> = state.names()?.into_iter().collect();
    known.extend(engine.nodes(None).await?.into_iter().map(|n| n.lab));
    known.extend(engine.networks().await?.into_iter().filter_map(|n| n.lab));
    // Another user, or another state directory, has labs of its own on the same engine: those go by name only.
    for name in &names {
        refuse_no_name(name, &known)?;
    }
    if names.is_empty() {
        eprintln!("there is no lab in the state of this user");
    }
    for name in names {
        // What cleans up must not fail where nothing was made, as after a scenario that was refused.
        if !known.contains(&name) && engine.images_of(&name).await?.is_empty() {
            eprintln!("{}", nothing(&name, known.clone()));
            continue;
        }
        let start = std::time::Instant::now();
        let _lock = output::lock(&state, &name).await?;
        let lab = state.existing(&name).ok();
        if let Some(lab) = &lab {
            end_earlier(lab).await;
            fault::forget(lab).await?;
            mirror::forget(lab).await?;
        }
        let removed = down::remove(&engine, &name, lab.as_ref(), |what| eprintln!("{what}")).await?;
        if let Some(lab) = lab {
            lab.remove()?;
        }
        eprintln!(
            "lab {name} is down after {:.1} s: removed {}",
            start.elapsed().as_secs_f64(),
            [removed.nodes, removed.networks].concat().join(", ")
        );
    }
    Ok(())
}

/// Forgets a lab of a mesh that somebody else installed. Probes that an aborted run has left are removed.
async fn forget(state: &State, name: &str) -> Result<(), CliError> {
    let _lock = output::lock(state, name).await?;
    let ctx = output::open(name).await?;
    match probes::remove(&ctx).await {
        Ok(true) => eprintln!("namespace {PROBES_NAMESPACE} is removed from the clusters of {name}"),
        Ok(false) => {}
        Err(error) => eprintln!(
            "warning: probes may be left in the clusters of {name}: {error}; kubectl delete namespace {PROBES_NAMESPACE} removes them"
        ),
    }
    state.existing(name)?.remove()?;
    eprintln!("lab {name} is forgotten; nothing was changed in its clusters");
    Ok(())
}

/// Refuses what cannot be the name of any lab: that nothing of it is there would be no answer.
fn refuse_no_name(name: &str, known: &BTreeSet<String>) -> Result<(), CliError> {
    if known.contains(name) || scenario::is_lab_name(name) {
        return Ok(());
    }
    misnamed::refuse_file(name)?;
    Err(CliError::Usage {
        problem: format!("`{name}` cannot be the name of a lab"),
        remedy: "`lab list` shows the names of the labs that there are".to_owned(),
    })
}

/// What is said of a lab that is not there.
fn nothing(name: &str, known: BTreeSet<String>) -> String {
    let meant = nearest(known, name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    format!("there is no lab {name}, so there is nothing to remove{meant}")
}

/// Ends what an aborted run on a lab left running. To be called with the lab's lock held.
pub(super) async fn end_earlier(lab: &LabState) {
    for words in marked::end(&lab.mark()).await {
        eprintln!("ended what an earlier run left: {words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        ["demo", "three-network"].map(str::to_owned).into()
    }

    #[test]
    fn a_lab_that_is_not_there_is_told_with_the_one_that_may_be_meant() {
        let nothing = |name: &str| nothing(name, known());
        assert_eq!(nothing("ci"), "there is no lab ci, so there is nothing to remove");
        assert_eq!(
            nothing("three-netwrok"),
            "there is no lab three-netwrok, so there is nothing to remove; did you mean three-network?"
        );
    }

    #[test]
    fn only_what_could_be_a_lab_can_be_missing() {
        let dir = crate::sys::unfinished::dir().expect("a directory");
        let file = dir.path().join("scenario.yaml");
        crate::sys::fs::write(&file, "name: demo\nclusters: 5\n").expect("writes");
        let refused = |word: &str| refuse_no_name(word, &known()).map_err(|e| e.to_text());
        assert_eq!(refused("ci"), Ok(()));
        for word in [&file, dir.path()].map(|path: &std::path::Path| path.to_string_lossy().into_owned()) {
            let told = refused(&word).expect_err("a file");
            assert!(told.contains("takes the name of a lab") && told.contains("its lab is named demo"), "{told}");
        }
        for word in ["", "a/b", "Demo"] {
            assert!(refused(word).expect_err("no name").contains("cannot be the name"), "{word}");
        }
    }
}
