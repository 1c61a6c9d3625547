//! `lab plan`: the pure half, shown.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{CliError, args, graph, output};
use crate::plan::{Action, Lab, LabCluster, Plan, PlannedStep, plan_markdown};
use crate::report;

/// A scenario with every address decided, and what `lab up` does with it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Planned<'a> {
    /// The lab.
    lab: &'a Lab,
    /// The steps that build it, in an order in which each comes after those that it needs.
    steps: &'a [PlannedStep],
}

pub(super) async fn run(args: &args::Plan, interrupt: &CancellationToken) -> Result<(), CliError> {
    let lab = output::load(&args.scenario, args.name.as_deref(), args.reading, interrupt).await?;
    let plan = Plan::of(&lab);
    if let Some(form) = args.graph {
        return output::print(&graph::written(&crate::graph::steps(&lab, &plan), form));
    }
    match args.output {
        args::PlanOutput::Json => output::print_json(&Planned { lab: &lab, steps: &plan.steps }),
        args::PlanOutput::Text => output::print(&text(&lab, &plan)),
        args::PlanOutput::Markdown => output::print(&plan_markdown(&lab)),
    }
}

/// What of a cluster is reached from elsewhere, and where.
fn gateways(cluster: &LabCluster) -> String {
    let balanced = cluster.addresses.iter().map(|(gateway, address)| format!("{} {address}", gateway.title()));
    let published = cluster.published_gateway.iter().map(|endpoint| format!("east-west gateway {endpoint}"));
    let reserved =
        cluster.reserved.iter().map(|(gateway, address)| format!("{} {address} (reserved)", gateway.title()));
    balanced.chain(published).chain(reserved).chain(cluster.unknown_addresses()).collect::<Vec<_>>().join(", ")
}

fn text(lab: &Lab, plan: &Plan) -> String {
    let network = &lab.docker_network;
    let machines = if lab.is_existing() {
        "somebody else installed it: lab makes nothing, and changes nothing".to_owned()
    } else if lab.is_brought() {
        "the clusters are there: lab makes no machines, and changes nothing in them that is not its own".to_owned()
    } else {
        format!("Docker network {}: {}, nodes from {}", network.name, network.subnet, network.node_range)
    };
    let mut text = format!("lab {}: {}\n{machines}\n\n", lab.name, lab.mesh_in_words());
    let mut table = report::table(["CLUSTER", "NETWORK", "PODS", "SERVICES", "CONTROL PLANE", "POOL", "ADDRESSES"]);
    for cluster in &lab.clusters {
        let gateway = gateways(cluster);
        table.add_row([
            cluster.name.clone(),
            cluster.network.clone(),
            if cluster.is_made() { cluster.pod_subnets() } else { "as found".to_owned() },
            if cluster.is_made() { cluster.service_subnets() } else { "as found".to_owned() },
            lab.controlled_by(cluster),
            cluster.pool.map_or_else(
                || if cluster.brought.is_some() { "its own" } else { "none" }.to_owned(),
                |p| p.to_string(),
            ),
            gateway,
        ]);
    }
    let _ = writeln!(text, "{}", report::table_text(&table));
    let of_cluster = |c: &LabCluster| (!c.versions.is_default()).then(|| format!("{} runs {}\n", c.name, c.versions));
    let versions: String = lab.clusters.iter().filter_map(of_cluster).collect();
    if !versions.is_empty() {
        let _ = writeln!(text, "{versions}");
    }
    for step in &plan.steps {
        let needs: Vec<&str> = step.needs.iter().map(|n| n.0.as_str()).collect();
        let after = match (&step.action, needs.is_empty()) {
            // It waits for every step, directly or not.
            (Action::Verify, _) => "  after everything else".to_owned(),
            (_, true) => String::new(),
            (_, false) => format!("  after {}", needs.join(", ")),
        };
        let _ = writeln!(text, "{}{after}", step.id);
    }
    text
}
