//! Events and verdicts, told to people and to programs.

mod explanation;
mod fault;
mod federation;
mod histogram;
mod junit;
mod links;
mod machine;
mod page;
mod passage;
mod phases;
mod proof;
mod reachability;
mod soak;
mod status;
mod summary;
mod table;
mod terminal;
mod trace;
mod under_way;

pub use explanation::explanation_text;
pub use fault::faults_text;
pub use histogram::verdict_text;
pub use junit::junit;
pub use machine::{judgements_text, machine_text};
pub use page::{Page, Part, Warning, Warnings, page};
pub use passage::passage_text;
pub use phases::{PhaseTime, Timeline};
pub use proof::proof_text;
pub use soak::soak_text;
pub use status::{Watched, status_text};
pub use table::{table, table_text};
pub use terminal::{Style, follow};
pub use trace::trace_text;
