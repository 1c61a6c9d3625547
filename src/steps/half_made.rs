//! Clusters that an aborted run has begun. A container that the engine was asked for may come into being after the one who asked is gone, so nothing of
//! such a cluster is given up, or made anew, before nothing more of it can come.

use std::time::{Duration, Instant};

use crate::context::StepError;
use crate::plan::LabCluster;
use crate::sys::docker::{CLUSTER_LABEL, Engine, LAB_LABEL};
use crate::sys::state::{LabState, StateError};

/// Directory in the lab's state with a file for each kind cluster that is being made: the names of its nodes.
const BEGUN: &str = "making";
/// How long the engine may take with what it was asked for. With a large image it takes seconds, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Writes down that the nodes of a cluster are about to be made.
pub(crate) fn begin(state: &LabState, cluster: &LabCluster) -> Result<(), StateError> {
    state.write(&format!("{BEGUN}/{}", cluster.name), &cluster.nodes().collect::<Vec<_>>().join("\n"))
}

/// Forgets it, since they are made.
pub(crate) fn finish(state: &LabState, cluster: &LabCluster) -> Result<(), StateError> {
    state.delete(&format!("{BEGUN}/{}", cluster.name))
}

/// Whether kind once began this cluster, and did not finish.
pub(super) fn is_begun(state: &LabState, cluster: &LabCluster) -> Result<bool, StateError> {
    Ok(state.read(&format!("{BEGUN}/{}", cluster.name))?.is_some())
}

/// Clusters that were begun and not finished, with the names of their nodes.
pub(crate) fn begun(state: &LabState) -> Result<Vec<(String, Vec<String>)>, StateError> {
    let mut all = Vec::new();
    for file in state.files()? {
        if let Some(cluster) = file.strip_prefix(BEGUN).and_then(|f| f.strip_prefix('/')) {
            let nodes = state.read(&file)?.unwrap_or_default();
            all.push((cluster.to_owned(), nodes.lines().map(str::to_owned).collect()));
        }
    }
    Ok(all)
}

/// Tag of the image of one cluster, which differs from that of others by labels only.
pub(crate) fn image(lab: &str, cluster: &str) -> String {
    format!("lab/cluster:{lab}.{cluster}")
}

/// Removes nodes of a cluster that an aborted run began, until the engine makes none of them any more. Gives the names of those that there were.
///
/// # Errors
/// The engine refuses, or does not come to an end.
pub(crate) async fn remove(
    engine: &Engine,
    lab: &str,
    cluster: &str,
    nodes: &[String],
) -> Result<Vec<String>, StepError> {
    let image = format!("{}.free", image(lab, cluster));
    engine.label_image("scratch", &image, &[(LAB_LABEL, lab), (CLUSTER_LABEL, cluster)], &[]).await?;
    let start = Instant::now();
    let mut left: Vec<&String> = nodes.iter().collect();
    let mut removed = Vec::new();
    while let Some(&name) = left.first() {
        let is_settled = match engine.labels(name).await? {
            Some(labels) if labels.get(LAB_LABEL).is_some_and(|of| of == lab) => {
                engine.remove(name).await?;
                removed.push(name.clone());
                continue;
            }
            // It is somebody else's.
            Some(_) => true,
            None => engine.is_name_free(name, &image).await?,
        };
        if is_settled {
            left.remove(0);
            continue;
        }
        if start.elapsed() > PATIENCE {
            return Err(StepError::Failed {
                problem: format!("the Docker engine is still making {name}, which an aborted run asked for"),
                remedy: "wait until `docker ps -a` shows it, and run the command again".to_owned(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
    engine.remove_image(&image).await?;
    Ok(removed)
}
