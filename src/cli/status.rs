//! `lab status`.

use serde::Serialize;

use super::{CliError, Output, args, output};
use crate::plan::Lab;
use crate::report;
use crate::steps::verify::VERDICT_FILE;
use crate::sys::docker::{Engine, Node};
use crate::sys::kube::Cluster;
use crate::sys::state::{LabState, State};
use crate::verdict::Verdict;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    lab: String,
    clusters: Vec<ClusterStatus>,
    last_verdict: Option<LastVerdict>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterStatus {
    name: String,
    network: String,
    primary: String,
    controlled_by: String,
    api_server: &'static str,
    east_west_gateway: Option<String>,
    nodes: Vec<NodeStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    name: String,
    running: bool,
    status: String,
    address: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastVerdict {
    passed: bool,
    at: String,
}

pub(super) async fn run(args: &args::Status) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    let nodes = Engine::connect().await?.nodes(Some(&lab.name)).await?;
    let api_servers = futures::future::join_all(lab.clusters.iter().map(|c| api_server(&state, &c.name))).await;
    let clusters = lab.clusters.iter().zip(api_servers).map(|(cluster, api_server)| ClusterStatus {
        name: cluster.name.clone(),
        network: cluster.network.clone(),
        primary: cluster.primary.clone(),
        controlled_by: lab.controlled_by(cluster),
        api_server,
        east_west_gateway: cluster.east_west_endpoint().map(|e| e.ip().to_string()),
        nodes: nodes.iter().filter(|n| n.cluster == cluster.name).map(node).collect(),
    });
    let verdict: Option<Verdict> = state.read_json(VERDICT_FILE)?;
    let status = Status {
        clusters: clusters.collect(),
        last_verdict: verdict.map(|v| LastVerdict { passed: v.passed, at: v.at }),
        lab: lab.name,
    };
    match args.output {
        Output::Json => output::print_json(&status),
        Output::Text => text(&status),
    }
}

async fn api_server(state: &LabState, cluster: &str) -> &'static str {
    let Ok(Some(kubeconfig)) = state.read(&format!("kubeconfigs/{cluster}.yaml")) else { return "not built" };
    match Cluster::connect(&kubeconfig).await {
        Ok(client) if client.is_ready().await => "ready",
        _ => "no answer",
    }
}

fn node(node: &Node) -> NodeStatus {
    NodeStatus {
        name: node.name.clone(),
        running: node.running,
        status: node.status.clone(),
        address: node.address.clone(),
    }
}

fn text(status: &Status) -> Result<(), CliError> {
    let mut table = report::table([
        "CLUSTER",
        "NETWORK",
        "CONTROL PLANE",
        "API SERVER",
        "EAST-WEST GATEWAY",
        "NODE",
        "ADDRESS",
        "STATE",
    ]);
    for cluster in &status.clusters {
        let row = |node: Option<&NodeStatus>| {
            [
                cluster.name.clone(),
                cluster.network.clone(),
                cluster.controlled_by.clone(),
                cluster.api_server.to_owned(),
                cluster.east_west_gateway.clone().unwrap_or_default(),
                node.map_or_else(|| "none".to_owned(), |n| n.name.clone()),
                node.and_then(|n| n.address.clone()).unwrap_or_default(),
                node.map(|n| n.status.clone()).unwrap_or_default(),
            ]
        };
        if cluster.nodes.is_empty() {
            table.add_row(row(None));
        }
        for node in &cluster.nodes {
            table.add_row(row(Some(node)));
        }
    }
    output::print_table(&table)?;
    let verdict = status
        .last_verdict
        .as_ref()
        .map_or_else(|| "none".to_owned(), |v| format!("{} at {}", if v.passed { "passed" } else { "failed" }, v.at));
    output::print(&format!("\nlast verdict: {verdict}\n"))
}
