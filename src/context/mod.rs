//! What everything that touches a lab works with: below what builds it, what observes it and what verbs do.
//!
//! [`LabContext`] is what a lab is, and needs no run: its state, its engine, clients of its clusters. [`RunContext`] is that lab while a run builds it.

mod error;
pub(crate) mod files;
pub(crate) mod karmada_api;
pub(crate) mod kubeconfig;
mod lab;
pub(crate) mod nodes;
pub(crate) mod run;

pub use error::StepError;
pub use lab::{LabContext, PATIENCE};
pub use run::RunContext;

use crate::exec::Progress;
use crate::sys::kube::Listener;

/// A step's waits tell its progress.
impl Listener for Progress {
    fn say(&self, message: String) {
        Self::say(self, message);
    }
}
