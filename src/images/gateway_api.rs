//! The definitions of the Gateway API's kinds (`CustomResourceDefinition`), of its standard channel. Only scenarios with such objects need them, so they are
//! downloaded, or read from their Go module, when one is brought up; no image holds them. It asks no engine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures::future::join_all;
use serde::Deserialize;

use super::digest::{Digest, Inputs};
use super::digests::{self, Digests};
use super::prepare::USE_LOCK;
use super::stack::{ModuleFile, Release, Stack};
use super::tools::Sought;
use super::ways::{Wanted, Way};
use super::workshop::Workshop;
use super::{ImagesError, packages, release};
use crate::exec::Progress;
use crate::sys::cache::{self, Cache};
use crate::sys::docker::Engine;
use crate::sys::fs;

/// Where the definitions are.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayApi {
    /// Version of the Gateway API.
    pub version: String,
    /// The entry of `go` whose `go.mod` says the same version.
    pub wrapper: String,
    /// Their Go module.
    pub module: String,
    /// Their directory in it.
    pub path: String,
    /// Their directory as upstream publishes it.
    pub url: String,
    /// Digest of each file by its name.
    pub sha256: BTreeMap<String, String>,
}

impl GatewayApi {
    /// Each as a file of a Go module, by its name.
    pub(super) fn module_files(&self) -> impl Iterator<Item = (String, ModuleFile)> {
        self.sha256.keys().map(|name| {
            let (wrapper, module) = (self.wrapper.clone(), self.module.clone());
            (name.clone(), ModuleFile { wrapper, module, path: format!("{}/{name}", self.path) })
        })
    }

    /// Each as a file that upstream publishes, by its name.
    pub(super) fn releases(&self) -> impl Iterator<Item = (String, Release)> {
        self.sha256.iter().map(|(name, sum)| {
            let sha256 = BTreeMap::from([("any".to_owned(), sum.clone())]);
            (name.clone(), Release { url: format!("{}/{name}", self.url), sums: None, member: None, sha256 })
        })
    }
}

/// The definitions as one file of YAML, as far as all of them are on this machine.
#[must_use]
pub fn gateway_api_here() -> Option<String> {
    let (stack, cache) = (Stack::embedded().ok()?, Cache::open().ok()?);
    if let Ok(text) = cache::read_text(&imported(&stack, &cache)) {
        return Some(text);
    }
    let found = Wanted::gateway_api(&stack).into_iter().map(|wanted| {
        let place = places(&stack, &cache, &wanted).into_iter().find(|place| fs::is_file(place))?;
        cache::read_text(&place).ok()
    });
    Some(joined(&found.collect::<Option<Vec<_>>>()?))
}

/// The same, downloaded if they are not there, or else read from their Go module.
///
/// # Errors
/// No way leads to them.
pub async fn gateway_api(progress: &Progress) -> Result<String, ImagesError> {
    let stack = Stack::embedded()?;
    let (digests, cache, none) = (Digests::of(&stack), Cache::open()?, Engine::none()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    if let Some(here) = gateway_api_here() {
        return Ok(here);
    }
    let shop = Workshop::new(&stack, &digests, &cache, &none, progress);
    let all = join_all(Wanted::gateway_api(&stack).into_iter().map(|wanted| Sought::look(&shop, wanted))).await;
    let to_build: Vec<_> = all.iter().map(|sought| sought.to_build(&shop)).collect::<Result<_, _>>()?;
    let built = packages::files(&shop, to_build.into_iter().flatten().cloned().collect()).await?;
    let found = all.into_iter().map(|sought| Ok(cache::read_text(&sought.found(&built)?)?));
    Ok(joined(&found.collect::<Result<Vec<_>, ImagesError>>()?))
}

/// The files in the cache that hold them, be they there or not.
pub(super) fn files(stack: &Stack, cache: &Cache) -> impl Iterator<Item = PathBuf> {
    let each = Wanted::gateway_api(stack).into_iter().flat_map(|wanted| places(stack, cache, &wanted));
    each.chain([imported(stack, cache)])
}

/// Where all of them are that came in an archive.
pub(super) fn imported(stack: &Stack, cache: &Cache) -> PathBuf {
    let digest = Inputs::of("gateway api 1").all(stack.gateway_api.sha256.values()).digest();
    cache.artifact("imported/gateway-api.yaml", digest.short())
}

/// Where the ways to one lead.
fn places(stack: &Stack, cache: &Cache, wanted: &Wanted) -> Vec<PathBuf> {
    let place = |way: &Way| -> Option<(String, Digest)> {
        match way {
            Way::Release(download) => Some(release::place(wanted, download)),
            Way::Modules => Some((format!("module/{}", wanted.file), digests::file(stack, &wanted.file))),
            Way::Path(_) | Way::Image(_) => None,
        }
    };
    wanted.ways.iter().filter_map(place).map(|(name, digest)| cache.artifact(&name, digest.short())).collect()
}

fn joined(texts: &[String]) -> String {
    texts.join("\n---\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tree::Tree;

    #[test]
    fn the_definitions_are_those_that_istio_is_built_with() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let api = &stack.gateway_api;
        let pinned = Tree::embedded().text(&format!("go/{}/go.mod", api.wrapper)).expect("a go.mod");
        let line = format!("{} {} ", api.module, api.version);
        assert!(pinned.lines().any(|l| format!("{} ", l.trim().trim_start_matches("require ")).starts_with(&line)));
        assert!(api.url.contains(&api.version));
        let wanted = Wanted::gateway_api(&stack);
        assert_eq!(wanted.len(), api.sha256.len());
        for wanted in wanted {
            assert!(matches!(&wanted.ways[..], [Way::Release(_), Way::Modules]), "{wanted:?}");
        }
    }

    #[test]
    fn no_node_image_holds_them() {
        let mut stack = Stack::embedded().expect("stack.yaml is valid");
        let before = Digests::of(&stack);
        stack.gateway_api.sha256.clear();
        stack.module_files.retain(|name, _| !name.contains("gateway"));
        let after = Digests::of(&stack);
        assert_eq!((before.packages, before.registry), (after.packages, after.registry));
    }
}
