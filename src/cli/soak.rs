//! `lab soak`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{CliError, args, change, output};
use crate::commands::soak;
use crate::exec::Events;
use crate::plan::{Action, Draws, Lab};
use crate::report::soak_text;

pub(super) async fn run(args: args::Soak, interrupt: &CancellationToken) -> Result<(), CliError> {
    let (name, seed) = (&args.name, args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)));
    if args.list {
        let up = change::open(name).await?;
        let faults = draws(&up.ctx.lab, seed)?.take(LISTED);
        return output::print_lines(faults.map(|(kind, seconds)| format!("{kind}, for {seconds} s")));
    }
    let locked = change::locked(name).await?;
    let (up, _) = &locked;
    draws(&up.ctx.lab, seed)?;
    eprintln!("seed {seed}: `lab soak {name} --seed {seed}` breaks the same in the same order");
    let again = format!("`lab heal {name}` ends a fault that is still there");
    let span = (seed, Duration::from_secs(args.seconds));
    let service = change::service()?;
    let soak =
        async |events: &Events| soak::run(up, span, &service, &events.progress(&Action::Verify.id()), interrupt).await;
    let soak = change::run(&locked, "soak", &again, soak).await?;
    let told = change::tell(args.output, &soak, soak_text, soak.passed);
    if soak.interrupted { Err(CliError::Interrupted { remedy: again }) } else { told }
}

/// The faults of a seed, or why there can be none.
fn draws(lab: &Lab, seed: u64) -> Result<Draws, CliError> {
    change::refuse_several_meshes(lab)?;
    change::refuse_without_callers(lab, "it has faults")?;
    if Draws::of(lab, seed).next().is_none() {
        return Err(CliError::Usage {
            problem: format!("there is nothing to break in lab {} that calls between clusters would tell of", lab.name),
            remedy: "name a lab whose mesh has several clusters".to_owned(),
        });
    }
    Ok(Draws::of(lab, seed))
}

/// How many faults are shown: those of about an hour.
const LISTED: usize = 60;
