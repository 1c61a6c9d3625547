//! `load`: images of the local engine into the stores of a lab's nodes.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::Stream;
use futures::future::try_join_all;

use crate::context::{LabContext, StepError};
use crate::images::reference::Reference;
use crate::sys::pipe;

/// What was asked for and is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Absent {
    /// The engine knows nothing of that name.
    pub unknown: Vec<String>,
    /// The engine knows an image by it, but it is no name by which a pod could ask for the image.
    pub nameless: Vec<String>,
}

/// The names of images as the engine has them, each with a tag; or what is not there.
pub async fn names(ctx: &LabContext, images: &[String]) -> Result<Result<Vec<String>, Absent>, StepError> {
    let (mut names, mut absent) = (BTreeSet::new(), Absent::default());
    for image in images {
        let wanted = Reference::parse(image).tagged();
        match ctx.engine.image_names(image).await? {
            None => absent.unknown.push(image.clone()),
            Some(tags) => match tags.into_iter().find(|tag| Reference::parse(tag).tagged() == wanted) {
                Some(tag) => _ = names.insert(tag),
                None => absent.nameless.push(image.clone()),
            },
        }
    }
    Ok(if absent == Absent::default() { Ok(names.into_iter().collect()) } else { Err(absent) })
}

/// Puts images into every node of the lab, side by side; gives the nodes' names.
pub async fn load(ctx: &LabContext, names: &[String]) -> Result<Vec<String>, StepError> {
    let nodes = ctx.engine.nodes(Some(&ctx.lab.name)).await?;
    if let Some(node) = nodes.iter().find(|n| !n.running) {
        return Err(StepError::Machine {
            problem: format!("the node {} is not running", node.name),
            remedy: format!("`lab up {}` starts it", ctx.lab.name),
        });
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // The engine packs the archive once, however many nodes there are.
    let archives = pipe::copies(ctx.engine.save_images(&names), nodes.len());
    try_join_all(nodes.iter().zip(archives).map(|(node, archive)| import(ctx, &node.name, archive))).await?;
    Ok(nodes.into_iter().map(|n| n.name).collect())
}

pub(super) async fn import(
    ctx: &LabContext,
    node: &str,
    archive: impl Stream<Item = std::io::Result<Bytes>> + Send,
) -> Result<(), StepError> {
    // Layers are unpacked when the first pod wants them.
    let command = ["ctr", "--namespace", "k8s.io", "images", "import", "--no-unpack", "-"];
    let imported = ctx.engine.exec_stream(node, &command, Some(archive)).await?;
    if imported.success {
        return Ok(());
    }
    Err(StepError::Machine {
        problem: format!("containerd on {node} refused the images: {}", imported.text.trim()),
        remedy: "see whether the disk of Docker is full (`docker system df`), and run the command again".to_owned(),
    })
}
