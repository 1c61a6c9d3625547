//! The programs that lab runs, and MetalLB's manifest: found, downloaded, or left to be built, by the ways of `ways.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::go::Wrapper;
use super::stack::FileRef;
use super::ways::{Fits, Wanted, Way};
use super::workshop::Workshop;
use super::{ImagesError, Source, digests, release, resolve};
use crate::sys::cache::{Fingerprint, on_path};
use crate::sys::process::Process;

/// Document of the cache with what programs on PATH have said about their version.
const SEEN: &str = "tools.json";

/// A program that hangs when asked for its version is not the one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program has said about its version, while its file is the same.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Seen {
    file: Fingerprint,
    said: String,
}

/// A program that was looked for.
pub(super) struct Sought {
    wanted: Wanted,
    /// Where it is, as far as known.
    path: Option<PathBuf>,
    /// What the ways said that did not lead to it.
    tried: Vec<String>,
}

impl Sought {
    /// Goes all ways but that of building.
    pub async fn look(shop: &Workshop<'_>, wanted: Wanted) -> Self {
        let path = here(shop, &wanted).await;
        let mut sought = Self { wanted, path, tried: Vec::new() };
        if sought.path.is_some() {
            return sought;
        }
        for way in sought.wanted.ways.clone() {
            match go(shop, &sought.wanted, &way).await {
                Ok(path) => {
                    sought.path = path;
                    if sought.path.is_some() {
                        break;
                    }
                }
                Err(why) => sought.tried.push(why),
            }
        }
        sought
    }

    /// What must be built, if anything, which takes Go.
    ///
    /// # Errors
    /// Go is missing.
    pub fn to_build(&self, shop: &Workshop<'_>) -> Result<Option<&FileRef>, ImagesError> {
        if self.path.is_some() {
            return Ok(None);
        }
        if on_path("go").is_empty() {
            let tried = self.tried.iter().map(String::as_str).chain(["it cannot be built, as go is not on PATH"]);
            return Err(ImagesError::NoTool {
                name: self.wanted.name.to_owned(),
                accepted: self.wanted.accepted(),
                tried: tried.collect::<Vec<_>>().join("; "),
            });
        }
        if let Some(built) = &self.wanted.built {
            let Wanted { name, version, .. } = &self.wanted;
            let tried = self.tried.join("; ");
            shop.progress.note(format!("{name} is {built}, built here, while images are of {version}: {tried}"));
        }
        Ok(Some(&self.wanted.file))
    }

    /// Where it is, once what had to be built is.
    pub fn found(self, built: &BTreeMap<FileRef, PathBuf>) -> Result<PathBuf, ImagesError> {
        let path = self.path.or_else(|| built.get(&self.wanted.file).cloned());
        path.ok_or_else(|| ImagesError::Unexpected {
            what: self.wanted.file.to_string(),
            reason: "it is not there once built".to_owned(),
            remedy: "run the command again",
        })
    }
}

/// One way: where it leads, if anywhere; or what is in it.
async fn go(shop: &Workshop<'_>, wanted: &Wanted, way: &Way) -> Result<Option<PathBuf>, String> {
    let got = match way {
        Way::Path(fits) => return Err(format!("PATH has no {} {fits}", wanted.name)),
        // It is left to the caller, who builds everything together.
        Way::Modules => return Ok(None),
        Way::Release(download) => release::get(shop, wanted, download).await,
        Way::Image(image) => {
            resolve::is_there(image, shop.engine).await.map_err(|why| format!("{image}: {why}"))?;
            release::out_of_image(shop, wanted, image).await
        }
    };
    let path = got.map_err(|e| e.to_string())?;
    if wanted.version_args.is_empty() {
        return Ok(Some(path));
    }
    let said = version(shop, &path, wanted).await.unwrap_or_default();
    if Fits::Only(wanted.version.clone()).takes(&said) {
        return Ok(Some(path));
    }
    Err(format!("{} says that it is `{}`, not {}", path.display(), said.trim(), wanted.version))
}

