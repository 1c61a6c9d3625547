//! `lab completions`.

use clap::CommandFactory;

use super::{Args, CliError, args};

pub(super) fn run(args: &args::Completions) -> Result<(), CliError> {
    clap_complete::generate(args.shell, &mut Args::command(), "lab", &mut std::io::stdout());
    Ok(())
}
