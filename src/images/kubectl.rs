//! kubectl, which builds kustomizations. No lab needs it otherwise, so it is looked for, or built, only when one is named. It asks no engine.

use std::path::PathBuf;

use super::digests::Digests;
use super::prepare::USE_LOCK;
use super::stack::Stack;
use super::tools::{self, Sought};
use super::ways::Wanted;
use super::workshop::Workshop;
use super::{ImagesError, packages};
use crate::exec::{Events, Progress};
use crate::plan::StepId;
use crate::sys::cache::Cache;
use crate::sys::docker::Engine;

/// The program on PATH in a version that will do, or the one that was downloaded or built before.
pub async fn kubectl_here() -> Option<PathBuf> {
    let (events, _) = Events::channel();
    let progress = events.progress(&StepId("kubectl".to_owned()));
    find_or_build(false, &progress).await.ok()?
}

/// The same, downloaded if it is not there or else built, which takes minutes.
///
/// # Errors
/// No way leads to it, or it cannot be built.
pub async fn kubectl(progress: &Progress) -> Result<PathBuf, ImagesError> {
    find_or_build(true, progress).await?.ok_or_else(|| ImagesError::Stack("kubectl is not there".to_owned()))
}

async fn find_or_build(build: bool, progress: &Progress) -> Result<Option<PathBuf>, ImagesError> {
    let stack = Stack::embedded()?;
    let (digests, cache, none) = (Digests::of(&stack), Cache::open()?, Engine::none()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let shop = Workshop::new(&stack, &digests, &cache, &none, progress);
    let wanted = Wanted::kubectl(&stack);
    if let Some(path) = tools::here(&shop, &wanted).await {
        return Ok(Some(path));
    }
    if !build {
        return Ok(None);
    }
    let sought = Sought::look(&shop, wanted).await;
    let files = packages::files(&shop, sought.to_build(&shop)?.into_iter().cloned().collect()).await?;
    sought.found(&files).map(Some)
}
