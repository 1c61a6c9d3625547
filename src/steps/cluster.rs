//! `cluster`: a kind cluster from the preloaded node image, with a kubeconfig of its own.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use super::half_made;
use super::step::{Custom, Step, cluster};
use crate::context::{RunContext, StepError, files, nodes};
use crate::exec::Progress;
use crate::plan::render::{self, Surroundings};
use crate::plan::{Lab, LabCluster};
use crate::sys::docker::{CLUSTER_LABEL, Engine, LAB_LABEL, Node, Proxies};
use crate::sys::host::{self, is_local};
use crate::sys::poll::poll_until;
use crate::sys::process::Process;
use crate::sys::proxy;
use crate::sys::state::{LabState, StateError};

/// Notes that kind has finished with a cluster, under the names that it has now.
pub(crate) fn note_made(state: &LabState, cluster: &LabCluster) -> Result<(), StateError> {
    state.write(&files::made(&cluster.kind_name), "")?;
    half_made::finish(state, cluster)
}

/// How long a cluster has to answer of which the state does not tell whether it was ever whole.
const UNTOLD: Duration = Duration::from_secs(20);

/// What there is of a cluster.
enum Found {
    /// kind has finished with it.
    Whole,
    /// The remains of an interrupted run, or nothing.
    Half,
    /// All nodes, and the lab's state does not tell whether kind has finished with them.
    Untold,
}

fn look(ctx: &RunContext, cluster: &LabCluster, nodes: &[Node]) -> Result<Found, StepError> {
    if nodes.len() != usize::from(cluster.workers) + 1 {
        return Ok(Found::Half);
    }
    if ctx.state.read(&files::made(&cluster.kind_name))?.is_some() {
        return Ok(Found::Whole);
    }
    Ok(if half_made::is_begun(&ctx.state, cluster)? { Found::Half } else { Found::Untold })
}

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(async move { is_satisfied(ctx, &*cluster(ctx, action)?).await }),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let nodes = ctx.nodes_of(&cluster.name).await?;
    if !matches!(look(ctx, cluster, &nodes)?, Found::Whole) || nodes.iter().any(|n| amiss(ctx, n)) {
        return Ok(false);
    }
    let client = ctx.client(&cluster.name).await?;
    let stale = join_all(nodes.iter().map(|node| stale(ctx, cluster, node)));
    let (stale, is_ready) = tokio::join!(stale, client.is_ready());
    Ok(is_ready && stale.iter().all(Option::is_none))
}

/// Where the entrypoint of a node writes its address, ours and kind's own.
const ADDRESS: &str = "cat /kind/address /kind/old-ipv4 2>/dev/null; true";

/// Why a node that runs must be started again, if it must.
async fn stale(ctx: &RunContext, cluster: &LabCluster, node: &Node) -> Option<&'static str> {
    let now = node.address.as_ref().filter(|_| node.running && !node.paused)?;
    let kubelet = async {
        let client = ctx.client(&cluster.name).await.ok()?;
        Some(client.reaches_kubelet(&cluster.node_name(&node.name)).await)
    };
    let (told, has_kubelet) = tokio::join!(ctx.engine.exec(&node.name, &["sh", "-c", ADDRESS], None), kubelet);
    // As after it was detached and attached by hand: what it runs listens at the old one.
    if told.is_ok_and(|told| told.text.split_whitespace().next().is_some_and(|then| then != now)) {
        return Some("has another address than when it started");
    }
    (has_kubelet == Some(false)).then_some("has no kubelet that answers")
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let nodes = ctx.nodes_of(&cluster.name).await?;
    match look(ctx, cluster, &nodes)? {
        Found::Whole => return restart(ctx, cluster, &nodes, ctx.patience, progress).await,
        Found::Untold => {
            // A cluster that works is not thrown away for a file.
            if restart(ctx, cluster, &nodes, UNTOLD, progress).await.is_ok() {
                ctx.state.write(&files::made(&cluster.kind_name), "")?;
                return Ok(true);
            }
        }
        Found::Half => {}
    }
    for node in &nodes {
        progress.say(format!("removing what an interrupted run left: {}", node.name));
        ctx.engine.remove(&node.name).await?;
    }
    if half_made::is_begun(&ctx.state, cluster)? {
        progress.say("waiting for what an interrupted run may still create");
        half_made::remove(&ctx.engine, &ctx.lab.name, &cluster.name, &cluster.nodes().collect::<Vec<_>>()).await?;
    }
    create(ctx, cluster, progress).await?;
    until_joined(ctx, cluster).await?;
    ctx.set_new(&cluster.name);
    Ok(true)
}

