//! The reachability matrix: every cluster calls every cluster by every way. What must be reached is called first, and has time; how long the
//! slowest of it took tells how long to wait before something counts as not reached on a machine that is as busy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Node;

use super::super::traffic::{Call, Caller};
use super::Run;
use crate::context::{LabContext, StepError};
use crate::plan::render::{APP_NAMESPACE, LEGACY_NAMESPACE, LEGACY_NODE_PORT};
use crate::plan::{Helloworld, LabCluster, checked_clusters, helloworlds};
use crate::scenario::{App, Check, Site};
use crate::verdict::{Cell, REPLY_FORMAT, Reply, Way, parse_replies, requests_needed};

/// Seconds that a call past the mesh may take that must be answered.
const LIMIT: u32 = 10;
/// Seconds at least after which a call that must not be answered has not been. What is dropped is known only by that.
const SILENCE: u32 = 2;
/// So many times the slowest answer, likewise.
const SILENCE_TIMES: u32 = 3;
/// So many calls at once that must be answered: a machine that starts them all together makes each of them slow.
const AT_ONCE: usize = 8;
/// How long one curl may take as a whole, on a machine that is busy.
const WHOLE: Duration = Duration::from_secs(30);
/// What every helloworld serves.
const HELLO: &str = "hello";
const HELLO_PORT: u16 = 5000;

/// The matrix, again while a lab that has just been changed settles.
pub(super) async fn cells(ctx: &LabContext, run: &Run<'_>) -> Result<Vec<Cell>, StepError> {
    loop {
        run.progress.say("who reaches what");
        let cells = run.in_time(once(ctx)).await?;
        if cells.iter().all(Cell::passed) || Instant::now() >= run.until {
            return Ok(cells);
        }
        run.progress.say("waiting, not everything is reached as it must be yet");
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

async fn once(ctx: &LabContext) -> Result<Vec<Cell>, StepError> {
    let clusters: Vec<&LabCluster> = checked_clusters(&ctx.lab).collect();
    let targets: Vec<Target<'_>> = join_all(clusters.iter().map(|cluster| target(ctx, cluster))).await;
    let callers = join_all(clusters.iter().map(|from| async {
        Caller::find(ctx, &from.name, LEGACY_NAMESPACE, "sleep").await.map_err(|e| e.to_string())
    }));
    let callers = callers.await;
    let rows = clusters.iter().zip(&callers);
    let probes = rows.flat_map(|(from, caller)| probes(ctx, from, caller.as_ref().map_err(String::as_str), &targets));
    let (near, far): (Vec<Probe<'_>>, Vec<Probe<'_>>) = probes.partition(|p| p.expected);

    let sleeps = ctx.lab.apps.contains(&App::Sleep);
    let mesh = async {
        if sleeps { join_all(clusters.iter().map(|from| mesh(ctx, from, targets.len()))).await } else { Vec::new() }
    };
    let near = futures::stream::iter(&near).map(|probe| async move {
        let start = Instant::now();
        (probe.cell(LIMIT).await, start.elapsed())
    });
    let (mesh, near) = tokio::join!(mesh, near.buffered(AT_ONCE).collect::<Vec<(Cell, Duration)>>());
    let slowest = near.iter().filter(|(cell, _)| cell.found).map(|(_, time)| *time).max().unwrap_or_default();
    let silence = silence(slowest);
    let far = join_all(far.iter().map(|probe| probe.cell(silence))).await;

    let mut cells: Vec<Cell> =
        mesh.into_iter().flatten().chain(near.into_iter().map(|(cell, _)| cell)).chain(far).collect();
    let place = |name: &str| clusters.iter().position(|c| c.name == name);
    cells.sort_by_key(|c| (c.kind, place(&c.from), place(&c.to)));
    Ok(cells)
}

/// Seconds to wait for what must not be reached, when the slowest of what must be took so long.
fn silence(slowest: Duration) -> u32 {
    let seconds = (slowest * SILENCE_TIMES).as_millis().div_ceil(1000);
    u32::try_from(seconds).unwrap_or(LIMIT).clamp(SILENCE, LIMIT)
}

async fn target<'a>(ctx: &LabContext, cluster: &'a LabCluster) -> Target<'a> {
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
async fn mesh(ctx: &LabContext, from: &LabCluster, sources: usize) -> Vec<Cell> {
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Helloworld { cluster, version, .. } in helloworlds(&ctx.lab) {
        versions.entry(cluster).or_default().push(version);
    }
    // Who answers may depend on the zone that calls.
    let zone = from.zones_once().first().copied();
    let url = format!("http://helloworld.{APP_NAMESPACE}:{HELLO_PORT}/{HELLO}");
    let requests = requests_needed(versions.values().flatten().count(), sources);
    let asked = async {
        let caller = Caller::find_in(ctx, (&from.name, zone), APP_NAMESPACE, "sleep").await?;
        let call = Call::get(url.clone());
        caller.send(&call, requests, 5, |reply| reply.status != 200).await
    };
    let asked = asked.await;
    let cell = |(to, versions): (&str, Vec<String>)| {
        let (found, evidence) = match &asked {
            Ok(replies) => {
                let is_theirs = |version: Option<&str>| versions.iter().any(|v| Some(v.as_str()) == version);
                let count = replies.iter().filter(|r| r.status == 200 && is_theirs(r.version())).count();
                (count > 0, format!("{} gave {count} of {} answers of {url}", versions.join(" and "), replies.len()))
            }
            Err(error) => (false, error.to_string()),
        };
        cell(Way::Mesh, &from.name, to, answers(ctx, (&from.name, zone), to), found, evidence)
    };
    versions.into_iter().map(cell).collect()
}

/// Whether helloworld of one cluster must answer calls from another: everyone's of one mesh does, unless a failover check says whose alone.
fn answers(ctx: &LabContext, (from, zone): (&str, Option<&str>), to: &str) -> bool {
    let caller = Site { cluster: from.to_owned(), zone: zone.map(str::to_owned) };
    let of = |name: &str| ctx.lab.cluster(name).and_then(|c| c.mesh.as_ref());
    of(from) == of(to)
        && ctx.lab.checks.iter().all(|check| match check {
            Check::Failover(check) => {
                let first = check.order.get(&caller).and_then(|order| order.first());
                first.is_none_or(|first| first.sites().iter().any(|site| site.cluster == to))
            }
            _ => true,
        })
}

fn cell(kind: Way, from: &str, to: &str, expected: bool, found: bool, evidence: String) -> Cell {
    Cell { from: from.to_owned(), to: to.to_owned(), kind, expected, found, evidence }
}

/// One call from the pod without a sidecar, and whether it must be answered.
struct Probe<'a> {
    from: &'a str,
    to: &'a str,
    kind: Way,
    expected: bool,
    caller: Result<&'a Caller, &'a str>,
    /// What is called: a URL, or an address and a port; or why there is nothing to call.
    what: Result<String, String>,
}

