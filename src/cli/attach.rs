//! `lab attach`: a lab of a mesh that somebody else installed.

use std::path::{Path, PathBuf};

use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::args::Reading;
use super::{CliError, args, inspect, output};
use crate::context::{LabContext, StepError};
use crate::plan::Lab;
use crate::sys::fs;
use crate::sys::state::State;

pub(super) async fn run(args: args::Attach, interrupt: &CancellationToken) -> Result<(), CliError> {
    let mut lab = output::load(&args.scenario, args.name.as_deref(), Reading::default(), interrupt).await?;
    if !lab.is_existing() {
        let file = args.scenario.display();
        return Err(CliError::Usage {
            problem: format!("{file} is the scenario of a lab that lab makes"),
            remedy: format!("`lab up {file}` builds it; `lab inspect` writes a scenario of a mesh that is there"),
        });
    }
    let directory = directory(&args.scenario);
    for existing in lab.clusters.iter_mut().filter_map(|c| c.existing.as_mut()) {
        let file = directory.join(&existing.kubeconfig);
        existing.kubeconfig = std::path::absolute(&file).unwrap_or(file).display().to_string();
    }
    let state = State::open()?;
    let _lock = output::lock(&state, &lab.name).await?;
    if state.existing(&lab.name).is_ok_and(|old| !old.load::<Lab>().is_ok_and(|old| old.is_existing())) {
        return Err(CliError::Usage {
            problem: format!("there is a lab {} that lab made", lab.name),
            remedy: "give this one another name: `--name NAME`".to_owned(),
        });
    }
    // That the clusters answer is known before anything is written.
    tokio::select! {
        looked = look(&lab) => looked?,
        () = interrupt.cancelled() => return Err(output::nothing_begun()),
    }
    let name = &lab.name;
    state.lab(name)?.store(&lab)?;
    eprintln!(
        "lab {name} is {}; nothing was changed in its clusters\n`lab verify {name}` judges what is configured, `lab verify {name} --probes` calls as well, `lab down {name}` forgets it",
        lab.mesh_in_words()
    );
    output::print_lines([name])
}

/// Asks every cluster once.
async fn look(lab: &Lab) -> Result<(), CliError> {
    let known = lab.clusters.iter().filter_map(|c| Some((c, c.existing.as_ref()?)));
    let asked = known.map(|(cluster, existing)| async move {
        let client = LabContext::reach(cluster).await?;
        let facts = crate::observe::inspect::look(&client, &existing.kubeconfig, &existing.context).await?;
        Ok::<_, StepError>((facts.uid, cluster.name.as_str()))
    });
    let asked = try_join_all(asked).await?;
    inspect::refuse_same(asked.iter().map(|(uid, name)| (uid.as_str(), *name)))
}

/// Where relative paths of a scenario begin.
pub(super) fn directory(scenario: &Path) -> PathBuf {
    if fs::is_dir(scenario) {
        return scenario.to_owned();
    }
    scenario.parent().filter(|_| scenario != Path::new("-")).map(Path::to_owned).unwrap_or_default()
}
