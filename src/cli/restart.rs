//! `lab restart`: one cluster's nodes stop, and `up` brings the lab back and judges it.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::{CliError, args, output, up};
use crate::commands::pause;

pub(super) async fn run(args: args::Restart, interrupt: &CancellationToken) -> Result<(), CliError> {
    {
        let _lock = output::lock_existing(&args.name).await?;
        let ctx = output::open(&args.name).await?;
        if ctx.lab.cluster(&args.cluster).is_none() {
            return Err(output::no_cluster(&ctx.lab, &args.cluster));
        }
        pause::stop(&ctx, &args.cluster).await?;
    }
    let up = args::Up::again(PathBuf::from(&args.name));
    Box::pin(up::run(up, interrupt)).await
}