/// Those of the programs, and the manifest, that a source of images needs.
pub(super) struct Tools {
    kind: Sought,
    istioctl: Sought,
    manifest: Sought,
}

impl Tools {
    pub async fn look(shop: &Workshop<'_>, source: Source, mirror: Option<&str>) -> Self {
        let (kind, istioctl, manifest) = tokio::join!(
            Sought::look(shop, Wanted::kind(shop.stack)),
            Sought::look(shop, Wanted::istioctl(shop.stack, source, mirror)),
            Sought::look(shop, Wanted::metallb_manifest(shop.stack)),
        );
        Self { kind, istioctl, manifest }
    }

    /// What must be built.
    pub fn to_build(&self, shop: &Workshop<'_>) -> Result<BTreeSet<FileRef>, ImagesError> {
        let all = [&self.kind, &self.istioctl, &self.manifest].map(|sought| sought.to_build(shop));
        let all: Vec<Option<&FileRef>> = all.into_iter().collect::<Result<_, _>>()?;
        Ok(all.into_iter().flatten().cloned().collect())
    }

    /// kind, istioctl and the manifest, once what had to be built is.
    pub fn found(self, built: &BTreeMap<FileRef, PathBuf>) -> Result<[PathBuf; 3], ImagesError> {
        Ok([self.kind.found(built)?, self.istioctl.found(built)?, self.manifest.found(built)?])
    }
}

/// What is on this machine already: by the first way whose end is there, so that nothing is asked of anybody who may not answer.
pub(super) async fn here(shop: &Workshop<'_>, wanted: &Wanted) -> Option<PathBuf> {
    for way in &wanted.ways {
        let (name, digest) = match way {
            Way::Path(fits) => match on_this_machine(shop, wanted, fits).await {
                Some(path) => return Some(path),
                None => continue,
            },
            Way::Release(download) => release::place(wanted, download),
            Way::Image(image) => release::place_of_image(wanted, image),
            // What was built stands in for a release only as long as that is not to be had.
            Way::Modules if wanted.built.is_some() => continue,
            Way::Modules => match &wanted.file {
                FileRef::Go { module, binary } => Wrapper::open(shop, module).await.ok()?.place(shop, binary),
                file @ FileRef::Module(name) => (format!("module/{name}"), digests::file(shop.stack, file)),
                FileRef::Wheel(_) => continue,
            },
        };
        let path = shop.cache.artifact(&name, digest.short());
        if crate::sys::fs::exists(&path) {
            return Some(path);
        }
    }
    None
}

/// The program on PATH, in a version that will do.
async fn on_this_machine(shop: &Workshop<'_>, wanted: &Wanted, fits: &Fits) -> Option<PathBuf> {
    for path in on_path(wanted.name) {
        if let Some(said) = version(shop, &path, wanted).await
            && fits.takes(&said)
        {
            return Some(path);
        }
    }
    None
}

/// What a program says about its version.
pub(super) async fn version(shop: &Workshop<'_>, path: &Path, wanted: &Wanted) -> Option<String> {
    let file = Fingerprint::of_executable(path)?;
    let mut seen: BTreeMap<PathBuf, Seen> = shop.cache.read_json(SEEN).unwrap_or_default();
    if let Some(known) = seen.get(path).filter(|s| s.file == file) {
        return Some(known.said.clone());
    }
    let asked = Process::new(path).args(&wanted.version_args).output();
    let said = tokio::time::timeout(PATIENCE, asked).await.ok()?.unwrap_or_default();
    // Others may have written to it meanwhile.
    seen = shop.cache.read_json(SEEN).unwrap_or_default();
    seen.insert(path.to_owned(), Seen { file, said: said.clone() });
    // Without it the program is asked again next time.
    let _ = shop.cache.write_json(SEEN, &seen);
    Some(said)
}

#[cfg(test)]
mod tests;
