//! kubectl, which builds kustomizations. No lab needs it otherwise, so it is looked for, or built, only when one is named. It asks no engine.

use std::path::PathBuf;

use super::digests::Digests;
use super::go::Wrapper;
use super::prepare::USE_LOCK;
use super::stack::{FileRef, Stack};
use super::workshop::Workshop;
use super::{ImagesError, tools};
use crate::exec::{Events, Progress};
use crate::plan::StepId;
use crate::sys::cache::Cache;
use crate::sys::docker::Engine;

/// The program on PATH with the pinned version, or the one that was built before.
pub async fn kubectl_here() -> Option<PathBuf> {
    let (events, _) = Events::channel();
    let progress = events.progress(&StepId("kubectl".to_owned()));
    find_or_build(false, &progress).await.ok()?
}

/// The same, built if it is not there, which takes minutes.
///
/// # Errors
/// It cannot be built: Go is missing, or the module proxy cannot be reached.
pub async fn kubectl(progress: &Progress) -> Result<PathBuf, ImagesError> {
    find_or_build(true, progress).await?.ok_or_else(|| ImagesError::Stack("kubectl is no Go binary".to_owned()))
}

async fn find_or_build(build: bool, progress: &Progress) -> Result<Option<PathBuf>, ImagesError> {
    let stack = Stack::embedded()?;
    let (digests, cache, none) = (Digests::of(&stack), Cache::open()?, Engine::none()?);
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let shop = Workshop::new(&stack, &digests, &cache, &none, progress);
    let tool = &stack.tools.kubectl;
    if let Some(path) = tools::on_this_machine(&shop, "kubectl", tool).await {
        return Ok(Some(path));
    }
    let FileRef::Go { module, binary } = &tool.binary else { return Ok(None) };
    let wrapper = Wrapper::open(&shop, module).await?;
    let (name, digest) = wrapper.place(&shop, binary);
    let artifact = cache.artifact(&name, digest.short());
    if crate::sys::fs::exists(&artifact) {
        return Ok(Some(artifact));
    }
    if !build {
        return Ok(None);
    }
    shop.expect(1);
    wrapper.build(&shop, binary).await.map(Some)
}
