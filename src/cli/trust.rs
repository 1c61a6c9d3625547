//! Why an archive from elsewhere is taken for what it says it is.

use std::path::Path;

use clap::Args as ClapArgs;

use super::CliError;
use crate::context::StepError;
use crate::images::{self, Trust};

/// The flags of that.
#[derive(Debug, ClapArgs)]
pub struct Trusted {
    /// Its SHA-256, as the export printed it; otherwise it is read from FILE.sha256
    #[arg(long, value_name = "DIGEST", value_parser = sha256, conflicts_with = "trust")]
    pub sha256: Option<String>,
    /// Load it without a checksum: nobody else could have changed it
    #[arg(long)]
    pub trust: bool,
}

fn sha256(word: &str) -> Result<String, String> {
    if images::is_sum(word) {
        return Ok(word.to_owned());
    }
    Err("a SHA-256 is 64 hexadecimal digits, as the export printed them".to_owned())
}

impl Trusted {
    /// What the flags, or a file beside the archive, say of it.
    pub(super) fn of(&self, file: &Path) -> Result<Trust, CliError> {
        if self.trust {
            return Ok(Trust::Given);
        }
        let beside = || images::checksum_beside(file).map_err(StepError::from);
        let sum = match &self.sha256 {
            Some(sum) => Some(sum.clone()),
            None => beside()?,
        };
        sum.map(Trust::Sum).ok_or_else(|| CliError::Usage {
            problem: format!("there is no checksum to check {} against", file.display()),
            remedy: format!(
                "give the SHA-256 that the export printed with --sha256, or write it into {}.sha256; --trust loads it without",
                file.display()
            ),
        })
    }
}
