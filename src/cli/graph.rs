//! `lab graph`: the topology as a picture.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{CliError, args, output};
use crate::graph::{Graph, dot, layout, mermaid, topology};
use crate::sys::fs;

pub(super) async fn run(args: &args::Graph, interrupt: &CancellationToken) -> Result<(), CliError> {
    if let Some(file) = &args.output {
        output::refuse_unwritable(file)?;
        if fs::canonical(file) == fs::canonical(&args.scenario) {
            return Err(CliError::Usage {
                problem: format!("{} is the scenario, and the picture would take its place", file.display()),
                remedy: "name another file with -o".to_owned(),
            });
        }
    }
    let lab = output::load_file_or_lab(&args.scenario, None, args.reading, interrupt).await?;
    let form = args.format.or_else(|| form_of(args.output.as_deref()?)).unwrap_or(args::Picture::Svg);
    let text = written(&topology(&lab), form);
    output::print_to(args.output.as_deref(), &text)
}

/// The form that a file's name asks for.
fn form_of(file: &Path) -> Option<args::Picture> {
    match file.extension()?.to_str()? {
        "svg" => Some(args::Picture::Svg),
        "mmd" | "mermaid" => Some(args::Picture::Mermaid),
        "dot" | "gv" => Some(args::Picture::Dot),
        _ => None,
    }
}

/// A graph in that form.
pub(super) fn written(graph: &Graph, form: args::Picture) -> String {
    match form {
        args::Picture::Svg => layout(graph).svg(),
        args::Picture::Mermaid => mermaid(graph),
        args::Picture::Dot => dot(graph),
    }
}
