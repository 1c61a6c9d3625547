//! `lab docs`: the generated pages of the documentation, for those who change lab.

use clap::CommandFactory;

use super::{Args, CliError, args};
use crate::{reference, scenario};

pub(super) fn run(args: &args::Docs) -> Result<(), CliError> {
    let to = args.dir.display();
    crate::sys::fs::create_dir(&args.dir).map_err(CliError::write(&to))?;
    let pages = [
        ("scenario.md", reference::scenario(&scenario::schema())),
        ("commands.md", reference::commands(Args::command())),
    ];
    for (name, page) in pages {
        crate::sys::fs::write(&args.dir.join(name), &page).map_err(CliError::write(&to))?;
    }
    Ok(())
}
