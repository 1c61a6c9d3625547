//! Istio's own images of a version, for nodes that were made with another.

use std::collections::{BTreeMap, BTreeSet};

use super::digests::Digests;
use super::prepare::USE_LOCK;
use super::reference::Reference;
use super::stack::{Image, Stack};
use super::workshop::Workshop;
use super::{ImagesError, Source, image, node, packages, registry};
use crate::exec::Progress;
use crate::scenario::Versions;
use crate::sys::cache::Cache;
use crate::sys::docker::Engine;

/// What pods of a mesh run besides the user's own containers, and what configures them.
const IMAGES: [&str; 2] = ["istio-pilot", "istio-proxyv2"];

fn images(stack: &Stack) -> impl Iterator<Item = (&String, &Image)> {
    stack.images.iter().filter(|(key, _)| IMAGES.contains(&key.as_str()))
}

fn upstream(stack: &Stack) -> Vec<Reference> {
    images(stack).filter_map(|(_, image)| image.registry.as_deref()).map(Reference::parse).collect()
}

/// By their names in the engine those in a node.
fn names(source: Source, stack: &Stack, digests: &Digests) -> BTreeMap<String, String> {
    if source == Source::Registry {
        return upstream(stack).into_iter().map(|r| (r.tagged(), r.tagged())).collect();
    }
    let local = |key: &str| digests.images.get(key).map(|digest| image::local_name(key, digest));
    images(stack).filter_map(|(key, image)| Some((local(key)?, image.name.clone()))).collect()
}

/// Whether a node has them.
///
/// # Errors
/// The node cannot be asked.
pub async fn is_in_node(source: Source, versions: Versions, engine: &Engine, node: &str) -> Result<bool, ImagesError> {
    let stack = Stack::serving(source, versions)?;
    let held = node::held(engine, node).await?;
    Ok(names(source, &stack, &Digests::of(&stack)).values().all(|name| held.contains(name)))
}

/// Builds or pulls them as far as the engine has them not, and puts them into nodes.
///
/// # Errors
/// They cannot be had, or a node does not take them.
pub async fn load(
    source: Source,
    versions: Versions,
    engine: &Engine,
    nodes: &[String],
    progress: &Progress,
) -> Result<(), ImagesError> {
    let stack = Stack::serving(source, versions)?;
    let (digests, cache) = (Digests::of(&stack), Cache::open()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let shop = Workshop::new(&stack, &digests, &cache, engine, progress);
    match source {
        Source::Packages => _ = packages::with_images(&shop, BTreeSet::new(), images(&stack)).await?,
        Source::Registry => registry::pull_all(&shop, upstream(&stack).iter()).await?,
    }
    let names = names(source, &stack, &digests);
    for name in nodes {
        node::load(&names, engine, name, progress).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_images_of_its_own() {
        let of = |source, istio: &str| {
            let stack = Stack::serving(source, Versions { istio: istio.parse().ok(), ..Versions::default() });
            let stack = stack.expect("a stack");
            names(source, &stack, &Digests::of(&stack))
        };
        let (one, other) = (of(Source::Packages, "1.31"), of(Source::Packages, "1.32"));
        assert_eq!((one.len(), other.len()), (2, 2));
        assert!(one.iter().all(|(local, name)| !other.contains_key(local) && !other.values().any(|n| n == name)));
        assert!(of(Source::Registry, "1.31").values().any(|name| name.starts_with("docker.io/istio/pilot:1.31")));
    }
}
