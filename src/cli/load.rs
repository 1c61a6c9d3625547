//! `lab load`.

use std::time::Instant;

use super::{CliError, args, output, pause};
use crate::commands::load;

pub(super) async fn run(args: args::Load) -> Result<(), CliError> {
    let ctx = output::open_own(&args.name).await?;
    pause::refuse_paused(&ctx).await?;
    let start = Instant::now();
    let names = load::names(&ctx, &args.images).await?.map_err(|a| absent(&a))?;
    let nodes = load::load(&ctx, &names).await?;
    eprintln!(
        "{} nodes of lab {} have {} after {:.1} s; pods use it with imagePullPolicy: IfNotPresent",
        nodes.len(),
        ctx.lab.name,
        names.join(", "),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn absent(absent: &load::Absent) -> CliError {
    if absent.unknown.is_empty() {
        return CliError::Usage {
            problem: format!("{} is not an image name with a tag, so no pod could use it", absent.nameless.join(", ")),
            remedy: "tag it with `docker tag`, and load that name".to_owned(),
        };
    }
    CliError::Usage {
        problem: format!("the Docker engine has no image {}", absent.unknown.join(", ")),
        remedy: "build or pull it first; `docker images` shows what is there".to_owned(),
    }
}
