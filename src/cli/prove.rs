//! `lab prove`.

use tokio_util::sync::CancellationToken;

use super::{CliError, args, change, output};
use crate::commands::prove;
use crate::commands::up::Up;
use crate::exec::Events;
use crate::plan::Break;
use crate::report::proof_text;

pub(super) async fn run(args: &args::Prove, interrupt: &CancellationToken) -> Result<(), CliError> {
    let name = &args.name;
    if args.list {
        return output::print_lines(planned(&change::open(name).await?, args)?.iter().map(|b| &b.what));
    }
    let locked = change::locked(name).await?;
    let (up, _) = &locked;
    let planned = planned(up, args)?;
    let again = format!("what was broken last may still be: `lab up {name}` mends it");
    let prove = async |events: &Events| prove::run(up, &planned, args.only.is_none(), events, interrupt).await;
    let proof = change::run(&locked, "prove", &again, prove).await?;
    change::tell(args.output, &proof, proof_text, proof.passed)
}

/// The breaks that are asked for.
fn planned(up: &Up, args: &args::Prove) -> Result<Vec<Break>, CliError> {
    let planned = prove::planned(&up.ctx, args.only.as_deref());
    if planned.is_empty() {
        let what = args.only.as_ref().map_or_else(String::new, |only| format!(" whose words contain `{only}`"));
        return Err(CliError::Usage {
            problem: format!("there is nothing to break in lab {}{what}", args.name),
            remedy: format!("`lab prove {} --list` shows what there is", args.name),
        });
    }
    Ok(planned)
}
