//! `lab open`: what of a lab answers a browser on this machine.

use super::{CliError, args, output};
use crate::plan::{Gateway, Lab, LabCluster};
use crate::scenario::{App, Check, Target, Through};
use crate::sys::state::State;
use crate::sys::words;

pub(super) fn run(args: &args::Open) -> Result<(), CliError> {
    let lab: Lab = State::open()?.existing(&args.name)?.load()?;
    let clusters: Vec<&LabCluster> = match &args.cluster {
        None => lab.clusters.iter().collect(),
        Some(name) => vec![lab.cluster(name).ok_or_else(|| output::no_cluster(&lab, name))?],
    };
    let urls: Vec<String> = clusters.into_iter().flat_map(|cluster| urls(&lab, cluster)).collect();
    let Some(first) = urls.first() else {
        return Err(CliError::Usage {
            problem: format!("nothing of lab {} can be called from outside", lab.name),
            remedy: "write `ingressGateway: true` under `mesh`, or name clusters there, and `lab up` the file again"
                .to_owned(),
        });
    };
    output::print_lines(&urls)?;
    if !args.print
        && let Err(error) = crate::sys::process::open_browser(first)
    {
        eprintln!("no browser could be started ({}): open the address yourself", words::io_error(&error));
    }
    Ok(())
}

/// Addresses behind the ingress gateway of a cluster: each path that a check calls there, or helloworld's.
fn urls(lab: &Lab, cluster: &LabCluster) -> Vec<String> {
    let Some(address) = cluster.addresses.get(&Gateway::IngressGateway) else { return Vec::new() };
    let mut paths: Vec<&str> = lab.checks.iter().filter_map(|check| path(check, &cluster.name)).collect();
    if paths.is_empty() {
        let has_helloworld = lab.apps.iter().any(|a| matches!(a, App::Helloworld { .. }));
        paths.push(if has_helloworld { "/hello" } else { "/" });
    }
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().map(|path| format!("http://{address}{path}")).collect()
}

/// The path that a check calls through the ingress gateway of a cluster.
fn path<'a>(check: &'a Check, cluster: &str) -> Option<&'a str> {
    let (service, from, through) = match check {
        Check::Rotation { service, from, through } => (service, from, through),
        Check::Request(check) => match &check.target {
            Target::Service(service) => (service, &check.from, &check.through),
            Target::Url(_) => return None,
        },
        Check::Failover(_) | Check::Reachability | Check::Federation(_) => return None,
    };
    (*through == Through::Ingress && from.iter().any(|f| f == cluster)).then_some(service.path.as_str())
}
