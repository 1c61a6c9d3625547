//! `lab explain`.

use super::{CliError, Output, args, calls, output};
use crate::context::LabContext;
use crate::observe::explain;
use crate::plan::Lab;
use crate::report::explanation_text;
use crate::sys::docker::Engine;
use crate::sys::state::State;
use crate::verdict::{CalledHost, Explanation};

pub(super) async fn run(args: args::Explain) -> Result<(), CliError> {
    // No cluster's name has a dot.
    if args.to.contains("://") || args.to.split([':', '/']).next().is_some_and(|name| name.contains('.')) {
        return host(args).await;
    }
    let (to, port) = target(&args.to)?;
    let mut spoken = calls::spoken(&args.service, "--service ")?;
    let caller = calls::caller(&args.caller)?;
    spoken.service.port = port.unwrap_or(spoken.service.port);
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    refuse_without_mesh(&lab)?;
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
                "name a cluster of mesh {}, or the host of a ServiceEntry: `lab explain {} {} HOST`",
                lab.mesh_id(one),
                lab.name,
                one.name
            ),
        });
    }
    let ctx = LabContext::new(lab, Engine::connect().await?, state);
    let explanation = explain::run(&ctx, (&args.from, &caller), to, &spoken).await?;
    show(&explanation, args.output)
}

/// A call of a host rather than of a service.
async fn host(args: args::Explain) -> Result<(), CliError> {
    let called: CalledHost = args.to.parse().map_err(|reason| CliError::Usage {
        problem: format!("{}: it {reason}", args.to),
        remedy: "write a cluster, such as c2, or a host, such as http://legacy.example:8080/path".to_owned(),
    })?;
    let caller = calls::caller(&args.caller)?;
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    refuse_without_mesh(&lab)?;
    if !lab.data_clusters().any(|c| c.name == args.from) {
        return Err(output::no_mesh_cluster(&lab, &args.from));
    }
    let ctx = LabContext::new(lab, Engine::connect().await?, state);
    show(&explain::of_host(&ctx, (&args.from, &caller), &called).await?, args.output)
}

fn refuse_without_mesh(lab: &Lab) -> Result<(), CliError> {
    if lab.has_mesh() {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("lab {} has no mesh, and explain follows a call through one", lab.name),
        remedy: format!("`lab verify {}` checks what it has", lab.name),
    })
}

fn show(explanation: &Explanation, form: Output) -> Result<(), CliError> {
    match form {
        Output::Text => output::print(&explanation_text(explanation))?,
        Output::Json => output::print_json(explanation)?,
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
