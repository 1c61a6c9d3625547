//! `lab restore`, up to where `lab up` goes on: network, images, containers that do not run yet, and the lab's state.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use ipnet::Ipv4Net;

use super::{About, KeptNode, STATE, fork, own_part, volumes_part};
use crate::commands::down;
use crate::context::{StepError, files};
use crate::plan::Lab;
use crate::scenario::layout::overlap;
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

/// Makes the lab of a snapshot, as it was or as a fork; its nodes do not run yet. The caller holds the lab's lock.
///
/// # Errors
/// There is such a lab; something else has its addresses; the node image is another one; a file is spoiled. Then nothing is left of it.
pub async fn restore(engine: &Engine, state: &State, snapshot: &Snapshot<About>, lab: &Lab) -> Result<(), StepError> {
    if let Some(foreign) = snapshot.about.foreign() {
        return Err(StepError::Failed {
            problem: format!("snapshot {} {foreign}", snapshot.name),
            remedy: format!("do not use it, somebody has changed it: `lab snapshots remove {}`", snapshot.name),
        });
    }
    clear_half(engine, state, &lab.name).await?;
    refuse_there(engine, state, &snapshot.name, &lab.name).await?;
    refuse_other_images(engine, snapshot).await?;
    refuse_taken_addresses(engine, &snapshot.name, lab).await?;
    snapshot.check()?;
    let made = make(engine, state, snapshot, lab).await;
    if made.is_err() {
        // What failed is told; that it cannot be cleaned up, if it cannot, the next `lab down` tells.
        let _ = clear_half(engine, state, &lab.name).await;
    }
    made
}

async fn make(engine: &Engine, state: &State, snapshot: &Snapshot<About>, lab: &Lab) -> Result<(), StepError> {
    let directory = state.lab(&lab.name)?;
    directory.write(HALF, &snapshot.name)?;
    directory.store(lab)?;
    lab.clusters.iter().try_for_each(|cluster| half_made::begin(&directory, cluster))?;
    docker_network::make(engine, lab).await?;
    let images: BTreeMap<&str, &str> =
        snapshot.about.nodes.iter().map(|node| (node.cluster.as_str(), node.image.as_str())).collect();
    try_join_all(images.into_iter().map(|(cluster, image)| label(engine, &lab.name, cluster, image))).await?;
    try_join_all(snapshot.about.nodes.iter().map(|node| make_node(engine, snapshot, lab, node))).await?;
    directory.unpack(&snapshot.part(STATE)?)?;
    // What was unpacked may be of the lab that this one is a fork of, and nobody has judged what is here now.
    directory.store(lab)?;
    directory.delete(files::VERDICT)?;
    lab.clusters.iter().try_for_each(|cluster| cluster::note_made(&directory, cluster))?;
    Ok(directory.delete(HALF)?)
}

/// The nodes of each cluster start from an image of its own, as those that kind makes.
async fn label(engine: &Engine, lab: &str, name: &str, image: &str) -> Result<(), StepError> {
    let labels = [(LAB_LABEL, lab), (CLUSTER_LABEL, name)];
    Ok(engine.label_image(image, &half_made::image(lab, name), &labels, &cluster::authorities()?).await?)
}

async fn make_node(engine: &Engine, snapshot: &Snapshot<About>, lab: &Lab, node: &KeptNode) -> Result<(), StepError> {
    let (name, spec) = fork::container(&snapshot.about.lab, lab, node);
    engine.make_again(&name, &spec).await?;
    for part in [own_part(&node.name), volumes_part(&node.name)] {
        engine.lay_into(&name, &snapshot.part(&part)?).await?;
    }
    Ok(())
}

async fn refuse_there(engine: &Engine, state: &State, snapshot: &str, name: &str) -> Result<(), StepError> {
    let is_known = match state.existing(name) {
        Ok(_) => true,
        Err(StateError::Unknown { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if !is_known && engine.nodes(Some(name)).await?.is_empty() {
        return Ok(());
    }
    Err(StepError::Machine {
        problem: format!("snapshot {snapshot} would be restored as lab {name}, and there is a lab of that name"),
        remedy: format!(
            "remove it first, `lab down {name}`, or restore another beside it, `lab restore {snapshot} --name OTHER`"
        ),
    })
}

/// A restored lab has the addresses that it had: certificates, gateways and what clusters know of each other hold them.
async fn refuse_taken_addresses(engine: &Engine, snapshot: &str, lab: &Lab) -> Result<(), StepError> {
    let wanted = &lab.docker_network;
    let overlaps = |subnet: &Ipv4Net| overlap(*subnet, wanted.subnet);
    let networks = engine.networks().await?;
    let Some(other) = networks.into_iter().find(|n| n.name == wanted.name || n.subnets.iter().any(overlaps)) else {
        return Ok(());
    };
    let remedy = match other.lab {
        Some(lab) => format!(
            "remove lab {lab} first: `lab down {lab}`; or restore beside it: `lab restore {snapshot} --name OTHER`"
        ),
        None => format!(
            "remove it first, if nobody needs it, `docker network rm {}`; or restore with other addresses: `lab restore {snapshot} --name OTHER`",
            other.name
        ),
    };
    Err(StepError::Machine {
        problem: format!(
            "snapshot {snapshot} needs the addresses {} again, and Docker network {} has them",
            wanted.subnet, other.name
        ),
        remedy,
    })
}
