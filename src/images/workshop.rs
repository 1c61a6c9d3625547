//! What all building shares: the cache, the engine, the turns on the processors, and the count of what is left.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::digest::Digest;
use super::digests::Digests;
use super::error::ImagesError;
use super::stack::Stack;
use crate::exec::Progress;
use crate::sys::cache::Cache;
use crate::sys::docker::Engine;

/// Shared by everything that builds.
pub(super) struct Workshop<'a> {
    pub stack: &'a Stack,
    pub digests: &'a Digests,
    pub cache: &'a Cache,
    pub engine: &'a Engine,
    pub progress: &'a Progress,
    /// Turns for what needs a processor.
    processors: Semaphore,
    /// Turns for what waits for the network.
    downloads: Semaphore,
    jobs: Mutex<Jobs>,
}

/// What is under way, for the user.
#[derive(Debug, Default)]
struct Jobs {
    running: Vec<String>,
    begun: usize,
    total: usize,
}

impl Jobs {
    fn line(&self) -> String {
        format!("{} ({} of {})", self.running.join(", "), self.begun, self.total.max(self.begun))
    }
}

/// A job under way, until it is dropped.
pub(super) struct Job<'a> {
    jobs: &'a Mutex<Jobs>,
    progress: &'a Progress,
    what: String,
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        let mut jobs = locked(self.jobs);
        if let Some(at) = jobs.running.iter().position(|what| *what == self.what) {
            jobs.running.remove(at);
        }
        if !jobs.running.is_empty() {
            self.progress.say(jobs.line());
        }
    }
}

/// Nothing that holds the lock can leave the list half-changed, whatever becomes of it.
fn locked(jobs: &Mutex<Jobs>) -> MutexGuard<'_, Jobs> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner)
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
        engine: &'a Engine,
        progress: &'a Progress,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            stack,
            digests,
            cache,
            engine,
            progress,
            processors: Semaphore::new(cores),
            downloads: Semaphore::new(DOWNLOADS),
            jobs: Mutex::default(),
        }
    }

    /// Adds to the number of jobs that progress is counted against.
    pub fn expect(&self, jobs: usize) {
        locked(&self.jobs).total += jobs;
    }

    /// Tells that a job begins, and keeps it among those that are told to be under way while the answer lives.
    #[must_use]
    pub fn begin(&self, what: impl Into<String>) -> Job<'_> {
        let what = what.into();
        let mut jobs = locked(&self.jobs);
        jobs.running.push(what.clone());
        jobs.begun += 1;
        self.progress.say(jobs.line());
        Job { jobs: &self.jobs, progress: self.progress, what }
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
            let _job = self.begin(what);
            let scratch = self.cache.scratch(&id)?;
            let result = make(scratch.clone()).await?;
            self.cache.publish(&result, &path)?;
            self.cache.clear(&scratch)?;
            Ok(path)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_under_way_is_told() {
        let mut jobs = Jobs { total: 3, ..Jobs::default() };
        jobs.running.push("building a".into());
        jobs.begun = 1;
        assert_eq!(jobs.line(), "building a (1 of 3)");
        jobs.running.push("building b".into());
        jobs.begun = 2;
        assert_eq!(jobs.line(), "building a, building b (2 of 3)");
    }
}
