//! `lab version`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{CliError, Output, args, output};
use crate::context::StepError;
use crate::images::{self, Identity};

/// The commit that `./dev release` built; nothing for a binary that was built in another way.
const COMMIT: Option<&str> = option_env!("LAB_COMMIT");

/// What of lab runs here.
#[derive(Serialize, JsonSchema)]
pub(super) struct Version {
    /// Version of lab.
    #[serde(rename = "version")]
    lab: &'static str,
    /// The commit that it was released from; nothing for a binary that was built in another way.
    commit: Option<&'static str>,
    /// What its labs are made of.
    stack: Identity,
}

pub(super) fn run(args: &args::Version) -> Result<(), CliError> {
    let stack = images::identity().map_err(StepError::from)?;
    let version = Version { lab: env!("CARGO_PKG_VERSION"), commit: COMMIT, stack };
    match args.output {
        Output::Json => output::print_json(&version),
        Output::Text => output::print(&text(&version)),
    }
}

fn text(version: &Version) -> String {
    let Version { lab, commit, stack } = version;
    let commit = commit.unwrap_or("unknown: not a release");
    format!(
        "lab         {lab}\ncommit      {commit}\nstack       {}\nKubernetes  {}\nIstio       {}\nkind        {}\n",
        stack.digest, stack.kubernetes, stack.istio, stack.kind
    )
}
