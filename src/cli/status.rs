//! `lab status`.

use std::io::IsTerminal;
use std::time::Duration;

use super::{CliError, Output, args, output};
use crate::context::LabContext;
use crate::observe::status;
use crate::report::{Watched, status_text};

/// How often a lab is looked at that is watched. It is many things of which not all can be watched, so it is asked for all of them.
const OFTEN: Duration = Duration::from_secs(2);

/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

pub(super) async fn run(args: &args::Status) -> Result<(), CliError> {
    let ctx = output::open(&args.name).await?;
    if args.watch {
        return watch(&ctx, args.output).await;
    }
    let status = status::look(&ctx).await?;
    match args.output {
        Output::Json => output::print_json(&status),
        Output::Text => output::print(&status_text(&status)),
    }
}

/// Looks again and again, and shows what has changed, until nobody reads it.
async fn watch(ctx: &LabContext, form: Output) -> Result<(), CliError> {
    let live = std::io::stdout().is_terminal();
    let mut watched: Option<Watched> = None;
    let mut tick = tokio::time::interval(OFTEN);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let status = status::look(ctx).await?;
        let is_first = watched.is_none();
        let lines = watched.get_or_insert_default().look(&status);
        if lines.is_empty() {
            continue;
        }
        let text = match (form, is_first) {
            (Output::Json, _) => output::json_line(&status)?,
            (Output::Text, _) if live => format!("{CLEAR}{}", status_text(&status)),
            (Output::Text, true) => format!("{}\n", status_text(&status)),
            (Output::Text, false) => {
                let now = output::now();
                lines.iter().flat_map(|line| [now.as_str(), " ", line, "\n"]).collect()
            }
        };
        if !output::print_while_read(&text)? {
            return Ok(());
        }
    }
}
