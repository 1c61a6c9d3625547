//! `up --remove`: clusters that their lab goes on without.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use crate::context::StepError;
use crate::plan::Lab;
use crate::steps::half_made;
use crate::sys::docker::Engine;
use crate::sys::state::LabState;

/// Removes the nodes of all clusters that a lab, whose lock the caller holds, no longer has, their images, and what the lab's state has of them. Gives
/// their containers by cluster. What is gone already is well, so it can be repeated.
///
/// # Errors
/// The engine refuses; the state cannot be written.
pub async fn leave(engine: &Engine, state: &LabState, lab: &Lab) -> Result<BTreeMap<String, Vec<String>>, StepError> {
    let is_gone = |cluster: &str| lab.cluster(cluster).is_none();
    let mut gone: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in engine.nodes(Some(&lab.name)).await?.into_iter().filter(|node| is_gone(&node.cluster)) {
        gone.entry(node.cluster).or_default().push(node.name);
    }
    // What an aborted run began may still come into being.
    for (cluster, nodes) in half_made::begun(state)?.into_iter().filter(|(cluster, _)| is_gone(cluster)) {
        half_made::remove(engine, &lab.name, &cluster, &nodes).await?;
        gone.entry(cluster).or_default().extend(nodes);
    }
    try_join_all(gone.values().flatten().map(|node| engine.remove(node))).await?;
    try_join_all(gone.keys().map(|cluster| async {
        let image = half_made::image(&lab.name, cluster);
        engine.remove_image(&image).await
    }))
    .await?;
    for file in state.files()? {
        if gone.keys().any(|cluster| is_of(&file, &lab.name, cluster)) {
            state.delete(&file)?;
        }
    }
    Ok(gone)
}

/// Whether a file of a lab's state is of one cluster alone.
fn is_of(file: &str, lab: &str, cluster: &str) -> bool {
    let Some((_, name)) = file.split_once('/') else { return false };
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    stem == cluster
        || stem == format!("{lab}-{cluster}")
        || name.strip_prefix(cluster).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_clusters_stay() {
        for file in ["kubeconfigs/c1.yaml", "applied/c1.json", "made/demo-c1", "making/c1", "ca/c1/ca-key.pem"] {
            assert!(is_of(file, "demo", "c1"), "{file}");
        }
        for file in [
            "lab.json",
            "ca/root-key.pem",
            "kubeconfigs/c10.yaml",
            "made/demo-c10",
            "applied/c2.json",
            "ca/c10/ca-key.pem",
        ] {
            assert!(!is_of(file, "demo", "c1"), "{file}");
        }
    }
}
