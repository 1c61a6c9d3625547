//! `lab self-check`.

use super::{CliError, Output, args, output};
use crate::machine::self_check;
use crate::report::judgements_text;
use crate::verdict::Level;

pub(super) async fn run(args: &args::Version) -> Result<(), CliError> {
    let binary = std::env::current_exe().map_err(CliError::write("the path of this program"))?;
    let judged = self_check::look(&binary).await;
    let whole = judged.iter().all(|j| j.level != Level::Failure);
    match args.output {
        Output::Json => output::print_json(&judged)?,
        Output::Text => {
            let sentence = if whole { "whole" } else { "not whole" };
            let text = judgements_text(&judged);
            output::print(&format!("{text}\nthe installation {} is {sentence}\n", binary.display()))?;
        }
    }
    if whole { Ok(()) } else { Err(CliError::Unfit) }
}
