//! Scenario files: parsing with line and column, validation, and the model. No I/O.
//!
//! `tree` reads YAML with the place of every node, `raw` finds the fields in it, `validate` applies the rules. None of them stops
//! at a mistake: [`parse`] returns all of them.

mod error;
pub mod layout;
mod model;
mod problem;
mod raw;
mod read;
mod render;
mod tree;
mod validate;

pub use error::{ScenarioError, ScenarioErrors};
pub use model::{AddressRange, App, Cluster, ImageSettings, Locality, Mesh, Scenario, Topology};
pub use model::{Answers, CallerPod, Check, Expect, FailoverCheck, RequestCheck, ServiceUrl, Target, Through, Who};
pub use problem::{AddressProblem, AppProblem, CheckProblem, NameProblem, Problem, TopologyProblem};
pub use render::render;

/// Reads a scenario file. `file` is its name for messages only; nothing is read from disk.
///
/// # Errors
///
/// Everything that is wrong with it, in the order of the file.
pub fn parse(text: &str, file: &str) -> Result<Scenario, ScenarioErrors> {
    let mut problems = error::Problems::default();
    let scenario = tree::parse(text, &mut problems)
        .map(|root| raw::scenario(&root, &mut problems))
        .and_then(|raw| validate::scenario(raw, &mut problems));
    problems.into_result(scenario, text, file)
}
