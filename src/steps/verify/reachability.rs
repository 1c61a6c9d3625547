//! The reachability matrix: every cluster calls every cluster by every way, all at once, because what is dropped is known only after a
//! time-out.

use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt, join_all};
use k8s_openapi::api::core::v1::Node;

use super::super::{Context, StepError};
use super::Run;
use super::traffic::{Call, Caller};
use crate::plan::render::{APP_NAMESPACE, LEGACY_NAMESPACE, LEGACY_NODE_PORT};
use crate::plan::{LabCluster, checked_clusters, helloworlds};
use crate::scenario::{App, Check};
use crate::verdict::{Cell, REPLY_FORMAT, Reply, Way, parse_replies, requests_needed};

/// Seconds that a call past the mesh may take.
const LIMIT: u32 = 2;
/// How long one curl may take as a whole, on a machine that is busy with all of them.
const WHOLE: Duration = Duration::from_secs(30);
/// What every helloworld serves.
const HELLO: &str = "hello";
const HELLO_PORT: u16 = 5000;

/// The matrix, again while a lab that has just been changed settles.
pub(super) async fn cells(ctx: &Context, run: &Run<'_>) -> Result<Vec<Cell>, StepError> {
    loop {
        run.progress.say("who reaches what");
        let cells = once(ctx).await?;
        if cells.iter().all(Cell::passed) || Instant::now() >= run.until {
            return Ok(cells);
        }
        run.progress.say("waiting, not all is reached as it must be yet");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What is called in a cluster.
struct Target<'a> {
    cluster: &'a LabCluster,
    /// Address of the pod without a sidecar, or why there is none.
    pod: Result<String, String>,
    /// Address of a node, or why there is none.
    node: Result<String, String>,
}

async fn once(ctx: &Context) -> Result<Vec<Cell>, StepError> {
    let clusters: Vec<&LabCluster> = checked_clusters(&ctx.lab).collect();
    let targets: Vec<Target<'_>> = join_all(clusters.iter().map(|cluster| target(ctx, cluster))).await;
    let targets = &targets;
    let sleeps = ctx.lab.apps.contains(&App::Sleep);
    let mut rows: Vec<BoxFuture<'_, Vec<Cell>>> = Vec::new();
    for from in clusters {
        if sleeps {
            rows.push(mesh(ctx, from, targets.len()).boxed());
        }
        rows.push(past_the_mesh(ctx, from, targets).boxed());
    }
    let mut cells: Vec<Cell> = join_all(rows).await.into_iter().flatten().collect();
    cells.sort_by_key(|c| c.kind);
    Ok(cells)
}

async fn target<'a>(ctx: &Context, cluster: &'a LabCluster) -> Target<'a> {
    let pod = async {
        let pods = ctx.client(&cluster.name).await?.pods(LEGACY_NAMESPACE, "app=helloworld").await?;
        Ok::<_, StepError>(pods.last().and_then(|p| p.status.as_ref()?.pod_ip.clone()))
    };
    let node = async {
        let nodes: Vec<Node> = ctx.client(&cluster.name).await?.list().await?;
        let addresses = nodes.into_iter().filter_map(|n| n.status?.addresses).flatten();
        Ok::<_, StepError>({ addresses }.find(|a| a.type_ == "InternalIP").map(|a| a.address))
    };
    let or_reason = |found: Result<Option<String>, StepError>, what: &str| match found {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(format!("{} has no {what}", cluster.name)),
        Err(error) => Err(error.to_string()),
    };
    let (pod, node) = tokio::join!(pod, node);
    Target { cluster, pod: or_reason(pod, "running pod legacy/helloworld"), node: or_reason(node, "node address") }
}

/// The row of one cluster's sleep pod in the mesh: one series of requests shows who answers.
async fn mesh(ctx: &Context, from: &LabCluster, sources: usize) -> Vec<Cell> {
    let versions: Vec<(&str, &str)> = helloworlds(&ctx.lab).collect();
    let url = format!("http://helloworld.{APP_NAMESPACE}:{HELLO_PORT}/{HELLO}");
    let requests = requests_needed(versions.len(), sources);
    let asked = async {
        let caller = Caller::find(ctx, &from.name, APP_NAMESPACE, "sleep").await?;
        let call = Call::get(url.clone());
        caller.send(&call, requests, 5, |reply| reply.status != 200).await
    };
    let asked = asked.await;
    let cell = |(to, version): (&str, &str)| {
        let (found, evidence) = match &asked {
            Ok(replies) => {
                let count = replies.iter().filter(|r| r.status == 200 && r.version() == Some(version)).count();
                (count > 0, format!("{version} gave {count} of {} answers of {url}", replies.len()))
            }
            Err(error) => (false, error.to_string()),
        };
        cell(Way::Mesh, &from.name, to, answers(ctx, &from.name, to), found, evidence)
    };
    versions.into_iter().map(cell).collect()
}