/// Waits until every node has its Node, which later steps label and route to: since Kubernetes 1.36 kubeadm joins a worker before it has one.
async fn until_joined(ctx: &RunContext, cluster: &LabCluster) -> Result<(), StepError> {
    if cluster.workers == 0 {
        return Ok(());
    }
    let client = ctx.fresh_client(&cluster.name).await?;
    let joined = poll_until(ctx.patience, Duration::from_millis(200), async || {
        let there = client.list::<k8s_openapi::api::core::v1::Node>().await?.len();
        Ok::<_, StepError>((there > usize::from(cluster.workers)).then_some(()))
    });
    joined.await?.ok_or_else(|| StepError::Failed {
        problem: format!("a worker of {} has not joined it", cluster.name),
        remedy: format!(
            "look at `docker logs {}-worker`, or make the lab again: `lab down {}`",
            cluster.kind_name, ctx.lab.name
        ),
    })
}

/// Whether a node is stopped, paused, or detached from the lab's network.
fn amiss(ctx: &RunContext, node: &Node) -> bool {
    nodes::condition(node, &ctx.lab.docker_network.name).is_some()
}

/// Starts stopped nodes, attaches those that are detached, and waits for the API server.
async fn restart(
    ctx: &RunContext,
    cluster: &LabCluster,
    nodes: &[Node],
    patience: Duration,
    progress: &Progress,
) -> Result<bool, StepError> {
    let network = &ctx.lab.docker_network.name;
    let stale = join_all(nodes.iter().map(|node| stale(ctx, cluster, node))).await;
    for (node, stale) in nodes.iter().zip(stale) {
        if stale.is_none() && !amiss(ctx, node) {
            continue;
        }
        if let Some(why) = stale {
            progress.say(format!("{} {why}", node.name));
            ctx.engine.stop(&node.name).await?;
        }
        if !node.networks.contains(network) {
            progress.say(format!("attaching {} to {network}", node.name));
            ctx.engine.attach(network, &node.name).await?;
            // It has another address now, and only its entrypoint writes that wherever it belongs.
            if node.running {
                ctx.engine.stop(&node.name).await?;
            }
        }
        progress.say(format!("starting {}", node.name));
        ctx.engine.start(&node.name).await?;
    }
    // The kubeconfig of the state may be that of an earlier cluster of the same name.
    let client = ctx.fresh_client(&cluster.name).await?;
    progress.say("waiting for the API server");
    // The API server itself is away, so there is nothing to watch.
    let ready = poll_until(patience, Duration::from_millis(500), async || {
        if client.is_ready().await {
            return Ok(Some(()));
        }
        // A node that did not stay up will not answer.
        let gone = ctx.nodes_of(&cluster.name).await?.into_iter().find(|n| amiss(ctx, n));
        match gone {
            None => Ok(None),
            Some(node) => Err(StepError::Failed {
                problem: format!("the node {} does not keep running; Docker says: {}", node.name, node.status),
                remedy: format!(
                    "look at `docker logs {}`, or make the lab again: `lab down {}`",
                    node.name, ctx.lab.name
                ),
            }),
        }
    });
    if ready.await?.is_none() {
        return Err(StepError::Failed {
            problem: format!("the API server of {} does not become ready", cluster.name),
            remedy: format!(
                "look at `docker logs {}`, or make the lab again: `lab down {}`",
                cluster.control_plane_node(),
                ctx.lab.name
            ),
        });
    }
    Ok(true)
}

/// How long kind may take to make a cluster: seconds on a quiet machine, minutes on one that makes several at once.
const CREATED: Duration = Duration::from_secs(900);

