//! `lab snapshot`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::{About, KeptNode, STATE, node_image, own_part, volumes_part};
use crate::context::{LabContext, StepError, nodes};
use crate::sys::docker::Kept;
use crate::sys::state::{Part, Snapshots, Unkept};

/// How taking a snapshot went.
#[derive(Clone, Copy, Debug)]
pub struct Saved {
    /// How many nodes there are in it.
    pub nodes: usize,
    /// So long they stood still.
    pub still: Duration,
}

/// Takes a snapshot of a lab, whose lock the caller holds. `None` if it is interrupted: then there is none, and the nodes go on.
///
/// # Errors
/// A node is missing, or has an image that is gone; the engine refuses; the disk is full.
pub async fn save(
    ctx: &LabContext,
    snapshots: &Snapshots,
    name: &str,
    taken: String,
    interrupt: &CancellationToken,
) -> Result<Option<Saved>, StepError> {
    snapshots.refuse_taken(name)?;
    let mut found = ctx.engine.nodes(Some(&ctx.lab.name)).await?;
    found.retain(|n| ctx.lab.cluster(&n.cluster).is_some());
    if let Some(missing) = nodes::missing(&ctx.lab, &found) {
        return Err(StepError::Machine {
            problem: format!("lab {} cannot be kept: its node {missing} is not there", ctx.lab.name),
            remedy: format!("`lab up {}` makes it", ctx.lab.name),
        });
    }
    if ctx.lab.images.mirror.is_some() {
        return Err(StepError::Machine {
            problem: format!(
                "lab {} cannot be kept: its nodes pull images from a mirror, whose address on this machine they know",
                ctx.lab.name
            ),
            remedy: format!(
                "make it without `images.mirror`: `lab down {}`, then `lab up` with its scenario",
                ctx.lab.name
            ),
        });
    }
    let kept = try_join_all(found.iter().map(|n| ctx.engine.look_to_keep(&n.name))).await?;
    let mut images = BTreeMap::new();
    for of in &kept {
        if !images.contains_key(&of.layers) {
            let image = node_image(&ctx.engine, &of.layers).await?.ok_or_else(|| StepError::Machine {
                problem: format!("lab {} cannot be kept: the node image that it was made of is gone", ctx.lab.name),
                remedy: format!("make the lab again: `lab down {}`, then `lab up` with its scenario", ctx.lab.name),
            })?;
            images.insert(of.layers.clone(), image);
        }
    }
    let image_of = |kept: &Kept| images.get(&kept.layers).cloned().unwrap_or_default();
    let unkept = snapshots.begin()?;
    let nodes: Vec<Node<'_>> =
        found.iter().zip(&kept).map(|(node, kept)| Node { name: &node.name, kept, image: image_of(kept).0 }).collect();

    let running: Vec<&str> = found.iter().filter(|n| n.running).map(|n| n.name.as_str()).collect();
    let start = Instant::now();
    let read = async {
        try_join_all(running.iter().map(|name| ctx.engine.pause(name))).await?;
        let parts = nodes.iter().map(|node| read(ctx, node, &unkept));
        Ok::<_, StepError>(try_join_all(parts).await?.concat())
    };
    let read = tokio::select! {
        read = read => Some(read),
        () = interrupt.cancelled() => None,
    };
    // Whatever came of it, the nodes go on.
    let gone_on = try_join_all(running.iter().map(|name| ctx.engine.unpause(name))).await;
    let still = start.elapsed();
    let Some(read) = read else { return Ok(None) };
    let mut parts = read?;
    gone_on?;

    parts.push(ctx.state.pack(unkept.part(STATE)?)?.finish());
    let kept_nodes = found.iter().zip(kept).map(|(node, kept)| {
        let (image, layers) = image_of(&kept);
        KeptNode { name: node.name.clone(), cluster: node.cluster.clone(), image, layers, container: kept.spec }
    });
    let about = About {
        taken,
        lab_version: env!("CARGO_PKG_VERSION").to_owned(),
        lab: ctx.lab.clone(),
        nodes: kept_nodes.collect(),
    };
    snapshots.keep(unkept, name, parts, about)?;
    Ok(Some(Saved { nodes: found.len(), still }))
}

/// A node that is read.
struct Node<'a> {
    name: &'a str,
    kept: &'a Kept,
    image: String,
}

async fn read(ctx: &LabContext, node: &Node<'_>, unkept: &Unkept) -> Result<Vec<Part>, StepError> {
    let own = async {
        let zipped = GzEncoder::new(unkept.part(&own_part(node.name))?, Compression::fast());
        let zipped = ctx.engine.read_own(node.name, node.kept, zipped).await?;
        let part = zipped.finish().map_err(|e| unkept.unwritten(e))?;
        Ok::<_, StepError>(part.finish())
    };
    let volumes = async {
        let mut part = unkept.part(&volumes_part(node.name))?;
        ctx.engine.read_volumes(node.name, &node.image, node.kept, &mut part).await?;
        Ok::<_, StepError>(part.finish())
    };
    let (own, volumes) = tokio::try_join!(own, volumes)?;
    Ok(vec![own, volumes])
}
