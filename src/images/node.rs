//! The derived node image: a node image with every other image in its store, so that a cluster starts without pulling anything; and what is put into
//! the stores of nodes later.

use std::collections::{BTreeMap, BTreeSet};

use super::digest::Digest;
use super::error::ImagesError;
use super::tree::Tree;
use super::workshop::{Needs, Workshop};
use super::{IMAGE_LABEL, NODE_LABEL, SOURCE_LABEL, Source, archive};
use crate::exec::Progress;
use crate::sys::docker::{Derivation, Engine};
use crate::sys::pipe;

/// Repository of derived node images.
const REPOSITORY: &str = "lab/node";

/// Where a node image's own script finds a volume to unpack images in.
const VOLUME: &str = "/preload";

/// The script below `stack/` that fills the store of the node image in which it runs: lab's own, or any other of kind's shape.
const FILL: &str = "node/preload";

/// How images are put into a node image. What a node image holds changes with it.
pub(super) fn fill() -> &'static str {
    Tree::embedded().text(FILL).unwrap_or_default()
}

/// Name of a derived node image.
#[must_use]
pub fn name(digest: &Digest) -> String {
    format!("{REPOSITORY}:{}", digest.short())
}

/// Whether a name is one that [`name`] gives.
pub(super) fn is_local(name: &str) -> bool {
    name.starts_with(&format!("{REPOSITORY}:"))
}

/// The images by the name that they have in the store of a node.
///
/// # Errors
/// The node cannot be asked.
pub(super) async fn held(engine: &Engine, node: &str) -> Result<BTreeSet<String>, ImagesError> {
    let listed = engine.exec(node, &["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"], None).await?.text;
    Ok(listed.lines().map(|line| line.trim().to_owned()).collect())
}

/// Puts images, by their names in the engine those in a node, into the store of a node, as far as it has them not.
///
/// # Errors
/// The engine refuses, or the node's containerd does.
pub(super) async fn load(
    images: &BTreeMap<String, String>,
    engine: &Engine,
    node: &str,
    progress: &Progress,
) -> Result<(), ImagesError> {
    let there = held(engine, node).await?;
    let names: BTreeMap<String, String> =
        images.iter().filter(|(_, name)| !there.contains(*name)).map(|(l, n)| (l.clone(), n.clone())).collect();
    if names.is_empty() {
        return Ok(());
    }
    let s = if names.len() == 1 { "" } else { "s" };
    progress.say(format!("putting {} image{s} into {node}", names.len()));
    let local: Vec<&str> = names.keys().map(String::as_str).collect();
    let (reader, _task) = pipe::reading(engine.save_images(&local));
    let renamed = pipe::writing(move |writer| archive::rename(reader, writer, &names));
    let import = ["ctr", "--namespace", "k8s.io", "images", "import", "--no-unpack", "-"];
    let imported = engine.exec_stream(node, &import, Some(renamed)).await?;
    if imported.success {
        return Ok(());
    }
    Err(ImagesError::Unexpected {
        what: format!("what containerd of {node} was given"),
        reason: imported.text.trim().to_owned(),
        remedy: "see whether the disk of Docker is full (`docker system df`), and run the command again",
    })
}

/// What the job of deriving a node image is called.
pub(super) fn filling(images: usize) -> String {
    format!("filling the node image with {images} images")
}

/// Derives a node image from `from`; `images` are the engine's names of what goes into it, with the names that they get there.
pub(super) async fn derive(
    shop: &Workshop<'_>,
    source: Source,
    from: &str,
    images: BTreeMap<String, String>,
    digest: &Digest,
) -> Result<(), ImagesError> {
    let id = format!("node-{}", digest.short());
    let _lock = shop.cache.lock(&id, || shop.progress.say("waiting for another lab: filling the node image")).await?;
    if shop.engine.image_config(&name(digest)).await?.is_some() {
        return Ok(());
    }
    let label = source.to_string();
    let derivation = Derivation {
        name: &id,
        from,
        command: ["/bin/bash", "-c", fill()].map(str::to_owned).into(),
        volume: VOLUME,
        to: (REPOSITORY, digest.short()),
        // The image that it is derived from hands its labels down.
        labels: vec![(NODE_LABEL, digest.as_str()), (SOURCE_LABEL, &label), (IMAGE_LABEL, "")],
    };
    let wanted: Vec<&str> = images.keys().map(String::as_str).collect();
    let saved = shop.engine.save_images(&wanted);
    let (reader, _task) = pipe::reading(saved);
    let what = filling(images.len());
    let renamed = pipe::writing(move |writer| archive::rename(reader, writer, &images));
    let derive = shop.engine.derive_image(derivation, renamed, |line| tracing::debug!("{line}"));
    shop.job(&what, Needs::Processor, derive).await?;
    Ok(())
}
