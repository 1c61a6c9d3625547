//! `lab dump`, and what `lab up` and `lab verify` do by themselves where nobody can look afterwards.

use std::path::{Path, PathBuf};

use super::{CliError, args, output};
use crate::context::LabContext;
use crate::observe::dump;
use crate::sys::fs;

pub(super) async fn run(args: args::Dump) -> Result<(), CliError> {
    let file = args.output.unwrap_or_else(|| default_file(&args.name));
    output::refuse_irreplaceable(&file)?;
    let ctx = output::open(&args.name).await?;
    write(&ctx, &file).await?;
    output::print_lines([file.display().to_string()])
}

/// In the working directory, and never that of an earlier one.
fn default_file(lab: &str) -> PathBuf {
    let now: String = output::now().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    PathBuf::from(format!("lab-dump-{lab}-{now}.tar.gz"))
}

async fn write(ctx: &LabContext, file: &Path) -> Result<(), CliError> {
    let files = dump::files(ctx).await?;
    fs::write_archive(file, &files).map_err(CliError::write(file.display()))?;
    let size = fs::size(file).div_ceil(1024);
    eprintln!(
        "wrote {} ({} files, {size} KiB); private keys, tokens and Secrets are masked",
        file.display(),
        files.len()
    );
    Ok(())
}

/// Writes an archive into the working directory if the environment says that this is continuous integration. That it cannot be written is told, and
/// changes nothing about how the run ended.
pub(super) async fn in_ci(ctx: &LabContext) {
    let is_ci = std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
    if !is_ci {
        return;
    }
    if let Err(error) = Box::pin(write(ctx, &default_file(&ctx.lab.name))).await {
        eprintln!("warning: no archive for a bug report was written: {error}");
    }
}
