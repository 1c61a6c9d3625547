//! `lab soak`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{CliError, Output, args, change, output};
use crate::commands::soak;
use crate::exec::Events;
use crate::plan::{Action, Draws};
use crate::report::soak_text;

pub(super) async fn run(args: args::Soak, interrupt: &CancellationToken) -> Result<(), CliError> {
    let up = change::open(&args.name).await?;
    change::refuse_several_meshes(&up.ctx.lab)?;
    let (name, seed) = (&args.name, args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)));
    if Draws::of(&up.ctx.lab, seed).next().is_none() {
        return Err(CliError::Usage {
            problem: format!("there is nothing to break in lab {name} that calls between clusters would tell of"),
            remedy: "name a lab whose mesh has several clusters".to_owned(),
        });
    }
    change::refuse_without_callers(&up.ctx.lab, "it has faults")?;
    if args.list {
        let faults = Draws::of(&up.ctx.lab, seed).take(LISTED);
        return output::print_lines(faults.map(|(kind, seconds)| format!("{kind}, for {seconds} s")));
    }
    eprintln!("seed {seed}: `lab soak {name} --seed {seed}` breaks the same in the same order");
    let again = format!("`lab heal {name}` ends a fault that is still there");
    let span = (seed, Duration::from_secs(args.seconds));
    let service = change::service()?;
    let soak =
        async |events: &Events| soak::run(&up, span, &service, &events.progress(&Action::Verify.id()), interrupt).await;
    let soak = change::run(&up, "soak", &again, soak).await?;
    match args.output {
        Output::Text => output::print(&soak_text(&soak))?,
        Output::Json => output::print_json(&soak)?,
    }
    if soak.interrupted {
        return Err(CliError::Interrupted { remedy: again });
    }
    if soak.passed { Ok(()) } else { Err(CliError::Red) }
}

/// How many faults are shown: those of about an hour.
const LISTED: usize = 60;
