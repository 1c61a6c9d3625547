//! The jobs of a workshop: which are left, which are under way, and how long the rest will take. Pure: whoever asks says what time it is.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exec::Count;

/// Jobs that wait for the network, side by side at most.
pub(super) const DOWNLOADS: u32 = 4;

/// What a job mostly needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// A processor.
    Processor,
    /// A processor, by a turn that is held already.
    Held,
    /// The network.
    Network,
}

/// A job that is known of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// What it does, as people are told it; no two jobs do the same.
    pub what: String,
    /// What it mostly needs.
    pub needs: Needs,
    /// What is done one after the other has this in common.
    pub queue: Option<String>,
}

impl Job {
    /// A job that others do not wait for.
    pub fn new(what: impl Into<String>, needs: Needs) -> Self {
        Self { what: what.into(), needs, queue: None }
    }

    /// The same, as one of a queue.
    pub fn of_queue(self, queue: &str) -> Self {
        Self { queue: Some(queue.to_owned()), ..self }
    }
}

/// All jobs of a workshop.
#[derive(Debug)]
pub(super) struct Jobs {
    /// Jobs that need a processor, side by side at most.
    processors: u32,
    /// Seconds that each takes, from earlier runs or a table.
    usual: BTreeMap<String, f64>,
    waiting: Vec<Job>,
    /// With the time at which each began.
    running: Vec<(Job, Duration)>,
    done: usize,
    /// Seconds that those took that are done, and what was usual for them.
    took: (f64, f64),
}

/// Less than this is no measure of how fast a machine is.
const MEASURE: f64 = 5.0;

impl Jobs {
    /// No jobs yet, on a machine with so many processors, where each kind of job takes as long as told.
    pub fn new(processors: u32, usual: BTreeMap<String, f64>) -> Self {
        Self {
            processors: processors.max(1),
            usual,
            waiting: Vec::new(),
            running: Vec::new(),
            done: 0,
            took: (0.0, 0.0),
        }
    }

    /// Adds jobs to come.
    pub fn expect(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.waiting.extend(jobs);
    }

    /// Takes back a job that somebody else has done.
    pub fn spare(&mut self, what: &str) {
        self.waiting.retain(|job| job.what != what);
    }

    /// A job begins.
    pub fn begin(&mut self, what: &str, needs: Needs, now: Duration) {
        let expected = self.waiting.iter().position(|job| job.what == what).map(|at| self.waiting.remove(at));
        self.running.push((expected.unwrap_or_else(|| Job::new(what, needs)), now));
    }

    /// A job ended, well or not. Gives what is usual for it from now on, in seconds, if it ended well.
    pub fn end(&mut self, what: &str, well: bool, now: Duration) -> Option<f64> {
        let at = self.running.iter().position(|(job, _)| job.what == what)?;
        let (_, began) = self.running.remove(at);
        if !well {
            return None;
        }
        self.done += 1;
        let took = now.saturating_sub(began).as_secs_f64();
        let Some(usual) = self.usual.get(what).copied() else {
            return Some(took);
        };
        self.took = (self.took.0 + took, self.took.1 + usual);
        // Half of the way: what Go's cache spared this time it need not spare the next.
        Some(f64::midpoint(usual, took))
    }

    /// How far all this is.
    pub fn count(&self, now: Duration) -> Count {
        let running = self.running.iter().map(|(job, began)| (job.what.clone(), now.saturating_sub(*began)));
        Count {
            done: self.done,
            total: self.done + self.running.len() + self.waiting.len(),
            running: running.collect(),
            left: self.left(now),
        }
    }

    /// How long the rest takes: the work by the turns that there are for it, or the longest queue, whichever is more.
    fn left(&self, now: Duration) -> Option<Duration> {
        // What is not known takes as long as the mean of what is.
        let mean = self.mean()?;
        let pace = self.pace();
        let whole = |job: &Job| self.usual.get(&job.what).copied().unwrap_or(mean) * pace;
        let rest = |job: &Job, began: Duration| {
            let age = now.saturating_sub(began).as_secs_f64();
            // What takes longer than it should is not known to be about to end.
            (whole(job) - age).max(age * LATE)
        };
        let running = self.running.iter().map(|(job, began)| (job, rest(job, *began)));
        let mut work = BTreeMap::new();
        let mut turns = [(0.0, self.processors), (0.0, DOWNLOADS)];
        for (job, seconds) in running.chain(self.waiting.iter().map(|job| (job, whole(job)))) {
            turns[usize::from(job.needs == Needs::Network)].0 += seconds;
            *work.entry(job.queue.as_deref().unwrap_or(&job.what)).or_insert(0.0) += seconds;
        }
        let by_turns = turns.into_iter().map(|(seconds, turns)| seconds / f64::from(turns));
        let most = by_turns.chain(work.into_values()).fold(0.0, f64::max);
        Some(Duration::from_secs_f64(most))
    }

