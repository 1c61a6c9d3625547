//! `lab restart`: one cluster's nodes stop, and `up` brings the lab back and judges it.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::{CliError, args, up};
use crate::commands::pause;
use crate::context::LabContext;
use crate::plan::Lab;
use crate::sys::docker::Engine;
use crate::sys::state::State;

pub(super) async fn run(args: args::Restart, interrupt: &CancellationToken) -> Result<(), CliError> {
    let root = State::open()?;
    let state = root.existing(&args.name)?;
    let lab: Lab = state.load()?;
    if lab.cluster(&args.cluster).is_none() {
        return Err(super::output::no_cluster(&lab, &args.cluster));
    }
    {
        let _lock = super::output::lock(&root, &args.name).await?;
        let ctx = LabContext::new(lab, Engine::connect().await?, state);
        pause::stop(&ctx, &args.cluster).await?;
    }
    let up = args::Up::again(PathBuf::from(&args.name));
    Box::pin(up::run(up, interrupt)).await
}
