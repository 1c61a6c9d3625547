//! `lab trace`.

use std::collections::BTreeMap;

use super::{CliError, Output, args, calls, output, pause};
use crate::context::LabContext;
use crate::observe::trace;
use crate::plan::Lab;
use crate::report::trace_text;
use crate::sys::state::State;

pub(super) async fn run(args: args::Trace) -> Result<(), CliError> {
    let service = calls::service(&args.service, "")?;
    let caller = calls::caller(&args.caller)?;
    let headers = args.header.iter().map(|text| header(text)).collect::<Result<BTreeMap<_, _>, _>>()?;
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    if !lab.has_mesh() {
        return Err(CliError::Usage {
            problem: format!("lab {} has no mesh, so no proxy writes of a request", lab.name),
            remedy: format!("`lab verify {}` checks what it has", lab.name),
        });
    }
    if !lab.data_clusters().any(|c| c.name == args.from) {
        return Err(output::no_mesh_cluster(&lab, &args.from));
    }
    if !lab.mesh.access_logs {
        return Err(CliError::Usage {
            problem: format!("the proxies of lab {} write no access logs, which a trace is read from", lab.name),
            remedy:
                "write `mesh: { accessLogs: true }` in its scenario, and run `lab up` with it again: nothing restarts"
                    .to_owned(),
        });
    }
    let ctx = LabContext::open(lab, state).await?;
    pause::refuse_paused(&ctx).await?;
    let trace = trace::run(&ctx, &args.from, &caller, &service, &headers).await?;
    match args.output {
        Output::Text => output::print(&trace_text(&trace))?,
        Output::Json => output::print_json(&trace)?,
    }
    if trace.is_answered() { Ok(()) } else { Err(CliError::Red) }
}

/// `NAME:VALUE`.
fn header(text: &str) -> Result<(String, String), CliError> {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    match text.split_once(':') {
        Some((name, value)) if is_name(name) && !value.chars().any(char::is_control) => {
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => Err(CliError::Usage {
            problem: format!("--header {text}: it is not a header"),
            remedy: "write NAME:VALUE, such as x-cluster:c2".to_owned(),
        }),
    }
}
