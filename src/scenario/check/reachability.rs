//! The check `reachability`: it has no fields.

use super::super::form::{Fields, Record};

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawReachability;

impl Record for RawReachability {
    const ABOUT: &'static str = "A matrix of who reaches whom, and who must not, through the mesh and beside it";

    fn fields(_: &mut Fields<Self>) {}
}
