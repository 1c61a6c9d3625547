//! Who is told what happens.

use std::time::Instant;

use tokio::sync::mpsc;

use super::event::{DevEvent, Failure, Happened};

/// Sends events, with their time since the edit that began the round.
#[derive(Clone, Debug)]
pub struct Tell {
    events: mpsc::UnboundedSender<DevEvent>,
    edited: Instant,
}

impl Tell {
    /// One whose rounds begin with the next [`Self::begin`].
    #[must_use]
    pub fn new(events: mpsc::UnboundedSender<DevEvent>) -> Self {
        Self { events, edited: Instant::now() }
    }

    /// From now on times are counted from this edit.
    pub fn begin(&mut self, edited: Instant) {
        self.edited = edited;
    }

    /// Tells an event. That nobody listens any more matters to nobody here.
    pub fn send(&self, event: DevEvent) {
        let seconds = self.edited.elapsed().as_secs_f64();
        let after = (event.event != Happened::Log).then_some((seconds * 1000.0).round() / 1000.0);
        let _ = self.events.send(DevEvent { after, ..event });
    }

    /// Tells that a round has failed.
    pub fn failed(&self, failure: &Failure) {
        self.send(DevEvent {
            phase: Some(failure.phase),
            problem: Some(failure.problem.clone()),
            remedy: Some(failure.remedy.clone()),
            ..DevEvent::of(Happened::Failed)
        });
    }

    /// Tells a line that a build printed.
    pub(super) fn printed(&self, line: &str) {
        self.send(DevEvent { line: Some(line.to_owned()), ..DevEvent::of(Happened::Printed) });
    }
}
