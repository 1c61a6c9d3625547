//! `lab completions`, and the answers to a shell that completes.

use clap::CommandFactory;
use clap_complete::env::{CompleteEnv, Shells};

use super::{Args, CliError, args, output};
use crate::sys::cache::on_path;
use crate::sys::fs::canonical;

/// What people type.
const NAME: &str = "lab";

/// The variable by which the shell's script asks.
const ASKED: &str = "COMPLETE";

/// Answers a shell that completes a command line, and ends the process then. Otherwise does nothing.
pub fn complete() {
    CompleteEnv::with_factory(Args::command).var(ASKED).complete();
}

pub(super) fn run(args: &args::Completions) -> Result<(), CliError> {
    let failed = |error| CliError::write("the completion script")(error);
    let shell = args.shell.to_string();
    let shells = Shells::builtins();
    let shell = shells.completer(&shell).ok_or_else(|| failed(std::io::Error::other(format!("no {shell}"))))?;
    // The script asks this very binary, so that one that is not on PATH completes too. One that is there is asked by its name, wherever it then is.
    let own = std::env::current_exe().map_err(failed)?;
    let is_found = on_path(NAME).first().is_some_and(|first| canonical(first) == canonical(&own));
    let asked = if is_found { NAME.into() } else { own.to_string_lossy() };
    let mut script = Vec::new();
    shell.write_registration(ASKED, NAME, NAME, &asked, &mut script).map_err(failed)?;
    output::print(&String::from_utf8_lossy(&script))
}
