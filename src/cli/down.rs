//! `lab down`.

use std::collections::BTreeSet;

use super::{CliError, args};
use crate::commands::down;
use crate::sys::docker::Engine;
use crate::sys::marked;
use crate::sys::state::{LabState, State};

pub(super) async fn run(args: args::Down) -> Result<(), CliError> {
    let state = State::open()?;
    let engine = Engine::connect().await?;
    // What carries a lab's label is a lab's, also when its state is lost.
    let mut known: BTreeSet<String> = state.names()?.into_iter().collect();
    known.extend(engine.nodes(None).await?.into_iter().map(|n| n.lab));
    known.extend(engine.networks().await?.into_iter().filter_map(|n| n.lab));
    // Another user, or another state directory, has labs of its own on the same engine: those go by name only.
    let names = if args.all { state.names()? } else { args.names };
    for name in &names {
        if !known.contains(name) {
            state.existing(name)?;
        }
    }
    if names.is_empty() {
        eprintln!("there is no lab in the state of this user");
    }
    for name in names {
        let start = std::time::Instant::now();
        let _lock = state.lock(&name, || eprintln!("waiting: another lab process is working on {name}")).await?;
        let lab = state.existing(&name).ok();
        if let Some(lab) = &lab {
            end_earlier(lab).await;
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

/// Ends what an aborted run on a lab left running. To be called with the lab's lock held.
pub(super) async fn end_earlier(lab: &LabState) {
    for words in marked::end(&lab.mark()).await {
        eprintln!("ended what an earlier run left: {words}");
    }
}
