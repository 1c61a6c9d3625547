//! `lab completions`.

use clap::CommandFactory;

use super::{Args, CliError, args, output};

pub(super) fn run(args: &args::Completions) -> Result<(), CliError> {
    // Into memory first: the generator panics when the reader of standard output has gone away.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "lab", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
