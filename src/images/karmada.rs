//! Karmada: its command-line tool, the definitions of its kinds, and its images. Only scenarios with a federation need them, so they are built, or
//! pulled, when one is brought up, and put into the nodes that run them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Inputs;
use super::digests::{self, Digests};
use super::prepare::USE_LOCK;
use super::reference::Reference;
use super::stack::{FileRef, Image, Stack};
use super::workshop::Workshop;
use super::{ImagesError, Prepared, Source, image, node, packages, registry};
use crate::exec::Progress;
use crate::sys::cache::{Cache, Fingerprint};
use crate::sys::docker::Engine;

/// Images by key that the control plane needs, beside those of Kubernetes that every node has.
pub const CONTROL_PLANE: [&str; 5] = [
    "karmada-etcd",
    "karmada-aggregated-apiserver",
    "karmada-controller-manager",
    "karmada-scheduler",
    "karmada-webhook",
];
/// The image by key that a member needs which fetches its work itself.
pub const AGENT: [&str; 1] = ["karmada-agent"];

/// Key of the definitions among the module files.
const CRDS: &str = "karmada-crds";

/// What a federation needs, present on this machine.
#[derive(Clone, Debug)]
pub struct Karmada {
    /// Version of Karmada.
    pub version: String,
    /// The command-line tool.
    pub karmadactl: PathBuf,
    /// The archive with the definitions of Karmada's kinds.
    pub crds: PathBuf,
    /// By key: the name in the engine, and the name in a node.
    pub images: BTreeMap<String, (String, String)>,
}

/// What was prepared, remembered in the cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Record {
    pub karmadactl: Fingerprint,
    pub crds: PathBuf,
}

impl Record {
    /// Name of the record of this stack.
    pub fn name(stack: &Stack) -> String {
        let crds = FileRef::Module(CRDS.to_owned());
        let inputs = [&stack.karmadactl.binary, &crds]
            .into_iter()
            .fold(Inputs::of("karmada 1"), |inputs, file| inputs.and(digests::file(stack, file).as_str()));
        format!("prepared/karmada-{}.json", inputs.digest().short())
    }

    /// The files that it relies on.
    pub fn files(self) -> [PathBuf; 2] {
        [self.karmadactl.path, self.crds]
    }
}

/// What is prepared already for a lab whose stack is `prepared`; `None` when there is anything left to do.
///
/// # Errors
/// The engine or the cache does not answer.
pub async fn here(prepared: &Prepared, engine: &Engine) -> Result<Option<Karmada>, ImagesError> {
    let stack = Stack::embedded()?;
    let Some(record) = Cache::open()?.read_json::<Record>(&Record::name(&stack)) else { return Ok(None) };
    if !record.karmadactl.holds() || !crate::sys::fs::is_file(&record.crds) {
        return Ok(None);
    }
    let images = images(&stack, &Digests::of(&stack), prepared.source, prepared.mirror.as_deref());
    for (local, _) in images.values() {
        if engine.image_config(local).await?.is_none() {
            return Ok(None);
        }
    }
    let version = stack.karmadactl.version;
    Ok(Some(Karmada { version, karmadactl: record.karmadactl.path, crds: record.crds, images }))
}

