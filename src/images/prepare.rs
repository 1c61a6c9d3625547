//! Sees to it that tools and images are on this machine, in whatever way is the quickest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, Inputs};
use super::digests::Digests;
use super::reference::Reference;
use super::resolve::{self, Choice};
use super::stack::{NODE, Stack};
use super::tools::Tools;
use super::workshop::Workshop;
use super::{ImagesError, NODE_LABEL, Prepared, Source, node, packages, registry};
use crate::exec::Progress;
use crate::scenario::{ImageSettings, Versions};
use crate::sys::cache::{self, Cache, Fingerprint};
use crate::sys::docker::{Engine, login};
use crate::sys::http::{Held, Http, Repository};

/// What was prepared, remembered in the cache, so that the next run has only to see that it is still there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Record {
    pub source: Source,
    pub mirror: Option<String>,
    pub node_image: String,
    pub kind: Fingerprint,
    pub istioctl: Fingerprint,
    pub metallb_manifest: PathBuf,
}

/// The stack that a source serves.
type StackOf<'a> = &'a (dyn Fn(Source) -> Result<Stack, ImagesError> + Sync);

/// Lock that whoever uses files of the cache shares, so that nobody removes them in the meantime.
pub(super) const USE_LOCK: &str = "use";

impl Record {
    /// Name of the record of a derived node image.
    pub fn name(digest: &Digest) -> String {
        format!("prepared/{}.json", digest.short())
    }

    fn mirror_name(mirror: &str, digests: &Digests) -> String {
        let inputs = Inputs::of("mirror 1").and(mirror).and(digests.packages.as_str()).and(digests.registry.as_str());
        format!("prepared/mirror-{}.json", inputs.digest().short())
    }

    /// The files that it relies on.
    pub fn files(self) -> [PathBuf; 3] {
        [self.kind.path, self.istioctl.path, self.metallb_manifest]
    }

    /// What other steps need, provided that the tools are still those that were looked at.
    pub fn prepared(self, stack: &Stack) -> Option<Prepared> {
        if !self.kind.holds() || !self.istioctl.holds() {
            return None;
        }
        let metallb_manifest = cache::read_text(&self.metallb_manifest).ok()?;
        let values = &stack.istio.values;
        Some(Prepared {
            images: names(stack, self.source),
            istio_values: if self.source == Source::Packages { &values.packages } else { &values.registry }.clone(),
            source: self.source,
            mirror: self.mirror,
            node_image: self.node_image,
            kind: self.kind.path,
            istioctl: self.istioctl.path,
            metallb_manifest,
        })
    }
}

/// The images by the names that nodes know them by.
pub(super) fn names(stack: &Stack, source: Source) -> BTreeMap<String, String> {
    let name = |i: &super::stack::Image| match &i.registry {
        Some(upstream) if source == Source::Registry => Reference::parse(upstream).tagged(),
        _ => i.name.clone(),
    };
    stack.loaded().chain(stack.own()).map(|(key, i)| (key.clone(), name(i))).collect()
}

/// What is prepared already; `None` when there is anything left to do. It takes one question to the engine.
pub async fn is_prepared(
    choice: Choice,
    settings: &ImageSettings,
    versions: Versions,
    engine: &Engine,
) -> Option<Prepared> {
    let stack_of = |source| Stack::serving(source, versions);
    let cache = Cache::open().ok()?;
    if let Some(mirror) = &settings.mirror {
        let digests = Digests::of(&stack_of(Source::Registry).ok()?);
        let record: Record = cache.read_json(&Record::mirror_name(mirror, &digests))?;
        engine.image_config(&record.node_image).await.ok()??;
        let stack = stack_of(record.source).ok()?;
        return record.prepared(&stack);
    }
    let (source, stack, digests) = in_engine(choice, &stack_of, engine).await.ok()??;
    cache.read_json::<Record>(&Record::name(digest(&digests, source)))?.prepared(&stack)
}

