//! `lab completions`, and the answers to a shell that completes.

use clap::CommandFactory;
use clap_complete::env::{CompleteEnv, Shells};

use super::{Args, CliError, args, output};

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
    // The script asks this very binary, so that one that is not on PATH completes too.
    let asked = std::env::current_exe().map_err(failed)?;
    let mut script = Vec::new();
    shell.write_registration(ASKED, "lab", "lab", &asked.to_string_lossy(), &mut script).map_err(failed)?;
    output::print(&String::from_utf8_lossy(&script))
}
