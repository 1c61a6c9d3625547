//! What a word is that stands where the name of a lab should.

use std::path::Path;

use super::CliError;
use super::output::scenario_file;
use crate::scenario;
use crate::sys::input;
use crate::sys::state::StateError;

/// Says of a lab that is not there that its name is a file's, where it is.
pub(super) fn told(error: StateError) -> CliError {
    let file = match &error {
        StateError::Unknown { name, .. } => refuse_file(name),
        _ => Ok(()),
    };
    file.err().unwrap_or_else(|| CliError::Before(error.into()))
}

/// Refuses a scenario file in the place of a lab's name.
pub(super) fn refuse_file(word: &str) -> Result<(), CliError> {
    let Some(file) = scenario_file(Path::new(word)).filter(|file| crate::sys::fs::is_file(file)) else { return Ok(()) };
    let text = input::read(&file, input::FILE_LIMIT).ok().and_then(|bytes| scenario::decode(bytes).ok());
    Err(CliError::Usage {
        problem: format!("{word} is a file, and this command takes the name of a lab"),
        remedy: match text.and_then(|text| scenario::lab_name(&text)) {
            Some(name) => format!("its lab is named {name}, unless it was brought up with --name"),
            None => "`lab list` shows the names of the labs that there are".to_owned(),
        },
    })
}
