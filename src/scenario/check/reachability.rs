//! The check `reachability`: it has no fields.

use super::super::form::{Field, Record};

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawReachability;

impl Record for RawReachability {
    const TITLE: &'static str = "`reachability`";
    const ABOUT: &'static str = "A matrix of who reaches whom, and who must not, through the mesh and beside it";
    const EXAMPLE: &'static str = "{}";

    fn fields() -> Vec<Field<Self>> {
        Vec::new()
    }
}
