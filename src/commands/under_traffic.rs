//! A change of a lab while every cluster calls every other: what callers see of each phase.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::up::{Stopped, Up};
use crate::exec::Progress;
use crate::observe::steady::Steady;
use crate::observe::verify::Waits;
use crate::scenario::ServiceUrl;
use crate::verdict::{Answer, Calls, Passage, Phase};

/// How long a lab may take to be well after a phase.
const SETTLE: Duration = Duration::from_secs(60);
/// So long calls go on after the last change of a stretch, so that what it breaks late is seen.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// When a phase was.
struct Stretch {
    name: String,
    start: Instant,
    end: Instant,
    /// Whether callers called.
    called: bool,
    /// Whether gateways and apps were restarted.
    restarts: bool,
}

/// A change under way, with what callers see of it.
pub(super) struct Change<'a> {
    /// What makes the lab what its plan says.
    pub up: &'a Up,
    /// Who is told.
    pub progress: &'a Progress,
    /// What ends it.
    pub interrupt: &'a CancellationToken,
    service: &'a ServiceUrl,
    steady: Option<Steady>,
    times: Vec<Stretch>,
    seen: BTreeMap<String, Vec<(Instant, Answer)>>,
}

impl<'a> Change<'a> {
    /// Looks whether all is well, and begins to call.
    pub async fn begin(
        up: &'a Up,
        service: &'a ServiceUrl,
        progress: &'a Progress,
        interrupt: &'a CancellationToken,
    ) -> Result<Self, Stopped> {
        progress.say("looking whether all is well before anything is changed");
        up.until_well(Waits { retry: Duration::ZERO, settle: SETTLE }, progress).await?;
        Self::go_on(up, service, progress, interrupt).await
    }

    /// Begins to call, in a lab that may be in the midst of a change.
    pub async fn go_on(
        up: &'a Up,
        service: &'a ServiceUrl,
        progress: &'a Progress,
        interrupt: &'a CancellationToken,
    ) -> Result<Self, Stopped> {
        let (times, seen) = (Vec::new(), BTreeMap::new());
        let mut begun = Self { up, progress, interrupt, service, steady: None, times, seen };
        begun.call().await?;
        Ok(begun)
    }

    /// Begins to call, unless that goes on already.
    pub async fn call(&mut self) -> Result<(), Stopped> {
        if self.steady.is_none() {
            self.steady = Some(Steady::begin(&self.up.ctx, self.service).await?);
        }
        Ok(())
    }

    /// Ends the calls, and keeps what they saw.
    pub async fn hang_up(&mut self) {
        let Some(steady) = self.steady.take() else { return };
        // A call that is under way is answered within this time, or lost.
        tokio::time::sleep(AFTERWARDS).await;
        for (cluster, answers) in steady.end() {
            self.seen.entry(cluster).or_default().extend(answers);
        }
        if let Some(last) = self.times.last_mut() {
            last.end = Instant::now();
        }
    }

    /// Does one phase, and notes when it was.
    pub async fn phase(
        &mut self,
        name: impl Into<String>,
        restarts: bool,
        work: impl Future<Output = Result<(), Stopped>>,
    ) -> Result<(), Stopped> {
        let (name, start, called) = (name.into(), Instant::now(), self.steady.is_some());
        self.progress.say(&name);
        work.await?;
        self.times.push(Stretch { name, start, end: Instant::now(), called, restarts });
        Ok(())
    }

    /// Goes on only if all is well.
    pub async fn until_well(&self) -> Result<(), Stopped> {
        self.until(self.up).await
    }

    /// Goes on only if all is well with what the lab has become.
    pub async fn until(&self, up: &Up) -> Result<(), Stopped> {
        up.until_well(Waits { retry: SETTLE, settle: SETTLE }, self.progress).await.map(|_| ())
    }

    /// Ends the calls. Gives the phases with what callers saw in each.
    pub async fn end(mut self, what: &str) -> Passage {
        self.hang_up().await;
        let calls = |start: Instant, end: Instant| {
            self.seen.iter().map(move |(cluster, answers)| {
                let mut calls = Calls::default();
                for (_, answer) in answers.iter().filter(|(at, _)| start <= *at && *at < end) {
                    calls.sent += 1;
                    if let Answer::Failure(reason) = answer {
                        *calls.lost.entry(reason.clone()).or_default() += 1;
                    }
                }
                (cluster.clone(), calls)
            })
        };
        let phase = |stretch: &Stretch| Phase {
            name: stretch.name.clone(),
            restarts: stretch.restarts,
            took: (stretch.end - stretch.start).as_secs_f64(),
            calls: if stretch.called { calls(stretch.start, stretch.end).collect() } else { BTreeMap::new() },
        };
        Passage::of(&self.up.ctx.lab.name, what, self.times.iter().map(phase).collect())
    }
}
