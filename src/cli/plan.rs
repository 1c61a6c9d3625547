//! `lab plan`: the pure half, shown.

use std::fmt::Write as _;

use super::{CliError, Output, args, output};
use crate::plan::{Gateway, Lab, Plan};

pub(super) fn run(args: &args::Plan) -> Result<(), CliError> {
    let lab = output::load(&args.scenario, args.name.as_deref())?;
    let plan = Plan::of(&lab);
    match args.output {
        Output::Json => output::print_json(&serde_json::json!({ "lab": lab, "steps": plan.steps })),
        Output::Text => output::print(&text(&lab, &plan)),
    }
}

fn text(lab: &Lab, plan: &Plan) -> String {
    let network = &lab.docker_network;
    let mut text = format!(
        "lab {}: mesh {}, {}\nDocker network {}: {}, nodes from {}\n\n",
        lab.name,
        lab.mesh.id,
        serde_json::to_value(lab.mesh.topology).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
        network.name,
        network.subnet,
        network.node_range
    );
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["CLUSTER", "NETWORK", "PODS", "SERVICES", "POOL", "EAST-WEST GATEWAY"]);
    for cluster in &lab.clusters {
        let gateway = cluster.addresses.get(&Gateway::EastWestGateway).map(ToString::to_string).unwrap_or_default();
        table.add_row([
            cluster.name.clone(),
            cluster.network.clone(),
            cluster.pod_subnet.to_string(),
            cluster.service_subnet.to_string(),
            cluster.pool.to_string(),
            gateway,
        ]);
    }
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    for step in &plan.steps {
        let needs: Vec<&str> = step.needs.iter().map(|n| n.0.as_str()).collect();
        let after = if needs.is_empty() { String::new() } else { format!("  after {}", needs.join(", ")) };
        let _ = writeln!(text, "{}{after}", step.id);
    }
    text
}