/// Whether helloworld of one cluster must answer calls from another: everyone's does, unless a failover check says whose alone.
fn answers(ctx: &Context, from: &str, to: &str) -> bool {
    ctx.lab.checks.iter().all(|check| match check {
        Check::Failover(check) => check.order.get(from).and_then(|o| o.first()).is_none_or(|first| first == to),
        _ => true,
    })
}

fn cell(kind: Way, from: &str, to: &str, expected: bool, found: bool, evidence: String) -> Cell {
    Cell { from: from.to_owned(), to: to.to_owned(), kind, expected, found, evidence }
}

/// Everything that one cluster's sleep pod without a sidecar calls.
async fn past_the_mesh(ctx: &Context, from: &LabCluster, targets: &[Target<'_>]) -> Vec<Cell> {
    let caller = match Caller::find(ctx, &from.name, LEGACY_NAMESPACE, "sleep").await {
        Ok(caller) => Ok(caller),
        Err(error) => Err(error.to_string()),
    };
    let caller = caller.as_ref().map_err(String::as_str);
    let row = targets.iter().map(|to| async move {
        let name = &to.cluster.name;
        let near = to.cluster.network == from.network;
        let hello = |address: &Result<String, String>, port: u16| {
            address.clone().map(|address| format!("http://{address}:{port}/{HELLO}"))
        };
        let pod = says_its_name(caller, hello(&to.pod, HELLO_PORT), name);
        let node = says_its_name(caller, hello(&to.node, LEGACY_NODE_PORT), name);
        let gateway = async {
            // On one network it only exposes istiod, and nobody listens where other networks would come in.
            let endpoint = to.cluster.east_west_endpoint().filter(|_| ctx.lab.is_multi_network())?;
            Some(takes_connections(caller, &endpoint.to_string()).await)
        };
        let api = is_kubernetes(caller, to.cluster.api_server());
        let (pod, node, gateway, api) = tokio::join!(pod, node, gateway, api);
        let found = [
            Some((Way::Pod, near, pod)),
            Some((Way::NodePort, near, node)),
            gateway.map(|gateway| (Way::Gateway, true, gateway)),
            Some((Way::ApiServer, true, api)),
        ];
        let cell = |(kind, expected, (found, evidence))| cell(kind, &from.name, name, expected, found, evidence);
        found.into_iter().flatten().map(cell).collect::<Vec<Cell>>()
    });
    join_all(row).await.into_iter().flatten().collect()
}

/// What one call came back with, or why it could not be made.
async fn ask(caller: Result<&Caller, &str>, url: &str) -> Result<Reply, String> {
    let limit = LIMIT.to_string();
    let output = caller?.curl(&["-s", "-k", "-m", &limit, "-w", REPLY_FORMAT, url], WHOLE).await;
    let replies = parse_replies(&output.map_err(|e| e.to_string())?);
    replies.into_iter().next().ok_or_else(|| "curl printed nothing".to_owned())
}

/// Whether helloworld of that cluster answers: another one may have the same address, and some other machine too.
async fn says_its_name(caller: Result<&Caller, &str>, url: Result<String, String>, cluster: &str) -> (bool, String) {
    let url = match url {
        Ok(url) => url,
        Err(reason) => return (false, reason),
    };
    match ask(caller, &url).await {
        Ok(reply) => match reply.version() {
            Some(version) => (version == cluster, format!("{url}: helloworld of {version} answered")),
            None => (false, format!("{url}: {}", reply.reason())),
        },
        Err(reason) => (false, format!("{url}: {reason}")),
    }
}

/// Whether somebody takes TCP connections there. The gateway speaks TLS, and closes what is not.
async fn takes_connections(caller: Result<&Caller, &str>, address: &str) -> (bool, String) {
    let limit = LIMIT.to_string();
    let url = format!("http://{address}/");
    let asked = async {
        let output = caller?.curl(&["-s", "-m", &limit, "-w", "\\n%{time_connect} %{errormsg}", &url], WHOLE).await;
        output.map_err(|e| e.to_string())
    };
    match asked.await {
        Ok(output) => {
            let (seconds, error) = output.lines().last().and_then(|l| l.split_once(' ')).unwrap_or(("0", ""));
            // curl prints 0 when there was no connection.
            if seconds.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
                (true, format!("{address}: connected after {seconds} s"))
            } else {
                (false, format!("{address}: {error}"))
            }
        }
        Err(reason) => (false, format!("{address}: {reason}")),
    }
}

/// Whether an API server answers.
async fn is_kubernetes(caller: Result<&Caller, &str>, server: String) -> (bool, String) {
    let url = format!("{server}/version");
    match ask(caller, &url).await {
        Ok(reply) => {
            let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
            match body["gitVersion"].as_str() {
                Some(version) => (true, format!("{url}: Kubernetes {version} answered")),
                None => (false, format!("{url}: {}", reply.reason())),
            }
        }
        Err(reason) => (false, format!("{url}: {reason}")),
    }
}
