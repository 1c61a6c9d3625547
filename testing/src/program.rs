//! The program `lab`, and what it prints.

use std::ffi::{OsStr, OsString};
use std::process::{ExitStatus, Stdio};

use serde::de::DeserializeOwned;

use crate::Error;

/// What names another program than the `lab` on `PATH`.
const BINARY: &str = "LAB_BINARY";
/// A check is red, or a call is broken: that is printed as data.
const RED: i32 = 1;

fn binary() -> OsString {
    std::env::var_os(BINARY).filter(|name| !name.is_empty()).unwrap_or_else(|| "lab".into())
}

/// How it ended, and what it said as data and otherwise.
async fn ended(words: &[&OsStr]) -> Result<(ExitStatus, String, String), Error> {
    let mut command = tokio::process::Command::new(binary());
    let output = command.args(words).stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|source| Error::Program { program: binary().display().to_string(), source })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status, text(&output.stdout), text(&output.stderr)))
}

fn failed(words: &[&OsStr], status: ExitStatus, said: String) -> Error {
    let words: Vec<String> = words.iter().map(|word| word.display().to_string()).collect();
    Error::Failed { command: format!("lab {}", words.join(" ")), code: status.code(), said }
}

/// What a verb prints as JSON, red or not.
pub(crate) async fn json<T: DeserializeOwned>(words: &[&OsStr]) -> Result<T, Error> {
    let words = [words, &["--output", "json"].map(OsStr::new)].concat();
    let (status, printed, said) = ended(&words).await?;
    if !status.success() && status.code() != Some(RED) {
        return Err(failed(&words, status, said));
    }
    serde_json::from_str(&printed).map_err(|_| failed(&words, status, printed + &said))
}

/// What a command prints that ends well.
pub(crate) async fn said(words: &[&OsStr]) -> Result<String, Error> {
    let (status, printed, said) = ended(words).await?;
    if status.success() { Ok(printed) } else { Err(failed(words, status, printed + &said)) }
}

/// Runs a command that must end well.
pub(crate) async fn run(words: &[&OsStr]) -> Result<(), Error> {
    said(words).await.map(|_| ())
}

/// Runs a command where nobody can wait for it in another way: as a value is dropped. What it says of a failure is shown.
pub(crate) fn at_end(words: &[&str]) {
    match std::process::Command::new(binary()).args(words).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => eprintln!("lab {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("lab {}: {error}", words.join(" ")),
    }
}
