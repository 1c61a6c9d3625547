//! `lab explain`.

use super::{CliError, Output, args, calls, output};
use crate::context::LabContext;
use crate::observe::explain;
use crate::plan::Lab;
use crate::report::explanation_text;
use crate::sys::docker::Engine;
use crate::sys::state::State;

pub(super) async fn run(args: args::Explain) -> Result<(), CliError> {
    let (to, port) = target(&args.to)?;
    let mut service = calls::service(&args.service, "--service ")?;
    let caller = calls::caller(&args.caller)?;
    service.port = port.unwrap_or(service.port);
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    if !lab.has_mesh() {
        return Err(CliError::Usage {
            problem: format!("lab {} has no mesh, and explain follows a call through one", lab.name),
            remedy: format!("`lab verify {}` checks what it has", lab.name),
        });
    }
    for cluster in [args.from.as_str(), to] {
        if !lab.data_clusters().any(|c| c.name == cluster) {
            return Err(output::no_mesh_cluster(&lab, cluster));
        }
    }
    if let (Some(one), Some(other)) = (lab.cluster(&args.from), lab.cluster(to))
        && !one.is_meshed_with(other)
    {
        return Err(CliError::Usage {
            problem: format!(
                "{} and {} are in different meshes, so neither knows the other's services",
                one.name, other.name
            ),
            remedy: format!(
                "name a cluster of mesh {}, or see what a call by a ServiceEntry comes to with `lab verify {}`",
                lab.mesh_id(one),
                lab.name
            ),
        });
    }
    let ctx = LabContext::new(lab, Engine::connect().await?, state);
    let explanation = explain::run(&ctx, (&args.from, &caller), to, &service).await?;
    match args.output {
        Output::Text => output::print(&explanation_text(&explanation))?,
        Output::Json => output::print_json(&explanation)?,
    }
    if explanation.finding().is_none() { Ok(()) } else { Err(CliError::Red) }
}

/// `CLUSTER` or `CLUSTER:PORT`.
fn target(to: &str) -> Result<(&str, Option<u16>), CliError> {
    let Some((cluster, port)) = to.split_once(':') else { return Ok((to, None)) };
    match port.parse() {
        Ok(port @ 1..) => Ok((cluster, Some(port))),
        _ => Err(CliError::Usage {
            problem: format!("{to}: {port} is not a port"),
            remedy: format!("write a number from 1 to 65535, such as {cluster}:5000, or {cluster} alone"),
        }),
    }
}