    /// How long those usually take that are left and known; `None` if none is.
    fn mean(&self) -> Option<f64> {
        let left = self.waiting.iter().chain(self.running.iter().map(|(job, _)| job));
        let known = left.filter_map(|job| self.usual.get(&job.what));
        let (seconds, jobs) = known.fold((0.0, 0), |(seconds, jobs), usual| (seconds + usual, jobs + 1));
        (jobs > 0).then(|| seconds / f64::from(jobs))
    }

    /// How much longer than usual jobs take here and now.
    fn pace(&self) -> f64 {
        let (took, usual) = self.took;
        if usual < MEASURE { 1.0 } else { (took / usual).clamp(0.1, 10.0) }
    }
}

/// Of its age, what a job that is late is taken to need yet.
const LATE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn jobs(processors: u32, usual: &[(&str, f64)]) -> Jobs {
        Jobs::new(processors, usual.iter().map(|(what, seconds)| ((*what).to_owned(), *seconds)).collect())
    }

    fn work(what: &str) -> Job {
        Job::new(what, Needs::Processor)
    }

    #[test]
    fn what_is_done_under_way_and_left_is_counted() {
        let mut jobs = jobs(2, &[]);
        jobs.expect(["a", "b", "c", "there"].map(work));
        jobs.spare("there");
        jobs.begin("a", Needs::Processor, s(0));
        jobs.begin("not expected", Needs::Network, s(10));
        assert_eq!(jobs.end("a", true, s(30)), Some(30.0));
        let count = jobs.count(s(40));
        assert_eq!((count.done, count.total), (1, 4));
        assert_eq!(count.running, [("not expected".to_owned(), s(30))]);
        // Nothing is known of any.
        assert_eq!(count.left, None);
    }

    #[test]
    fn what_broke_is_neither_done_nor_learned_from() {
        let mut jobs = jobs(2, &[("a", 10.0)]);
        jobs.begin("a", Needs::Processor, s(0));
        assert_eq!(jobs.end("a", false, s(3)), None);
        assert_eq!(jobs.count(s(3)), Count::default());
    }

    #[test]
    fn work_is_shared_by_processors_and_downloads_go_beside() {
        let mut jobs = jobs(2, &[("a", 100.0), ("b", 60.0), ("c", 40.0), ("d", 80.0)]);
        jobs.expect(["a", "b", "c"].map(work));
        jobs.expect([Job::new("d", Needs::Network)]);
        assert_eq!(jobs.count(s(0)).left, Some(s(100)));
        jobs.begin("a", Needs::Processor, s(0));
        jobs.begin("b", Needs::Processor, s(0));
        assert_eq!(jobs.count(s(40)).left, Some(s(80)), "d has not begun");
        jobs.begin("d", Needs::Network, s(40));
        jobs.end("b", true, s(60));
        assert_eq!(jobs.count(s(60)).left, Some(s(60)));
    }

    #[test]
    fn a_queue_is_as_long_as_all_that_is_in_it() {
        let mut jobs = jobs(16, &[("a", 100.0), ("b", 60.0), ("c", 70.0)]);
        jobs.expect(["a", "b"].map(|what| work(what).of_queue("kubernetes")));
        jobs.expect([work("c")]);
        assert_eq!(jobs.count(s(0)).left, Some(s(160)));
        jobs.begin("a", Needs::Processor, s(0));
        assert_eq!(jobs.count(s(50)).left, Some(s(110)));
    }

    #[test]
    fn the_rest_goes_at_the_pace_of_what_is_done() {
        let mut jobs = jobs(1, &[("a", 20.0), ("b", 60.0)]);
        jobs.expect(["a", "b"].map(work));
        jobs.begin("a", Needs::Processor, s(0));
        assert_eq!(jobs.end("a", true, s(40)), Some(30.0), "half of the way to what it took");
        assert_eq!(jobs.count(s(40)).left, Some(s(120)));
    }

    #[test]
    fn what_is_not_known_takes_as_long_as_the_others() {
        let mut jobs = jobs(1, &[("a", 20.0), ("b", 60.0)]);
        jobs.expect(["a", "b", "new"].map(work));
        assert_eq!(jobs.count(s(0)).left, Some(s(120)));
    }

    #[test]
    fn what_is_late_is_never_said_to_be_at_its_end() {
        let mut jobs = jobs(1, &[("a", 20.0)]);
        jobs.begin("a", Needs::Processor, s(0));
        assert_eq!(jobs.count(s(19)).left, Some(Duration::from_millis(1900)));
        assert_eq!(jobs.count(s(200)).left, Some(s(20)));
    }
}
