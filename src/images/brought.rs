//! Tools and names of images for clusters that lab did not make: their nodes pull images themselves, or hold them, so no engine is asked for any.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::digests::Digests;
use super::prepare::{USE_LOCK, names, plain, registry_down};
use super::reference::Reference;
use super::resolve::Choice;
use super::stack::{PILOT, Stack};
use super::tools::Sought;
use super::ways::Wanted;
use super::workshop::Workshop;
use super::{ImagesError, Prepared, Source, packages};
use crate::exec::Progress;
use crate::scenario::{ImageSettings, Versions};
use crate::sys::cache::{self, Cache};
use crate::sys::docker::{Engine, login};
use crate::sys::http::{Held, Http, Repository};

/// What renders Istio, and the images by the names by which nodes ask for them. `is_held` tells whether all nodes hold an image already.
///
/// # Errors
/// A tool is not to be had, or the registry does not answer.
pub async fn for_brought(
    choice: Choice,
    settings: &ImageSettings,
    versions: Versions,
    is_held: impl Fn(&str) -> bool,
    progress: &Progress,
) -> Result<Prepared, ImagesError> {
    let mirror = settings.mirror.as_deref();
    let source = source(choice, mirror, versions, is_held).await?;
    let stack = Stack::serving(source, versions)?;
    let (digests, cache, engine) = (Digests::of(&stack), Cache::open()?, Engine::none()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let shop = Workshop::new(&stack, &digests, &cache, &engine, progress);
    let istioctl = Box::pin(Sought::look(&shop, Wanted::istioctl(&stack, source, mirror))).await;
    let manifest = Box::pin(Sought::look(&shop, Wanted::metallb_manifest(&stack))).await;
    let wanted = [istioctl.to_build(&shop)?, manifest.to_build(&shop)?];
    let built = packages::files(&shop, wanted.into_iter().flatten().cloned().collect()).await?;
    let (istioctl, manifest) = (istioctl.found(&built)?, manifest.found(&built)?);
    let values = &stack.istio.values;
    Ok(Prepared {
        source,
        mirror: settings.mirror.clone(),
        node_image: String::new(),
        images: by_mirror(names(&stack, source), mirror),
        kind: PathBuf::new(),
        istioctl,
        metallb_manifest: cache::read_text(&manifest)?,
        istio_values: if source == Source::Packages { &values.packages } else { &values.registry }.clone(),
    })
}

/// The source of images: as the user says, or lab's own where all nodes hold them, or the mirror does; else upstream's.
async fn source(
    choice: Choice,
    mirror: Option<&str>,
    versions: Versions,
    is_held: impl Fn(&str) -> bool,
) -> Result<Source, ImagesError> {
    match choice {
        Choice::Registry => return Ok(Source::Registry),
        Choice::Packages => return Ok(Source::Packages),
        Choice::Auto => {}
    }
    let stack = Stack::serving(Source::Packages, versions)?;
    let pilot = stack.images.get(PILOT).map(|image| image.name.clone()).unwrap_or_default();
    let is_own = match mirror {
        Some(mirror) => has(mirror, &Reference::parse(&pilot).in_mirror(mirror)).await?,
        None => is_held(&pilot),
    };
    Ok(if is_own { Source::Packages } else { Source::Registry })
}

/// Whether a registry has an image.
async fn has(mirror: &str, image: &Reference) -> Result<bool, ImagesError> {
    let down = |e: crate::sys::http::Unreachable| registry_down(mirror, e.to_string());
    let login = login(mirror).await.unwrap_or_default();
    let of = Repository { base: &plain(mirror), path: &image.path, login: login.as_ref() };
    let held = Http::new().map_err(down)?.holds_manifest(of, image.tag()).await.map_err(down)?;
    Ok(held == Held::There)
}

/// The images as nodes ask a mirror for them, of which nothing but their names tells.
fn by_mirror(images: BTreeMap<String, String>, mirror: Option<&str>) -> BTreeMap<String, String> {
    let Some(mirror) = mirror else { return images };
    let moved = |name: String| Reference::parse(&name).in_mirror(mirror).tagged();
    images.into_iter().map(|(key, name)| (key, moved(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn images_are_labs_own_where_all_nodes_hold_them() {
        let of =
            async |choice, held: bool| source(choice, None, Versions::default(), |_| held).await.expect("a source");
        assert_eq!(of(Choice::Auto, true).await, Source::Packages);
        assert_eq!(of(Choice::Auto, false).await, Source::Registry);
        assert_eq!(of(Choice::Packages, false).await, Source::Packages);
        assert_eq!(of(Choice::Registry, true).await, Source::Registry);
    }

    #[test]
    fn a_mirror_is_in_the_names_of_images() {
        let images: BTreeMap<String, String> =
            [("istio-pilot".to_owned(), "docker.io/istio/pilot:1.2".to_owned())].into();
        let moved = by_mirror(images.clone(), Some("registry.example:5000"));
        assert_eq!(moved["istio-pilot"], "registry.example:5000/istio/pilot:1.2");
        assert_eq!(by_mirror(images.clone(), None), images);
    }
}
