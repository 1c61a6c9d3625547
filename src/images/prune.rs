//! Removes what earlier versions of the stack have left: images in the engine, and files that went into images that are built.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::digests::Digests;
use super::prepare::{Record, USE_LOCK};
use super::stack::Stack;
use super::{IMAGE_LABEL, ImagesError, NODE_LABEL, gateway_api, image, karmada, node};
use crate::exec::Progress;
use crate::sys::cache::Cache;
use crate::sys::docker::Engine;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names of images.
    pub images: Vec<String>,
    /// Names of images that a container still uses.
    pub kept: Vec<String>,
    /// Bytes of files in the cache.
    pub bytes: u64,
}

/// Removes images and files that this version of lab will not use. What `lab up` needs stays.
pub async fn prune(engine: &Engine, progress: &Progress) -> Result<Pruned, ImagesError> {
    let (stack, cache) = (Stack::embedded()?, Cache::open()?);
    let digests: Vec<Digests> = Stack::all()?.iter().map(Digests::of).collect();
    let waiting = || progress.say("waiting for another lab: preparing images");
    let _lock = cache.lock(USE_LOCK, waiting).await?;
    let mut pruned = Pruned::default();
    let current: BTreeSet<String> = digests.iter().flat_map(current).collect();
    for label in [NODE_LABEL, IMAGE_LABEL] {
        let tags = engine.images_labelled(label).await?.into_iter().flat_map(|i| i.tags);
        // A lab's own image of a cluster carries these labels too and goes with its lab.
        for tag in tags.filter(|tag| (image::is_local(tag) || node::is_local(tag)) && !current.contains(tag)) {
            progress.say(format!("removing {tag}"));
            if engine.untag_image(&tag).await? { pruned.images.push(tag) } else { pruned.kept.push(tag) }
        }
    }
    let records: Vec<Record> = digests
        .iter()
        .flat_map(|d| [&d.packages, &d.registry])
        .filter_map(|d| cache.read_json(&Record::name(d)))
        .collect();
    let karmada: Option<karmada::Record> = cache.read_json(&karmada::Record::name(&stack));
    let keep: BTreeSet<PathBuf> = records
        .into_iter()
        .flat_map(Record::files)
        .chain(karmada.into_iter().flat_map(karmada::Record::files))
        .chain(gateway_api::files(&stack, &cache))
        .collect();
    pruned.bytes = cache.prune_artifacts(&keep);
    Ok(pruned)
}

/// Every name in the engine that this stack uses.
fn current(digests: &Digests) -> BTreeSet<String> {
    let images = digests.images.iter().map(|(key, digest)| image::local_name(key, digest));
    let bases = digests.bases.iter().map(|(name, digest)| image::local_name(&image::base_key(name), digest));
    images.chain(bases).chain([&digests.packages, &digests.registry].map(node::name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_current_is_ours_and_labs_images_of_clusters_are_not() {
        let digests = Digests::of(&Stack::embedded().expect("stack.yaml is valid"));
        for name in current(&digests) {
            assert!(image::is_local(&name) || node::is_local(&name), "{name}");
        }
        for name in ["lab/cluster:three-network.c1", "kindest/node:v1", "lab/nodes:x"] {
            assert!(!image::is_local(name) && !node::is_local(name), "{name}");
        }
    }
}
