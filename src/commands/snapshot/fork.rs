//! `lab restore --name`: the lab of a snapshot beside that lab.

use miette::Diagnostic as _;

use super::{About, KeptNode};
use crate::context::StepError;
use crate::plan::Lab;
use crate::steps::half_made;
use crate::sys::docker::{CLUSTER_LABEL, ContainerSpec, Engine, KIND_LABEL, LAB_LABEL, Place};
use crate::sys::routes::routes;
use crate::sys::state::Snapshot;

/// The lab of a snapshot under another name, with addresses that nothing on this machine has.
///
/// # Errors
/// It has something that cannot be had twice; the engine does not answer.
pub async fn fork(engine: &Engine, snapshot: &Snapshot<About>, name: &str) -> Result<Lab, StepError> {
    let networks = engine.networks().await?.into_iter().flat_map(|network| network.subnets);
    let taken: Vec<_> = networks.chain(routes().into_iter().map(|route| route.destination)).collect();
    snapshot.about.lab.fork(name, &taken).map_err(|error| StepError::Machine {
        problem: format!("snapshot {} cannot be restored as {name}: {error}", snapshot.name),
        remedy: error.help().map(|help| help.to_string()).unwrap_or_default(),
    })
}

/// The container of a node of `lab`, which is the lab that it `was` or a fork of that.
pub(super) fn container(was: &Lab, lab: &Lab, node: &KeptNode) -> (String, ContainerSpec) {
    let clusters = was.cluster(&node.cluster).zip(lab.cluster(&node.cluster));
    let Some((before, after)) = clusters.filter(|_| was.name != lab.name) else {
        return (node.name.clone(), node.container.clone());
    };
    let place = Place {
        image: &half_made::image(&lab.name, &after.name),
        network: &lab.docker_network.name,
        labels: &[(LAB_LABEL, &lab.name), (CLUSTER_LABEL, &after.name), (KIND_LABEL, &after.kind_name)],
        subnets: [was.docker_network.subnet, lab.docker_network.subnet],
    };
    let spec = node.container.at(place, |address| was.moved(address, lab.docker_network.subnet));
    (node.name.replacen(&before.kind_name, &after.kind_name, 1), spec)
}
