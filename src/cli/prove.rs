//! `lab prove`.

use tokio_util::sync::CancellationToken;

use super::{CliError, Output, args, change, output};
use crate::commands::prove;
use crate::exec::Events;
use crate::report::proof_text;

pub(super) async fn run(args: args::Prove, interrupt: &CancellationToken) -> Result<(), CliError> {
    let name = &args.name;
    let up = change::open(name).await?;
    let planned = prove::planned(&up.ctx, args.only.as_deref());
    if planned.is_empty() {
        let what = args.only.as_ref().map_or_else(String::new, |only| format!(" whose words contain `{only}`"));
        return Err(CliError::Usage {
            problem: format!("there is nothing to break in lab {name}{what}"),
            remedy: format!("`lab prove {name} --list` shows what there is"),
        });
    }
    if args.list {
        return output::print_lines(planned.iter().map(|b| &b.what));
    }
    let again = format!("what was broken last may still be: `lab up {name}` mends it");
    let prove = async |events: &Events| prove::run(&up, &planned, args.only.is_none(), events, interrupt).await;
    let proof = change::run(&up, "prove", &again, prove).await?;
    match args.output {
        Output::Text => output::print(&proof_text(&proof))?,
        Output::Json => output::print_json(&proof)?,
    }
    if proof.passed { Ok(()) } else { Err(CliError::Red) }
}