async fn create(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<(), StepError> {
    let prepared = ctx.prepared_for(cluster)?;
    // kind gives containers no labels of ours, but a container has those of its image.
    let image = half_made::image(&ctx.lab.name, &cluster.name);
    let labels = [(LAB_LABEL, ctx.lab.name.as_str()), (CLUSTER_LABEL, cluster.name.as_str())];
    ctx.engine.label_image(&prepared.node_image, &image, &labels, &files(ctx, cluster)?).await?;
    let config = config(&ctx.lab, cluster, prepared.mirror.is_some());
    let kubeconfig = ctx.state.kubeconfig(&cluster.name);
    ctx.state.make_parent(&kubeconfig)?;
    ctx.state.delete(&files::made(&cluster.kind_name))?;
    half_made::begin(&ctx.state, cluster)?;
    Process::new(&prepared.kind)
        .limit(CREATED)
        .args(["create", "cluster", "--config", "-", "--image", &image, "--kubeconfig"])
        .args([kubeconfig.to_string_lossy()])
        .env("KIND_EXPERIMENTAL_DOCKER_NETWORK", &ctx.lab.docker_network.name)
        .env("KIND_EXPERIMENTAL_PROVIDER", "docker")
        .envs(ctx.engine.endpoint.variables())
        .envs(proxies(&ctx.lab, &ctx.engine))
        .input(config.to_string())
        .run(|line| {
            if let Some(message) = kind_progress(line) {
                progress.say(message);
            }
        })
        .await?;
    Ok(note_made(&ctx.state, cluster)?)
}

/// What a line of kind's output says, without its marks; only the lines that begin something.
fn kind_progress(line: &str) -> Option<String> {
    let text = line.strip_prefix(" • ")?.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != ')').trim();
    Some(text.to_owned())
}

/// kind's configuration of a cluster on this machine.
pub(crate) fn config(lab: &Lab, cluster: &LabCluster, is_mirrored: bool) -> Value {
    let publishes_elsewhere = lab.docker_network.api_server_address.is_some_and(|a| !is_local(a.into()));
    render::kind_config(lab, cluster, Surroundings { is_mirrored, publishes_elsewhere })
}

/// Proxies of which nodes are told.
pub(crate) fn proxies(lab: &Lab, engine: &Engine) -> Vec<(&'static str, String)> {
    let endpoint = &engine.endpoint;
    let configured = Proxies::of(endpoint);
    let mut hosts = lab.own_hosts();
    if !configured.is_empty() {
        // They are for containers, and kind's own `docker` must not take one for its way to the engine.
        hosts.extend(endpoint.machine().map(str::to_owned));
    }
    proxy::for_nodes(&hosts, lab.docker_network.gateway, |name| configured.get(name))
}

/// Where a node has certificate authorities of this machine. What is pulled with Go's libraries, as by containerd, trusts all in this directory.
const AUTHORITIES: &str = "/etc/ssl/certs/lab-machine.pem";

/// What nodes need of this machine's settings, by path.
fn files(ctx: &RunContext, cluster: &LabCluster) -> Result<Vec<(String, String)>, StepError> {
    Ok([mirror_rules(ctx, cluster)?, authorities()?].concat())
}

/// The certificate authorities that this machine is told to trust, as a file of a node; none where it is told of none.
pub(crate) fn authorities() -> Result<Vec<(String, String)>, StepError> {
    let text = host::certificate_authorities().map_err(|problem| StepError::Machine {
        problem,
        remedy: "let it name a file of PEM certificates, or unset it".to_owned(),
    })?;
    Ok(text.into_iter().map(|text| (AUTHORITIES.to_owned(), text)).collect())
}

/// containerd's mirror rules, when images come from a mirror. A mirror on the host's loopback is, for a node, at the gateway address of the lab's
/// network.
fn mirror_rules(ctx: &RunContext, cluster: &LabCluster) -> Result<Vec<(String, String)>, StepError> {
    let prepared = ctx.prepared_for(cluster)?;
    let Some(mirror) = &prepared.mirror else { return Ok(Vec::new()) };
    let port = mirror.rsplit_once(':').map_or("80", |(_, port)| port);
    let is_loopback = mirror.starts_with("127.") || mirror.starts_with("localhost");
    let reachable = if is_loopback { format!("{}:{port}", ctx.lab.docker_network.gateway) } else { mirror.clone() };
    let rules = crate::images::mirror_hosts_toml(prepared, &reachable);
    Ok(rules.into_iter().map(|(host, toml)| (format!("/etc/containerd/certs.d/{host}/hosts.toml"), toml)).collect())
}

#[cfg(test)]
mod tests {
    use super::kind_progress;

    #[test]
    fn only_beginnings_are_progress() {
        assert_eq!(kind_progress(" • Preparing nodes 📦   ...").as_deref(), Some("Preparing nodes"));
        assert_eq!(kind_progress(" ✓ Preparing nodes 📦 "), None);
    }
}
