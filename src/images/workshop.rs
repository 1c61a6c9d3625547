//! What all building shares: the cache, the engine, the turns on the processors, and the count of what is left.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::digest::Digest;
use super::digests::Digests;
use super::error::ImagesError;
use super::stack::Stack;
use crate::exec::Progress;
use crate::sys::cache::Cache;
use crate::sys::docker_images::ImageStore;

/// Shared by everything that builds.
pub(super) struct Workshop<'a> {
    pub stack: &'a Stack,
    pub digests: &'a Digests,
    pub cache: &'a Cache,
    pub store: &'a ImageStore,
    pub progress: &'a Progress,
    /// Turns for what needs a processor.
    processors: Semaphore,
    /// Turns for what waits for the network.
    downloads: Semaphore,
    begun: AtomicUsize,
    total: AtomicUsize,
}

/// What a job mostly needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// A processor.
    Processor,
    /// The network.
    Network,
}

/// Downloads side by side.
const DOWNLOADS: usize = 4;

impl<'a> Workshop<'a> {
    pub fn new(
        stack: &'a Stack,
        digests: &'a Digests,
        cache: &'a Cache,
        store: &'a ImageStore,
        progress: &'a Progress,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            stack,
            digests,
            cache,
            store,
            progress,
            processors: Semaphore::new(cores),
            downloads: Semaphore::new(DOWNLOADS),
            begun: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
        }
    }

    /// Adds to the number of jobs that progress is counted against.
    pub fn expect(&self, jobs: usize) {
        self.total.fetch_add(jobs, Ordering::Relaxed);
    }

    /// Tells that a job begins.
    pub fn announce(&self, what: &str) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let total = self.total.load(Ordering::Relaxed).max(number);
        self.progress.say(format!("{what} ({number} of {total})"));
    }

    /// Runs `job` when it is its turn.
    pub async fn in_turn<T>(&self, needs: Needs, job: impl Future<Output = T>) -> T {
        let turns = if needs == Needs::Processor { &self.processors } else { &self.downloads };
        // The semaphores are never closed; without a permit the job would merely run at once.
        let _permit = turns.acquire().await.ok();
        job.await
    }

    /// The artifact of that name and digest: from the cache, or made by `make` in a scratch directory and published in one step.
    pub async fn artifact<F, M>(
        &self,
        name: &str,
        digest: &Digest,
        what: &str,
        needs: Needs,
        make: M,
    ) -> Result<PathBuf, ImagesError>
    where
        M: FnOnce(PathBuf) -> F,
        F: Future<Output = Result<PathBuf, ImagesError>>,
    {
        let path = self.cache.artifact(name, digest.short());
        if crate::sys::fs::exists(&path) {
            return Ok(path);
        }
        let id = format!("{name}-{}", digest.short());
        let _lock = self.cache.lock(&id, || self.progress.say(format!("waiting for another lab: {what}"))).await?;
        if crate::sys::fs::exists(&path) {
            return Ok(path);
        }
        self.in_turn(needs, async {
            self.announce(what);
            let scratch = self.cache.scratch(&id)?;
            let result = make(scratch.clone()).await?;
            self.cache.publish(&result, &path)?;
            self.cache.clear(&scratch)?;
            Ok(path)
        })
        .await
    }
}
