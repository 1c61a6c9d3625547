//! `lab dump`, and what `lab up` and `lab verify` do by themselves where nobody can look afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CliError, args, output};
use crate::images::Choice;
use crate::plan::Lab;
use crate::steps::{Context, dump};
use crate::sys::docker::Engine;
use crate::sys::fs;
use crate::sys::state::State;

pub(super) async fn run(args: args::Dump) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    let engine = Engine::connect().await?;
    let ctx = Context::new(lab, engine, state, Choice::Auto, Duration::ZERO);
    let file = args.output.unwrap_or_else(|| default_file(&args.name));
    write(&ctx, &file).await?;
    output::print_lines([file.display().to_string()])
}

/// In the working directory, and never that of an earlier one.
fn default_file(lab: &str) -> PathBuf {
    let now: String = output::now().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    PathBuf::from(format!("lab-dump-{lab}-{now}.tar.gz"))
}

async fn write(ctx: &Context, file: &Path) -> Result<(), CliError> {
    let files = dump::files(ctx).await?;
    let failed = |source| CliError::Write { what: file.display().to_string(), source };
    fs::write_archive(file, &files).map_err(failed)?;
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
pub(super) async fn in_ci(ctx: &Context) {
    let is_ci = std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false"));
    if !is_ci {
        return;
    }
    if let Err(error) = Box::pin(write(ctx, &default_file(&ctx.lab.name))).await {
        eprintln!("warning: no archive for a bug report was written: {error}");
    }
}
