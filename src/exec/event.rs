//! What happens during a run, as one linear stream. Reporters fold it; nothing else tells a user about progress.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::plan::StepId;

/// One thing that happened. Times are measured from the start of the run.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The graph that is about to run.
    Planned {
        /// Each step's identifier and title, in the plan's order.
        steps: Vec<(StepId, String)>,
    },
    /// A fact that the user should know, such as where the images come from.
    Note {
        /// One line without a final full stop.
        message: String,
    },
    /// A step began.
    StepStarted {
        /// Which step.
        step: StepId,
        /// When, since the start of the run.
        at: Duration,
    },
    /// A step tells what it does now or what it waits for.
    StepProgress {
        /// Which step.
        step: StepId,
        /// One line.
        message: String,
    },
    /// A step that is many jobs tells how far it is.
    StepCount {
        /// Which step.
        step: StepId,
        /// How far.
        count: Count,
    },
    /// A step ended.
    StepFinished {
        /// Which step.
        step: StepId,
        /// How it ended.
        outcome: Outcome,
        /// When it began, since the start of the run.
        started: Duration,
        /// How long it took.
        took: Duration,
    },
}

/// How far a step is that is many jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// Jobs that are done.
    pub done: usize,
    /// All jobs that are known of.
    pub total: usize,
    /// Those under way, the oldest first: what is done, and for how long by now.
    pub running: Vec<(String, Duration)>,
    /// How long all the rest will take, as far as that can be guessed.
    pub left: Option<Duration>,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It changed something.
    Done,
    /// Everything was as it should be already.
    Unchanged,
    /// It failed; the text is the error with its causes.
    Failed(String),
    /// It was stopped by an interrupt, or because another step failed.
    Cancelled,
}

/// The sending half of the stream. Sending never blocks and never fails: a reporter that is gone loses nothing that matters.
#[derive(Clone, Debug)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A stream and its receiving half.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends one event.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Sends a [`Event::Note`].
    pub fn note(&self, message: impl Into<String>) {
        self.send(Event::Note { message: message.into() });
    }

    /// A handle by which one step tells its progress.
    #[must_use]
    pub fn progress(&self, step: &StepId) -> Progress {
        Progress { events: self.clone(), step: step.clone() }
    }
}

/// By this a step tells what it does now.
#[derive(Clone, Debug)]
pub struct Progress {
    events: Events,
    step: StepId,
}

impl Progress {
    /// Tells what the step does or waits for now, in one line.
    pub fn say(&self, message: impl Into<String>) {
        self.events.send(Event::StepProgress { step: self.step.clone(), message: message.into() });
    }

    /// Tells how far the step is, which is many jobs.
    pub fn count(&self, count: Count) {
        self.events.send(Event::StepCount { step: self.step.clone(), count });
    }

    /// Tells a fact that outlives the step, such as which image source is used.
    pub fn note(&self, message: impl Into<String>) {
        self.events.note(message);
    }
}
