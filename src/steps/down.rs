//! `down`: removes exactly what carries the lab's label.

use crate::sys::docker::{DockerError, Engine};

/// What was removed.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Node containers.
    pub nodes: Vec<String>,
    /// Docker networks.
    pub networks: Vec<String>,
    /// Image tags.
    pub images: Vec<String>,
}

/// Removes a lab's containers, then its network and its images. What is gone already is well, so an interrupted `down` can be repeated.
pub async fn remove(engine: &Engine, lab: &str) -> Result<Removed, DockerError> {
    let nodes: Vec<String> = engine.nodes(Some(lab)).await?.into_iter().map(|n| n.name).collect();
    futures::future::try_join_all(nodes.iter().map(|n| engine.remove(n))).await?;
    let networks: Vec<String> =
        engine.networks().await?.into_iter().filter(|n| n.lab.as_deref() == Some(lab)).map(|n| n.name).collect();
    futures::future::try_join_all(networks.iter().map(|n| engine.remove_network(n))).await?;
    let mut images = engine.images(lab).await?;
    // Removing an untagged parent is not ours to do; only our own tags go.
    images.retain(|tag| tag.starts_with("lab/cluster:"));
    futures::future::try_join_all(images.iter().map(|i| engine.remove_image(i))).await?;
    Ok(Removed { nodes, networks, images })
}
