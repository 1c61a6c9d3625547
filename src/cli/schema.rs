//! `lab schema`: the format of scenarios, for editors.

use super::{CliError, output};

pub(super) fn run() -> Result<(), CliError> {
    output::print_json(&crate::scenario::schema())
}
