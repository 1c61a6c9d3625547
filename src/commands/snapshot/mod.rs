//! `snapshot` and `restore`: a whole lab as files, and a lab made of them again.
//!
//! All nodes stand still while they are read, so that what the clusters know of each other fits. What is read is what they have written: the rest is in
//! the node image, which must be the very same when they are made again.

mod fork;
pub mod kept;
mod restore;
mod save;

use serde::{Deserialize, Serialize};

use crate::context::StepError;
use crate::images::NODE_LABEL;
use crate::plan::Lab;
use crate::scenario::is_lab_name;
use crate::sys::docker::{ContainerSpec, Engine};
use crate::sys::state::{Snapshot, StateError};

pub use fork::fork;
pub use restore::{clear_half, refuse_other_images, restore};
pub use save::{Saved, save};

/// What is known of a snapshot beside its files.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// When it was taken: RFC 3339, in UTC.
    pub taken: String,
    /// The version of lab that took it.
    pub lab_version: String,
    /// The lab.
    pub lab: Lab,
    /// Its nodes.
    pub nodes: Vec<KeptNode>,
}

/// A node of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptNode {
    /// Name of its container.
    pub name: String,
    /// The cluster in the scenario.
    pub cluster: String,
    /// The node image.
    image: String,
    /// The layers of that image.
    layers: Vec<String>,
    /// What its container was made from.
    container: ContainerSpec,
}

impl About {
    /// What no lab of ours could have said of itself, if there is anything, as what follows the name of a file: names become paths and containers.
    #[must_use]
    pub fn foreign(&self) -> Option<String> {
        let is_plain = |name: &str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)
        };
        let lab = [self.lab.name.as_str()].into_iter().filter(|name| !is_lab_name(name));
        let clusters = &self.lab.clusters;
        let names =
            clusters.iter().flat_map(|c| [&c.name, &c.kind_name].into_iter().chain(&c.copy_of)).map(String::as_str);
        let of_lab = |node: &&KeptNode| {
            let cluster = clusters.iter().find(|c| c.name == node.cluster);
            is_plain(&node.name) && cluster.is_some_and(|c| node.name.starts_with(&c.kind_name))
        };
        let nodes = self.nodes.iter().filter(|node| !of_lab(node)).map(|node| node.name.as_str());
        let mut foreign = lab.chain(names.filter(|name| !is_plain(name))).chain(nodes);
        foreign.next().map(|name| format!("names `{name}`, which is no name of a lab, a cluster or a node of it"))
    }
}

/// Refuses a snapshot that lacks a file which its lab needs.
///
/// # Errors
/// It does, with which.
pub fn refuse_incomplete(snapshot: &Snapshot<About>) -> Result<(), StateError> {
    let of_nodes = snapshot.about.nodes.iter().flat_map(|node| [own_part(&node.name), volumes_part(&node.name)]);
    std::iter::once(STATE.to_owned()).chain(of_nodes).try_for_each(|part| snapshot.part(&part).map(|_| ()))
}

/// The file with a lab's state.
const STATE: &str = "state.tar.gz";

/// The file with what a node has written on its own file system.
fn own_part(node: &str) -> String {
    format!("{node}.tar.gz")
}

/// The file with what a node has on its volumes.
fn volumes_part(node: &str) -> String {
    format!("{node}.volumes.tar.gz")
}

/// The node image that a node was made of, whose image has these layers, and its own layers: an image of a cluster may have files of the machine above them.
async fn node_image(engine: &Engine, layers: &[String]) -> Result<Option<(String, Vec<String>)>, StepError> {
    for image in engine.images_labelled(NODE_LABEL).await? {
        // The images of clusters have the label too, and go with their lab.
        let Some(tag) = image.tags.into_iter().find(|tag| !tag.starts_with("lab/cluster:")) else { continue };
        if let Some(own) = engine.layers(&tag).await?.filter(|own| layers.starts_with(own)) {
            return Ok(Some((tag, own)));
        }
    }
    Ok(None)
}
