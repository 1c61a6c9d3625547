//! The source `packages`: what is missing is found out, then built side by side, each thing as soon as what it is made of is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::future::{BoxFuture, FutureExt, try_join_all};
use tokio::sync::watch;

use super::digest::Digest;
use super::go::{self, Wrapper};
use super::image;
use super::node;
use super::stack::{FileRef, Image, NODE};
use super::tree::Tree;
use super::workshop::{Job, Needs, Workshop};
use super::{IMAGE_LABEL, ImagesError, Source, debian, digests, wheel};
use crate::sys::fs;

/// Files as they get done. Whoever needs one waits for it.
#[derive(Default)]
struct Done {
    files: BTreeMap<FileRef, watch::Sender<Option<PathBuf>>>,
    bases: BTreeMap<String, watch::Sender<bool>>,
}

impl Done {
    fn file(&self, file: &FileRef, path: PathBuf) {
        if let Some(sender) = self.files.get(file) {
            sender.send_replace(Some(path));
        }
    }

    async fn wait_for(&self, file: &FileRef) -> PathBuf {
        let Some(sender) = self.files.get(file) else { return std::future::pending().await };
        // The sender outlives this borrow of `self`, so there is a value in the end, unless the work is dropped and this with it.
        let mut receiver = sender.subscribe();
        match receiver.wait_for(Option::is_some).await.map(|path| path.clone()) {
            Ok(Some(path)) => path,
            _ => std::future::pending().await,
        }
    }

    async fn wait_for_base(&self, name: &str) {
        if let Some(sender) = self.bases.get(name) {
            let _ = sender.subscribe().wait_for(|done| *done).await;
        }
    }
}

/// Builds the files `wanted`, such as tools, and nothing else.
pub(super) async fn files(
    shop: &Workshop<'_>,
    wanted: BTreeSet<FileRef>,
) -> Result<BTreeMap<FileRef, PathBuf>, ImagesError> {
    make(shop, wanted, BTreeMap::new()).await
}

/// Builds the files `wanted`, all images that are not in the engine yet, and the node image with all of them in it.
pub(super) async fn everything(
    shop: &Workshop<'_>,
    wanted: BTreeSet<FileRef>,
) -> Result<BTreeMap<FileRef, PathBuf>, ImagesError> {
    let digest = &shop.digests.packages;
    let is_there = shop.engine.image_config(&node::name(digest)).await?.is_some();
    let missing = if is_there { BTreeMap::new() } else { missing(shop, shop.stack.images.iter()).await? };
    if !is_there {
        shop.expect([Job::new(node::filling(shop.stack.loaded().count()), Needs::Processor)]);
    }
    let files = make(shop, wanted, missing).await?;
    if !is_there {
        let name = |key: &str| shop.digests.images.get(key).map(|digest| image::local_name(key, digest));
        let images = shop.stack.loaded().filter_map(|(key, i)| Some((name(key)?, i.name.clone()))).collect();
        node::derive(shop, Source::Packages, &name(NODE).unwrap_or_default(), images, digest).await?;
    }
    Ok(files)
}

/// Builds the files `wanted`, and those of `images` that are not in the engine yet.
pub(super) async fn with_images<'a>(
    shop: &Workshop<'a>,
    wanted: BTreeSet<FileRef>,
    images: impl Iterator<Item = (&'a String, &'a Image)>,
) -> Result<BTreeMap<FileRef, PathBuf>, ImagesError> {
    let missing = missing(shop, images).await?;
    make(shop, wanted, missing).await
}

/// Those of the images that the engine does not have.
async fn missing<'a>(
    shop: &Workshop<'a>,
    images: impl Iterator<Item = (&'a String, &'a Image)>,
) -> Result<BTreeMap<&'a str, &'a Image>, ImagesError> {
    let there: BTreeSet<String> =
        shop.engine.images_labelled(IMAGE_LABEL).await?.into_iter().flat_map(|i| i.tags).collect();
    let images = images.filter(|(key, _)| {
        !shop.digests.images.get(*key).is_some_and(|digest| there.contains(&image::local_name(key, digest)))
    });
    Ok(images.map(|(key, image)| (key.as_str(), image)).collect())
}

