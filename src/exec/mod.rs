//! Runs a plan: steps side by side as the graph allows, events out, interrupts in.

mod event;
mod scheduler;

pub use event::{Count, Event, Events, Outcome, Progress};
pub use scheduler::{Executor, Failure, Finished, execute};
