//! Images of lab's own that only some scenarios name, and that nobody publishes: they are built when one is brought up, whichever source serves.

use std::collections::{BTreeMap, BTreeSet};

use super::digests::Digests;
use super::prepare::USE_LOCK;
use super::stack::Stack;
use super::workshop::Workshop;
use super::{ImagesError, image, node, packages};
use crate::exec::Progress;
use crate::sys::cache::Cache;
use crate::sys::docker::Engine;

/// By key: the name in the engine, and the name in a node.
///
/// # Errors
/// The stack is not valid: a mistake in lab.
pub fn names() -> Result<BTreeMap<String, (String, String)>, ImagesError> {
    let stack = Stack::embedded()?;
    let digests = Digests::of(&stack);
    let entry = |(key, own): (&String, &super::stack::Image)| {
        Some((key.clone(), (image::local_name(key, digests.images.get(key)?), own.name.clone())))
    };
    Ok(stack.own().filter_map(entry).collect())
}

/// Whether a node has these images already.
///
/// # Errors
/// The node cannot be asked.
pub async fn is_in_node(keys: &[String], engine: &Engine, node: &str) -> Result<bool, ImagesError> {
    let (names, held) = (names()?, node::held(engine, node).await?);
    Ok(keys.iter().filter_map(|key| names.get(key)).all(|(_, name)| held.contains(name)))
}

/// Builds these images as far as the engine has them not, and puts them into nodes. It needs Go, and no network.
///
/// # Errors
/// They cannot be built, or a node does not take them.
pub async fn load(keys: &[String], engine: &Engine, nodes: &[String], progress: &Progress) -> Result<(), ImagesError> {
    let stack = Stack::embedded()?;
    let (digests, cache) = (Digests::of(&stack), Cache::open()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let shop = Workshop::new(&stack, &digests, &cache, engine, progress);
    let wanted = stack.own().filter(|(key, _)| keys.contains(key));
    packages::with_images(&shop, BTreeSet::new(), wanted).await?;
    let images = names()?.into_iter().filter(|(key, _)| keys.contains(key)).map(|(_, names)| names).collect();
    for name in nodes {
        node::load(&images, engine, name, progress).await?;
    }
    Ok(())
}