/// Makes files and images, and what they are made of.
async fn make<'a>(
    shop: &Workshop<'a>,
    mut wanted: BTreeSet<FileRef>,
    missing: BTreeMap<&'a str, &'a Image>,
) -> Result<BTreeMap<FileRef, PathBuf>, ImagesError> {
    wanted.extend(missing.values().flat_map(|i| i.packages.files.values().cloned()));
    if wanted.is_empty() && missing.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Files alone need no engine, and there may be none.
    let there = if missing.is_empty() { Vec::new() } else { shop.engine.images_labelled(IMAGE_LABEL).await? };
    let there: BTreeSet<String> = there.into_iter().flat_map(|i| i.tags).collect();
    let bases: BTreeSet<&str> = missing.values().map(|i| i.packages.from.as_str()).collect();
    let bases: Vec<&str> = bases
        .into_iter()
        .filter(|name| {
            let digest = shop.digests.bases.get(*name);
            digest.is_some_and(|d| !there.contains(&image::local_name(&image::base_key(name), d)))
        })
        .collect();
    let done = Done {
        files: wanted.iter().map(|file| (file.clone(), watch::channel(None).0)).collect(),
        bases: bases.iter().map(|&name| (name.to_owned(), watch::channel(false).0)).collect(),
    };
    let wrappers = wrappers(shop, &wanted).await?;
    expect(shop, &wanted, &wrappers, &bases, missing.keys().copied());

    // The order decides who gets the first turns: the longest chains.
    let mut work: Vec<BoxFuture<'_, Result<(), ImagesError>>> = Vec::new();
    for (at, (wrapper, binaries)) in wrappers.iter().enumerate() {
        work.push(go_binaries(shop, wrapper, binaries, at == 0, &done).boxed());
    }
    for name in &bases {
        work.push(base(shop, name, &done).boxed());
    }
    for file in &wanted {
        match file {
            FileRef::Go { .. } => {}
            FileRef::Wheel(name) => work.push(wheel_file(shop, name, file, &done).boxed()),
            FileRef::Module(name) => work.push(module_file(shop, name, file, &done).boxed()),
        }
    }
    for (key, image) in missing {
        work.push(one_image(shop, key, image, &done).boxed());
    }
    try_join_all(work).await?;
    Ok(done.files.into_iter().filter_map(|(file, sender)| Some((file, sender.borrow().clone()?))).collect())
}

/// The Go modules to build in, those first that take longest: the ones with many dependencies and many binaries.
async fn wrappers<'a>(
    shop: &Workshop<'a>,
    wanted: &BTreeSet<FileRef>,
) -> Result<Vec<(Wrapper<'a>, Vec<String>)>, ImagesError> {
    let mut binaries: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in wanted {
        if let FileRef::Go { module, binary } = file
            && let Some((name, _)) = shop.stack.go.get_key_value(module)
        {
            binaries.entry(name.as_str()).or_default().push(binary.clone());
        }
    }
    let weight =
        |name: &str| Tree::embedded().text(&format!("{}/go.sum", shop.stack.wrapper_dir(name))).map_or(0, str::len);
    let mut order: Vec<(&str, Vec<String>)> = binaries.into_iter().collect();
    order.sort_by_key(|(name, binaries)| std::cmp::Reverse(weight(name) * binaries.len()));
    let mut wrappers = Vec::with_capacity(order.len());
    for (name, binaries) in order {
        wrappers.push((Wrapper::open(shop, name).await?, binaries));
    }
    Ok(wrappers)
}