/// The same, built or pulled as far as it is not there; from the mirror of the lab, if it has them. Building takes minutes.
///
/// # Errors
/// It cannot be had, for the reasons that the other images have.
pub async fn prepare(prepared: &Prepared, engine: &Engine, progress: &Progress) -> Result<Karmada, ImagesError> {
    if let Some(there) = here(prepared, engine).await? {
        return Ok(there);
    }
    let stack = Stack::embedded()?;
    let (digests, cache) = (Digests::of(&stack), Cache::open()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let shop = Workshop::new(&stack, &digests, &cache, engine, progress);
    let (tool, crds) = (&stack.karmadactl.binary, FileRef::Module(CRDS.to_owned()));
    let wanted = BTreeSet::from([crds.clone(), tool.clone()]);
    if let (Source::Packages, Some(mirror)) = (prepared.source, &prepared.mirror)
        && let Err(error) = from_mirror(&shop, mirror).await
    {
        progress.note(format!("Karmada's images are built here: the mirror does not hand them over: {error}"));
    }
    let files = match prepared.source {
        Source::Packages => packages::with_images(&shop, wanted, optional(&stack)).await?,
        Source::Registry => {
            let upstream: Vec<Reference> =
                optional(&stack).filter_map(|(_, i)| upstream(i, prepared.mirror.as_deref())).collect();
            registry::expect(&shop, &upstream);
            tokio::try_join!(packages::files(&shop, wanted), registry::pull_all(&shop, &upstream))?.0
        }
    };
    let path = |file: &FileRef| files.get(file).cloned().ok_or_else(|| absent(&file.to_string()));
    remember(&stack, &cache, &path(tool)?, path(&crds)?)?;
    here(prepared, engine).await?.ok_or_else(|| absent("Karmada"))
}

/// Keeps in the cache where the command-line tool and the definitions are.
pub(super) fn remember(stack: &Stack, cache: &Cache, karmadactl: &Path, crds: PathBuf) -> Result<(), ImagesError> {
    let karmadactl = Fingerprint::of_executable(karmadactl).ok_or_else(|| absent("karmadactl"))?;
    Ok(cache.write_json(&Record::name(stack), &Record { karmadactl, crds })?)
}

/// Pulls what `lab images push --karmada` has put into a mirror, under the names that it would have if it were built here.
async fn from_mirror(shop: &Workshop<'_>, mirror: &str) -> Result<(), ImagesError> {
    for key in optional(shop.stack).map(|(key, _)| key) {
        let Some(digest) = shop.digests.images.get(key) else { continue };
        let local = image::local_name(key, digest);
        if shop.engine.image_config(&local).await?.is_none() {
            let there = Reference::parse(&local).in_mirror(mirror);
            registry::expect(shop, [&there]);
            registry::ensure(shop, &there).await?;
            let (repository, tag) = local.rsplit_once(':').unwrap_or((&local, digest.short()));
            shop.engine.tag_image(&there.tagged(), repository, tag).await?;
            shop.engine.untag_image(&there.tagged()).await?;
        }
    }
    Ok(())
}

/// Puts images of Karmada into the store of a node, those that it has not.
///
/// # Errors
/// The engine refuses, or the node's containerd does.
pub async fn load(
    karmada: &Karmada,
    engine: &Engine,
    node: &str,
    keys: &[&str],
    progress: &Progress,
) -> Result<(), ImagesError> {
    let wanted = keys.iter().filter_map(|key| karmada.images.get(*key)).cloned().collect();
    node::load(&wanted, engine, node, progress).await
}

/// Karmada's images among the optional ones.
fn optional(stack: &Stack) -> impl Iterator<Item = (&String, &Image)> {
    let keys = || CONTROL_PLANE.iter().chain(&AGENT);
    stack.optional.iter().filter(move |(key, _)| keys().any(|own| own == key))
}

/// The name in the engine and that in a node, by key.
pub(super) fn images(
    stack: &Stack,
    digests: &Digests,
    source: Source,
    mirror: Option<&str>,
) -> BTreeMap<String, (String, String)> {
    let local = |key: &str, image: &Image| match source {
        Source::Packages => digests.images.get(key).map(|digest| image::local_name(key, digest)),
        Source::Registry => upstream(image, mirror).map(|reference| reference.tagged()),
    };
    let entry = |(key, image): (&String, &Image)| Some((key.clone(), (local(key, image)?, image.name.clone())));
    optional(stack).filter_map(entry).collect()
}

/// Where an image is pulled from.
fn upstream(image: &Image, mirror: Option<&str>) -> Option<Reference> {
    let reference = Reference::parse(image.registry.as_deref()?);
    Some(mirror.map_or_else(|| reference.clone(), |mirror| reference.in_mirror(mirror)))
}

fn absent(what: &str) -> ImagesError {
    ImagesError::Unexpected {
        what: what.to_owned(),
        reason: "it is not there once built".to_owned(),
        remedy: "run the command again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_both_sources_and_the_name_that_karmadactl_gives_it() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let digests = Digests::of(&stack);
        let version = &stack.karmadactl.version;
        for key in CONTROL_PLANE.iter().chain(&AGENT) {
            let packages = &images(&stack, &digests, Source::Packages, None)[*key];
            assert!(packages.0.starts_with(&format!("lab/images/{key}:")), "{packages:?}");
            let registry = &images(&stack, &digests, Source::Registry, None)[*key];
            assert_eq!(packages.1, registry.1);
            if *key != "karmada-etcd" {
                assert_eq!(packages.1, format!("docker.io/karmada/{key}:{version}"));
                assert_eq!(registry.0, packages.1);
            }
            let mirrored = &images(&stack, &digests, Source::Registry, Some("127.0.0.1:5000"))[*key];
            assert!(mirrored.0.starts_with("127.0.0.1:5000/"), "{mirrored:?}");
        }
        assert_eq!(CONTROL_PLANE.len() + AGENT.len(), stack.optional.len() - stack.own().count());
    }
}
