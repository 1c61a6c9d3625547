//! `lab restore`, up to where `lab up` goes on: network, images, containers that do not run yet, and the lab's state.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use super::{About, KeptNode, STATE, own_part, volumes_part};
use crate::commands::down;
use crate::context::StepError;
use crate::steps::{cluster, docker_network, half_made};
use crate::sys::docker::{CLUSTER_LABEL, Engine, LAB_LABEL};
use crate::sys::state::{Snapshot, State, StateError};

/// Refuses a snapshot whose node images are not on this machine.
pub async fn refuse_other_images(engine: &Engine, snapshot: &Snapshot<About>) -> Result<(), StepError> {
    for node in &snapshot.about.nodes {
        let problem = match engine.layers(&node.image).await? {
            Some(layers) if layers == node.layers => continue,
            Some(_) => format!("{} has been built again since", node.image),
            None => format!("{} is not on this machine", node.image),
        };
        return Err(StepError::Machine {
            problem: format!(
                "snapshot {} is of lab {} with a node image of its own, and {problem}",
                snapshot.name, snapshot.about.lab.name
            ),
            remedy: format!(
                "bring the images here from where the snapshot was taken (`lab images export`, `lab images import`); if its stack is another one (lab {}), build the lab anew with `lab up`",
                snapshot.about.lab_version
            ),
        });
    }
    Ok(())
}

/// Written in the lab's state first and removed last: what has it is no lab yet.
const HALF: &str = "restoring";

/// Takes away what an interrupted restore left of a lab, whose lock the caller holds. Tells whether there was anything.
///
/// # Errors
/// It cannot be removed.
pub async fn clear_half(engine: &Engine, state: &State, lab: &str) -> Result<bool, StepError> {
    let Ok(half) = state.existing(lab) else { return Ok(false) };
    if half.read(HALF)?.is_none() {
        return Ok(false);
    }
    down::remove(engine, lab, Some(&half), |_| ()).await?;
    half.remove()?;
    Ok(true)
}

/// Makes the lab of a snapshot, under the name that it had; its nodes do not run yet. The caller holds the lab's lock.
///
/// # Errors
/// There is such a lab; something else has its addresses; the node image is another one; a file is spoiled. Then nothing is left of it.
pub async fn restore(engine: &Engine, state: &State, snapshot: &Snapshot<About>) -> Result<(), StepError> {
    let lab = &snapshot.about.lab;
    if let Some(name) = snapshot.about.foreign() {
        return Err(StepError::Failed {
            problem: format!(
                "snapshot {} names `{name}`, which is no name of a lab, a cluster or a node of it",
                snapshot.name
            ),
            remedy: format!("do not use it, somebody has changed it: `lab snapshots remove {}`", snapshot.name),
        });
    }
    clear_half(engine, state, &lab.name).await?;
    refuse_there(engine, state, snapshot).await?;
    refuse_other_images(engine, snapshot).await?;
    refuse_taken_addresses(engine, snapshot).await?;
    snapshot.check()?;
    let made = make(engine, state, snapshot).await;
    if made.is_err() {
        // What failed is told; that it cannot be cleaned up, if it cannot, the next `lab down` tells.
        let _ = clear_half(engine, state, &lab.name).await;
    }
    made
}

async fn make(engine: &Engine, state: &State, snapshot: &Snapshot<About>) -> Result<(), StepError> {
    let lab = &snapshot.about.lab;
    let directory = state.lab(&lab.name)?;
    directory.write(HALF, &snapshot.name)?;
    directory.store(lab)?;
    lab.clusters.iter().try_for_each(|cluster| half_made::begin(&directory, cluster))?;
    docker_network::make(engine, lab).await?;
    let images: BTreeMap<&str, &str> =
        snapshot.about.nodes.iter().map(|node| (node.cluster.as_str(), node.image.as_str())).collect();
    try_join_all(images.into_iter().map(|(cluster, image)| label(engine, &lab.name, cluster, image))).await?;
    try_join_all(snapshot.about.nodes.iter().map(|node| make_node(engine, snapshot, node))).await?;
    directory.unpack(&snapshot.part(STATE)?)?;
    lab.clusters.iter().try_for_each(|cluster| half_made::finish(&directory, cluster))?;
    Ok(directory.delete(HALF)?)
}

/// The nodes of each cluster start from an image of its own, as those that kind makes.
async fn label(engine: &Engine, lab: &str, name: &str, image: &str) -> Result<(), StepError> {
    let labels = [(LAB_LABEL, lab), (CLUSTER_LABEL, name)];
    Ok(engine.label_image(image, &half_made::image(lab, name), &labels, &cluster::authorities()?).await?)
}

async fn make_node(engine: &Engine, snapshot: &Snapshot<About>, node: &KeptNode) -> Result<(), StepError> {
    engine.make_again(&node.name, &node.container).await?;
    for part in [own_part(&node.name), volumes_part(&node.name)] {
        engine.lay_into(&node.name, &snapshot.part(&part)?).await?;
    }
    Ok(())
}

async fn refuse_there(engine: &Engine, state: &State, snapshot: &Snapshot<About>) -> Result<(), StepError> {
    let name = &snapshot.about.lab.name;
    let is_known = match state.existing(name) {
        Ok(_) => true,
        Err(StateError::Unknown { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if !is_known && engine.nodes(Some(name)).await?.is_empty() {
        return Ok(());
    }
    Err(StepError::Machine {
        problem: format!("snapshot {} is of lab {name}, and there is a lab of that name", snapshot.name),
        remedy: format!("remove it first: `lab down {name}`"),
    })
}

/// A restored lab has the addresses that it had: certificates, gateways and what clusters know of each other hold them.
async fn refuse_taken_addresses(engine: &Engine, snapshot: &Snapshot<About>) -> Result<(), StepError> {
    let wanted = &snapshot.about.lab.docker_network;
    let overlaps =
        |subnet: &ipnet::Ipv4Net| subnet.contains(&wanted.subnet.network()) || wanted.subnet.contains(subnet);
    let networks = engine.networks().await?;
    let Some(other) = networks.into_iter().find(|n| n.name == wanted.name || n.subnets.iter().any(overlaps)) else {
        return Ok(());
    };
    let remedy = match other.lab {
        Some(lab) => format!("remove lab {lab} first: `lab down {lab}`"),
        None => format!("remove it first, if nobody needs it: `docker network rm {}`", other.name),
    };
    Err(StepError::Machine {
        problem: format!(
            "snapshot {} needs the addresses {} again, and Docker network {} has them",
            snapshot.name, wanted.subnet, other.name
        ),
        remedy,
    })
}