/// Tells the workshop which jobs there will be.
fn expect<'a>(
    shop: &Workshop<'_>,
    wanted: &BTreeSet<FileRef>,
    wrappers: &[(Wrapper<'_>, Vec<String>)],
    bases: &[&str],
    images: impl Iterator<Item = &'a str>,
) {
    let is_missing = |name: &str, digest: &Digest| !fs::exists(&shop.cache.artifact(name, digest.short()));
    for (wrapper, binaries) in wrappers {
        let missing = wrapper.missing(shop, binaries);
        let fetch = (!missing.is_empty()).then(|| Job::new(go::fetching(wrapper.name()), Needs::Network));
        let builds = missing.iter().map(|binary| Job::new(go::building(wrapper.name(), binary), Needs::Processor));
        shop.expect(fetch.into_iter().chain(builds).map(|job| job.of_queue(wrapper.name())));
    }
    let digest = |file| digests::file(shop.stack, file);
    shop.expect(wanted.iter().filter_map(|file| {
        let (name, what) = match file {
            FileRef::Go { .. } => return None,
            FileRef::Wheel(name) => (format!("wheel/{name}"), wheel::downloading(shop.stack.wheels.get(name)?)),
            FileRef::Module(name) => (format!("module/{name}"), go::reading(name, shop.stack.module_files.get(name)?)),
        };
        is_missing(&name, &digest(file)).then(|| Job::new(what, Needs::Network))
    }));
    for name in bases {
        let is_made = shop.digests.debian.get(*name).is_none_or(|d| !is_missing(&format!("debian/{name}.tar"), d));
        let system = (!is_made).then(|| Job::new(debian::installing(name), Needs::Network));
        let image = Job::new(image::making(&image::base_key(name)), Needs::Processor);
        shop.expect(system.into_iter().chain([image]));
    }
    shop.expect(images.map(|key| Job::new(image::making(key), Needs::Processor)));
}

/// Builds the binaries of one module, one after the other: they share most of their packages, which Go would otherwise compile twice at a time.
/// Those of the `longest` have one turn together: if each waited behind all others, they would still be built when nothing else is left to do beside them.
async fn go_binaries(
    shop: &Workshop<'_>,
    wrapper: &Wrapper<'_>,
    binaries: &[String],
    longest: bool,
    done: &Done,
) -> Result<(), ImagesError> {
    let missing = wrapper.missing(shop, binaries);
    if !missing.is_empty() {
        wrapper.fetch(shop, &missing).await;
    }
    let needs = if longest { Needs::Held } else { Needs::Processor };
    let _turn = if longest { shop.turn(Needs::Processor).await } else { None };
    for binary in binaries {
        let path = wrapper.build(shop, binary, needs).await?;
        done.file(&FileRef::Go { module: wrapper.name().to_owned(), binary: binary.clone() }, path);
    }
    Ok(())
}

async fn base(shop: &Workshop<'_>, name: &str, done: &Done) -> Result<(), ImagesError> {
    if let Some(debian) = shop.stack.debian.get(name) {
        let rootfs = debian::rootfs(shop, name, debian).await?;
        image::base(shop, name, rootfs).await?;
    }
    if let Some(sender) = done.bases.get(name) {
        sender.send_replace(true);
    }
    Ok(())
}

async fn wheel_file(shop: &Workshop<'_>, name: &str, file: &FileRef, done: &Done) -> Result<(), ImagesError> {
    if let Some(wheel) = shop.stack.wheels.get(name) {
        done.file(file, wheel::member(shop, name, wheel).await?);
    }
    Ok(())
}

async fn module_file(shop: &Workshop<'_>, name: &str, file: &FileRef, done: &Done) -> Result<(), ImagesError> {
    if let Some(module_file) = shop.stack.module_files.get(name) {
        done.file(file, go::module_file(shop, name, module_file).await?);
    }
    Ok(())
}

async fn one_image(shop: &Workshop<'_>, key: &str, image: &Image, done: &Done) -> Result<(), ImagesError> {
    let mut files = Vec::with_capacity(image.packages.files.len());
    for (to, file) in &image.packages.files {
        files.push((to.clone(), file.mode(), done.wait_for(file).await));
    }
    done.wait_for_base(&image.packages.from).await;
    image::build(shop, key, &image.packages, files).await
}