/// Prepares tools and images. It tells the source that serves, and why, as a note.
pub async fn prepare(
    choice: Choice,
    settings: &ImageSettings,
    versions: Versions,
    engine: &Engine,
    progress: &Progress,
) -> Result<Prepared, ImagesError> {
    let what = if versions.is_default() { "images".to_owned() } else { format!("images of {versions}") };
    if let Some(prepared) = is_prepared(choice, settings, versions, engine).await {
        progress.note(format!("{what}: {}, prepared before", prepared.describe()));
        return Ok(prepared);
    }
    prepare_stack(choice, settings, (&what, &|source| Stack::serving(source, versions)), engine, progress).await
}

/// The same of a stack of the caller's own, whatever is prepared already: what it is called, and what it is by source.
pub async fn prepare_stack(
    choice: Choice,
    settings: &ImageSettings,
    (what, stack_of): (&str, StackOf<'_>),
    engine: &Engine,
    progress: &Progress,
) -> Result<Prepared, ImagesError> {
    let stack = stack_of(Source::Registry)?;
    let (digests, cache) = (Digests::of(&stack), Cache::open()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    engine.remove_leftovers(|name| matches!(cache.try_lock(name), Ok(Some(_)))).await?;
    let (name, record) = if let Some(mirror) = &settings.mirror {
        let shop = Workshop::new(&stack, &digests, &cache, engine, progress);
        (Record::mirror_name(mirror, &digests), Box::pin(from_mirror(&shop, stack_of, mirror)).await?)
    } else {
        let (source, why) = match in_engine(choice, stack_of, engine).await? {
            Some((source, ..)) => (source, "the node image is there already".to_owned()),
            None => resolve::resolve(choice, &stack, engine).await?,
        };
        progress.note(format!("{what}: {source}: {why}"));
        let serve = async |source: Source| {
            let stack = stack_of(source)?;
            let digests = Digests::of(&stack);
            let shop = Workshop::new(&stack, &digests, &cache, engine, progress);
            let record = Box::pin(from_source(&shop, source)).await?;
            Ok::<_, ImagesError>((Record::name(digest(&digests, source)), record))
        };
        match serve(source).await {
            // A registry may have an image and yet not hand it over.
            Err(error @ ImagesError::Transfer { .. })
                if choice == Choice::Auto && source == Source::Registry && resolve::can_build(&stack).await =>
            {
                progress.note(format!("{what}: {}: {error}", Source::Packages));
                serve(Source::Packages).await?
            }
            served => served?,
        }
    };
    cache.write_json(&name, &record)?;
    let stack = stack_of(record.source)?;
    record.prepared(&stack).ok_or_else(|| ImagesError::Unexpected {
        what: "what was prepared just now".to_owned(),
        reason: "somebody else changed it in the meantime".to_owned(),
        remedy: "run the command again",
    })
}

/// Pushes every package-built image to a registry, building those that are missing; Karmada's too, if `karmada`. Returns what was pushed.
pub async fn push(
    registry: &str,
    karmada: bool,
    engine: &Engine,
    progress: &Progress,
) -> Result<Vec<String>, ImagesError> {
    let stack = Stack::embedded()?;
    let (digests, cache) = (Digests::of(&stack), Cache::open()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    answers(registry).await?;
    let shop = Workshop::new(&stack, &digests, &cache, engine, progress);
    let optional = stack.optional.iter().filter(|_| karmada);
    packages::with_images(&shop, BTreeSet::new(), stack.images.iter().chain(optional)).await?;
    let shop = Workshop::new(&stack, &digests, &cache, engine, progress);
    registry::push(&shop, registry, karmada).await
}

fn digest(digests: &Digests, source: Source) -> &Digest {
    match source {
        Source::Registry => &digests.registry,
        Source::Packages => &digests.packages,
    }
}

/// The source whose derived node image the engine has already, with its stack and that one's digests.
async fn in_engine(
    choice: Choice,
    stack_of: StackOf<'_>,
    engine: &Engine,
) -> Result<Option<(Source, Stack, Digests)>, ImagesError> {
    let tags: BTreeSet<String> = engine.images_labelled(NODE_LABEL).await?.into_iter().flat_map(|i| i.tags).collect();
    for &source in choice.candidates() {
        let stack = stack_of(source)?;
        let digests = Digests::of(&stack);
        if tags.contains(&node::name(digest(&digests, source))) {
            return Ok(Some((source, stack, digests)));
        }
    }
    Ok(None)
}

async fn from_source(shop: &Workshop<'_>, source: Source) -> Result<Record, ImagesError> {
    let tools = Box::pin(Tools::look(shop, source, None)).await;
    let wanted = tools.to_build(shop)?;
    let built = match source {
        Source::Packages => packages::everything(shop, wanted).await?,
        Source::Registry => {
            // Tools are built while images are pulled: one needs the processors, the other the network.
            let (built, ()) = tokio::try_join!(packages::files(shop, wanted), registry::everything(shop))?;
            built
        }
    };
    record(tools.found(&built)?, source, None, node::name(digest(shop.digests, source)))
}

async fn from_mirror(shop: &Workshop<'_>, stack_of: StackOf<'_>, mirror: &str) -> Result<Record, ImagesError> {
    let http = answers(mirror).await?;
    let own = registry::node_in_mirror(shop, mirror);
    let down = |e: crate::sys::http::Unreachable| registry_down(mirror, e.to_string());
    // Whether one can be read is told where a mirror denies what is pulled from it.
    let login = login(mirror).await.unwrap_or_default();
    let of = Repository { base: &plain(mirror), path: &own.path, login: login.as_ref() };
    let is_ours = http.holds_manifest(of, own.tag()).await.map_err(down)? == Held::There;
    let (source, node) = if is_ours {
        shop.progress.note(format!("images: registry (mirror {mirror}): it holds lab's own package-built images"));
        (Source::Packages, own)
    } else {
        shop.progress.note(format!(
            "images: registry (mirror {mirror}): upstream images, as it holds no node image of this lab"
        ));
        let upstream = shop.stack.images.get(NODE).and_then(|i| i.registry.as_deref()).unwrap_or_default();
        (Source::Registry, Reference::parse(upstream).in_mirror(mirror))
    };
    let stack = stack_of(source)?;
    let digests = Digests::of(&stack);
    let shop = &Workshop::new(&stack, &digests, shop.cache, shop.engine, shop.progress);
    registry::expect(shop, [&node]);
    let tools = Box::pin(Tools::look(shop, source, Some(mirror))).await;
    let (built, ()) = tokio::try_join!(packages::files(shop, tools.to_build(shop)?), registry::ensure(shop, &node))?;
    record(tools.found(&built)?, source, Some(mirror.to_owned()), node.tagged())
}

fn record(
    [kind, istioctl, metallb_manifest]: [PathBuf; 3],
    source: Source,
    mirror: Option<String>,
    node_image: String,
) -> Result<Record, ImagesError> {
    let executable = |path: PathBuf| {
        Fingerprint::of_executable(&path).ok_or_else(|| ImagesError::Unexpected {
            what: path.display().to_string(),
            reason: "it is no program any more".to_owned(),
            remedy: "run the command again",
        })
    };
    Ok(Record {
        source,
        mirror,
        node_image,
        kind: executable(kind)?,
        istioctl: executable(istioctl)?,
        metallb_manifest,
    })
}

async fn answers(registry: &str) -> Result<Http, ImagesError> {
    let down = |e: crate::sys::http::Unreachable| registry_down(registry, e.to_string());
    let http = Http::new().map_err(down)?;
    http.registry_answers(&plain(registry)).await.map_err(down)?;
    Ok(http)
}

pub(super) fn plain(registry: &str) -> String {
    format!("http://{registry}")
}

pub(super) fn registry_down(registry: &str, reason: String) -> ImagesError {
    ImagesError::RegistryDown {
        registry: registry.to_owned(),
        reason,
        remedy: "start it, or name another; it is asked over plain HTTP, as HOST:PORT",
    }
}
