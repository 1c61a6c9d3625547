//! `lab man`: manual pages, one for each verb, made of the same text as `--help`.

use clap::CommandFactory;

use super::{Args, CliError, args, output};

pub(super) fn run(args: &args::Man) -> Result<(), CliError> {
    match &args.dir {
        None => {
            let mut page = Vec::new();
            let written = clap_mangen::Man::new(Args::command()).render(&mut page);
            written.map_err(CliError::write("the manual page"))?;
            output::print(&String::from_utf8_lossy(&page))
        }
        Some(dir) => {
            crate::sys::fs::create_dir(dir).map_err(CliError::write(dir.display()))?;
            clap_mangen::generate_to(Args::command(), dir).map_err(CliError::write(dir.display()))
        }
    }
}
