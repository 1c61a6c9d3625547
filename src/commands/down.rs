//! `down`: removes exactly what carries the lab's label, until two looks in a row find nothing of it.

use std::time::Duration;

use futures::future::try_join_all;

use crate::context::{StepError, files};
use crate::steps::half_made;
use crate::sys::docker::{DockerError, Engine};
use crate::sys::state::LabState;

/// What carries a lab's label.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Node containers.
    pub nodes: Vec<String>,
    /// Docker networks.
    pub networks: Vec<String>,
    /// Image tags.
    pub images: Vec<String>,
}

impl Removed {
    fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.networks.is_empty() && self.images.is_empty()
    }

    fn add(&mut self, more: Self) {
        let lists =
            [(&mut self.nodes, more.nodes), (&mut self.networks, more.networks), (&mut self.images, more.images)];
        for (list, more) in lists {
            list.extend(more);
            list.sort();
            list.dedup();
        }
    }
}

/// Between two looks. What the engine was asked for before, and has not shown yet, comes in that time.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is looked, and how often the engine may refuse to remove what just comes into being.
const LOOKS: usize = 50;

/// Written in the state of a lab that is being removed.
const GOING: &str = "going";
/// How many looks in a row must find the same nodes: those whose processes the engine still ends, before it removes them, look like any other.
const SETTLED: usize = 15;
/// How many looks are taken at most: a minute of them.
const SETTLING: usize = 300;

/// Waits until the engine has removed what a `down` that was aborted has asked it to remove. The caller holds the lab's lock.
///
/// # Errors
/// The engine does not answer, or the state cannot be read.
pub async fn until_gone(engine: &Engine, lab: &str, state: &LabState) -> Result<(), StepError> {
    if state.read(GOING)?.is_none() {
        return Ok(());
    }
    let (mut before, mut same) = (Vec::new(), 0);
    for _ in 0..SETTLING {
        let nodes = engine.nodes(Some(lab)).await?.into_iter().map(|n| (n.name, n.running));
        let mut nodes: Vec<(String, bool)> = nodes.collect();
        nodes.sort();
        same = if nodes == before { same + 1 } else { 0 };
        // With no nodes there is nothing left to remove.
        if nodes.is_empty() || same == SETTLED {
            break;
        }
        before = nodes;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(state.delete(GOING)?)
}

/// Removes a lab's containers, then its network and its images. What is gone already is well, so an interrupted `down` can be repeated. `say` is told
/// what takes time.
///
/// # Errors
/// The engine refuses, or things of the lab keep coming.
pub async fn remove(
    engine: &Engine,
    lab: &str,
    state: Option<&LabState>,
    say: impl Fn(&str),
) -> Result<Removed, StepError> {
    if let Some(state) = state {
        state.write(GOING, "")?;
    }
    let begun = begun(engine, lab, state).await?;
    if !begun.is_empty() {
        say("an aborted run was creating clusters: waiting until it can create nothing more");
    }
    let ended = begun.iter().map(|(cluster, nodes)| half_made::remove(engine, lab, cluster, nodes));
    let mut removed = Removed { nodes: try_join_all(ended).await?.concat(), ..Removed::default() };
    let mut was_empty = false;
    let mut refused = None;
    for _ in 0..LOOKS {
        let found = look(engine, lab).await?;
        match (found.is_empty(), was_empty) {
            (true, true) => return Ok(removed),
            (is_empty, _) => was_empty = is_empty,
        }
        refused = take(engine, &found).await.err();
        removed.add(found);
        tokio::time::sleep(PAUSE).await;
    }
    Err(refused.map_or_else(|| keeps_coming(lab), StepError::from))
}

fn keeps_coming(lab: &str) -> StepError {
    StepError::Machine {
        problem: format!("containers, networks or images of lab {lab} keep appearing while they are removed"),
        remedy: format!(
            "stop the program that creates them (`docker events` shows it), then run `lab down {lab}` again"
        ),
    }
}

/// Clusters that an aborted run was making, with the names of their nodes. Where the state does not tell, each cluster that has an image may be one.
async fn begun(engine: &Engine, lab: &str, state: Option<&LabState>) -> Result<Vec<(String, Vec<String>)>, StepError> {
    let mut begun = state.and_then(|s| half_made::begun(s).ok()).unwrap_or_default();
    let is_told = |cluster: &str| {
        state.is_some_and(|s| s.read(&files::made(&format!("{lab}-{cluster}"))).is_ok_and(|m| m.is_some()))
    };
    for tag in engine.images_of(lab).await? {
        let Some(cluster) = tag.strip_prefix(&half_made::image(lab, "")) else { continue };
        // What has a dot is a trial of an aborted `down`.
        if !cluster.contains('.') && !is_told(cluster) && !begun.iter().any(|(known, _)| known == cluster) {
            begun.push((cluster.to_owned(), vec![format!("{lab}-{cluster}-control-plane")]));
        }
    }
    Ok(begun)
}

async fn look(engine: &Engine, lab: &str) -> Result<Removed, DockerError> {
    let (nodes, networks, mut images) =
        tokio::try_join!(engine.nodes(Some(lab)), engine.networks(), engine.images_of(lab))?;
    // Tags of ours, and what has lost its tag to a later one. Somebody else may have given one of his own to an image of ours.
    let developed = format!("lab.internal/{lab}/");
    images.retain(|image| {
        image.starts_with("lab/cluster:") || image.starts_with("sha256:") || image.starts_with(&developed)
    });
    Ok(Removed {
        nodes: nodes.into_iter().map(|n| n.name).collect(),
        networks: networks.into_iter().filter(|n| n.lab.as_deref() == Some(lab)).map(|n| n.name).collect(),
        images,
    })
}

async fn take(engine: &Engine, found: &Removed) -> Result<(), DockerError> {
    // A container that reads a node for a snapshot has its volumes.
    try_join_all(found.nodes.iter().map(|n| engine.remove_reader(n))).await?;
    try_join_all(found.nodes.iter().map(|n| engine.remove(n))).await?;
    try_join_all(found.networks.iter().map(|n| engine.remove_network(n))).await?;
    try_join_all(found.images.iter().map(|i| engine.remove_image(i))).await?;
    Ok(())
}
