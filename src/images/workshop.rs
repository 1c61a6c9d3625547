//! What all building shares: the cache, the engine, the turns on the processors, and what is left to do.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::digest::Digest;
use super::digests::Digests;
use super::error::ImagesError;
use super::jobs::{DOWNLOADS, Jobs};
pub(super) use super::jobs::{Job, Needs};
use super::stack::Stack;
use super::tree::Tree;
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
    start: Instant,
    jobs: Mutex<Jobs>,
}

/// A job under way, until it is dropped.
struct UnderWay<'a> {
    shop: &'a Workshop<'a>,
    what: &'a str,
    well: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let now = self.shop.start.elapsed();
        let usual = locked(&self.shop.jobs).end(self.what, self.well, now);
        if let Some(usual) = usual {
            self.shop.learn(self.what, usual);
        }
        self.shop.tell();
    }
}

/// Nothing that holds the lock can leave the list half-changed, whatever becomes of it.
fn locked(jobs: &Mutex<Jobs>) -> MutexGuard<'_, Jobs> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds that each job takes, in the cache.
const DURATIONS: &str = "durations.json";

/// Seconds that each job took on the machine of those who make lab, in `stack/`: what is guessed until a machine knows better.
const FIRST_GUESS: &str = "durations.yaml";

/// How often it is told how far all is while a job takes long.
const TOLD: Duration = Duration::from_secs(10);

impl<'a> Workshop<'a> {
    pub fn new(
        stack: &'a Stack,
        digests: &'a Digests,
        cache: &'a Cache,
        engine: &'a Engine,
        progress: &'a Progress,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let turns = u32::try_from(cores).unwrap_or(u32::MAX);
        Self {
            stack,
            digests,
            cache,
            engine,
            progress,
            processors: Semaphore::new(cores),
            downloads: Semaphore::new(DOWNLOADS as usize),
            start: Instant::now(),
            jobs: Mutex::new(Jobs::new(turns, usual(cache))),
        }
    }

    /// Tells of jobs to come.
    pub fn expect(&self, jobs: impl IntoIterator<Item = Job>) {
        locked(&self.jobs).expect(jobs);
    }

    /// Takes back a job that there is nothing to do for.
    pub fn spare(&self, what: &str) {
        locked(&self.jobs).spare(what);
    }

    /// A turn for as long as it is held. The semaphores are never closed; without a permit a job would merely run at once.
    pub async fn turn(&self, needs: Needs) -> Option<SemaphorePermit<'_>> {
        match needs {
            Needs::Processor => self.processors.acquire().await.ok(),
            Needs::Network => self.downloads.acquire().await.ok(),
            Needs::Held => None,
        }
    }

    /// Does a job when it is its turn, and tells how far all is as long as it takes.
    pub async fn job<T, E>(&self, what: &str, needs: Needs, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let _turn = self.turn(needs).await;
        locked(&self.jobs).begin(what, needs, self.start.elapsed());
        let mut under_way = UnderWay { shop: self, what, well: false };
        self.tell();
        let mut work = pin!(work);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                () = tokio::time::sleep(TOLD) => self.tell(),
            }
        };
        under_way.well = result.is_ok();
        result
    }

    fn tell(&self) {
        let count = locked(&self.jobs).count(self.start.elapsed());
        self.progress.count(count);
    }

    /// Remembers how long a job takes, for the next one who waits for it.
    fn learn(&self, what: &str, seconds: f64) {
        // Others may have written to it meanwhile; and without it the next guess is the last one.
        let mut learned: BTreeMap<String, f64> = self.cache.read_json(DURATIONS).unwrap_or_default();
        learned.insert(what.to_owned(), (seconds * 10.0).round() / 10.0);
        let _ = self.cache.write_json(DURATIONS, &learned);
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
            self.spare(what);
            return Ok(path);
        }
        self.job(what, needs, async {
            let scratch = self.cache.scratch(&id)?;
            let result = make(scratch.clone()).await?;
            self.cache.publish(&result, &path)?;
            self.cache.clear(&scratch)?;
            Ok(path)
        })
        .await
    }
}

/// How long each job takes: as this machine has learned, or else as the stack says.
fn usual(cache: &Cache) -> BTreeMap<String, f64> {
    let mut usual = first_guess().unwrap_or_default();
    usual.extend(cache.read_json::<BTreeMap<String, f64>>(DURATIONS).unwrap_or_default());
    usual
}

fn first_guess() -> Option<BTreeMap<String, f64>> {
    serde_yaml::from_str(Tree::embedded().text(FIRST_GUESS)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Event, Events};
    use crate::plan::StepId;
    use crate::sys::cache::temporary;

    #[tokio::test]
    async fn a_job_is_told_of_and_learned_from() {
        let (_dir, cache) = temporary();
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let (digests, engine) = (Digests::of(&stack), Engine::none().expect("no engine"));
        let (events, mut receiver) = Events::channel();
        let progress = events.progress(&StepId("images".to_owned()));
        let shop = Workshop::new(&stack, &digests, &cache, &engine, &progress);
        shop.expect(["one", "other"].map(|what| Job::new(what, Needs::Network)));
        let done: Result<(), ()> = shop.job("one", Needs::Network, async { Ok(()) }).await;
        let broken: Result<(), ()> = shop.job("other", Needs::Network, async { Err(()) }).await;
        assert!(done.is_ok() && broken.is_err());
        let mut told = Vec::new();
        while let Ok(Event::StepCount { count, .. }) = receiver.try_recv() {
            told.push((count.done, count.running.len(), count.total));
        }
        assert_eq!(told, [(0, 1, 2), (1, 0, 2), (1, 1, 2), (1, 0, 1)]);
        let learned: BTreeMap<String, f64> = cache.read_json(DURATIONS).expect("what was learned");
        assert_eq!(learned.into_keys().collect::<Vec<_>>(), ["one"]);
    }

    #[tokio::test]
    async fn who_holds_a_turn_needs_no_other() {
        let (_dir, cache) = temporary();
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let (digests, engine) = (Digests::of(&stack), Engine::none().expect("no engine"));
        let progress = Events::channel().0.progress(&StepId("images".to_owned()));
        let shop = Workshop::new(&stack, &digests, &cache, &engine, &progress);
        let mut turns = Vec::new();
        while let Ok(turn) = shop.processors.try_acquire() {
            turns.push(turn);
        }
        let waits = async |needs| {
            let job = shop.job("job", needs, async { Ok::<(), ()>(()) });
            tokio::time::timeout(Duration::from_millis(50), job).await.is_err()
        };
        assert!(waits(Needs::Processor).await);
        assert!(!waits(Needs::Held).await && !waits(Needs::Network).await);
    }

    #[test]
    fn the_first_guess_is_of_jobs_that_there_are() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let guess = first_guess().expect("durations.yaml is valid");
        let go = stack
            .go
            .iter()
            .flat_map(|(module, m)| m.binaries.keys().map(move |b| super::super::go::building(module, b)));
        // What takes longest is in it, and nothing of Go is in it that is not built.
        let go: std::collections::BTreeSet<String> = go.collect();
        assert!(guess.keys().filter(|what| what.starts_with("building ")).all(|what| go.contains(what)), "{guess:?}");
        let without: Vec<_> = go.iter().filter(|what| !guess.contains_key(*what)).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