impl Probe<'_> {
    async fn cell(&self, limit: u32) -> Cell {
        let (found, evidence) = match &self.what {
            Err(reason) => (false, reason.clone()),
            Ok(what) => match self.kind {
                Way::Gateway => takes_connections(self.caller, what, limit).await,
                Way::ApiServer => is_kubernetes(self.caller, what, limit).await,
                Way::Mesh | Way::Pod | Way::NodePort => says_its_name(self.caller, what, self.to, limit).await,
            },
        };
        cell(self.kind, self.from, self.to, self.expected, found, evidence)
    }
}

/// Everything that one cluster's sleep pod without a sidecar calls.
fn probes<'a>(
    ctx: &LabContext,
    from: &'a LabCluster,
    caller: Result<&'a Caller, &'a str>,
    targets: &'a [Target<'a>],
) -> Vec<Probe<'a>> {
    let of = |to: &'a Target<'a>| {
        let near = to.cluster.network == from.network;
        let hello = |address: &Result<String, String>, port: u16| {
            address.clone().map(|address| format!("http://{address}:{port}/{HELLO}"))
        };
        // On one network it only exposes istiod, and nobody listens where other networks would come in.
        let gateway = to.cluster.east_west_endpoint().filter(|_| ctx.lab.is_multi_network());
        let ways = [
            Some((Way::Pod, near, hello(&to.pod, HELLO_PORT))),
            Some((Way::NodePort, near, hello(&to.node, LEGACY_NODE_PORT))),
            gateway.map(|gateway| (Way::Gateway, true, Ok(gateway.to_string()))),
            Some((Way::ApiServer, true, Ok(format!("{}/version", to.cluster.api_server())))),
        ];
        let probe = move |(kind, expected, what)| Probe {
            from: &from.name,
            to: &to.cluster.name,
            kind,
            expected,
            caller,
            what,
        };
        ways.into_iter().flatten().map(probe)
    };
    targets.iter().flat_map(of).collect()
}

/// What one call came back with, or why it could not be made.
async fn ask(caller: Result<&Caller, &str>, url: &str, limit: u32) -> Result<Reply, String> {
    let limit = limit.to_string();
    let output = caller?.curl(&["-s", "-k", "-m", &limit, "-w", REPLY_FORMAT, url], WHOLE, WHOLE).await;
    let replies = parse_replies(&output.map_err(|e| e.to_string())?);
    replies.into_iter().next().ok_or_else(|| "curl printed nothing".to_owned())
}

/// Whether helloworld of that cluster answers: another one may have the same address, and some other machine too.
async fn says_its_name(caller: Result<&Caller, &str>, url: &str, cluster: &str, limit: u32) -> (bool, String) {
    match ask(caller, url, limit).await {
        Ok(reply) => match reply.version() {
            Some(version) => (version == cluster, format!("{url}: helloworld of {version} answered")),
            None => (false, format!("{url}: {}", reply.reason())),
        },
        Err(reason) => (false, format!("{url}: {reason}")),
    }
}

/// Whether somebody takes TCP connections there. The gateway speaks TLS, and closes what is not.
async fn takes_connections(caller: Result<&Caller, &str>, address: &str, limit: u32) -> (bool, String) {
    let limit = limit.to_string();
    let url = format!("http://{address}/");
    let asked = async {
        let output =
            caller?.curl(&["-s", "-m", &limit, "-w", "\\n%{time_connect} %{errormsg}", &url], WHOLE, WHOLE).await;
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
async fn is_kubernetes(caller: Result<&Caller, &str>, url: &str, limit: u32) -> (bool, String) {
    match ask(caller, url, limit).await {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_is_given_time_before_silence_counts() {
        let silences = [10, 600, 700, 1500, 3000, 60_000].map(|millis| silence(Duration::from_millis(millis)));
        assert_eq!(silences, [2, 2, 3, 5, 9, 10]);
    }
}
