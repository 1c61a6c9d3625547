//! `lab explain`.

use std::time::Duration;

use super::{CliError, Output, args, output};
use crate::images::Choice;
use crate::plan::Lab;
use crate::report::explanation_text;
use crate::scenario::ServiceUrl;
use crate::steps::{Context, explain};
use crate::sys::docker::Engine;
use crate::sys::state::State;

pub(super) async fn run(args: args::Explain) -> Result<(), CliError> {
    let service: ServiceUrl = args.service.parse().map_err(|reason| CliError::Usage {
        problem: format!("--service {}: it {reason}", args.service),
        remedy: "write SERVICE.NAMESPACE:PORT/PATH, such as helloworld.sample:5000/hello".to_owned(),
    })?;
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    if !lab.has_mesh() {
        return Err(CliError::Usage {
            problem: format!("lab {} has no mesh, and explain follows a call through one", lab.name),
            remedy: format!("`lab verify {}` judges what it has", lab.name),
        });
    }
    for cluster in [&args.from, &args.to] {
        if !lab.data_clusters().any(|c| &c.name == cluster) {
            let names: Vec<&str> = lab.data_clusters().map(|c| c.name.as_str()).collect();
            return Err(CliError::Usage {
                problem: format!("the mesh of lab {} has no cluster {cluster}", lab.name),
                remedy: format!("its clusters are {}", names.join(", ")),
            });
        }
    }
    let engine = Engine::connect().await?;
    let ctx = Context::new(lab, engine, state, Choice::Auto, Duration::ZERO);
    let explanation = explain::run(&ctx, &args.from, &args.to, &service).await?;
    match args.output {
        Output::Text => output::print(&explanation_text(&explanation))?,
        Output::Json => output::print_json(&explanation)?,
    }
    if explanation.finding().is_none() { Ok(()) } else { Err(CliError::Red) }
}
