//! `node-network`: on every node of a cluster, routes to the pods of other clusters on the same network, and none to those of other networks.
//! It is a service of the node, so that it survives a restart of the node.

use std::time::Duration;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;

use super::step::{Custom, Step, cluster};
use crate::context::{LabContext, RunContext, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render::{self, NODE_NETWORK_SCRIPT as SCRIPT, NODE_NETWORK_UNIT as UNIT, NodePods};
use crate::sys::docker::Engine;
use crate::sys::kube::KubeError;
use crate::sys::poll::poll_until;

/// Between two looks at the nodes.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(async move { is_satisfied(ctx, &*cluster(ctx, action)?).await }),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    Ok(difference(ctx, cluster).await?.is_none())
}

/// How a node of the cluster differs from what it must be, in the words of its own script; nothing when all is well.
pub(crate) async fn difference(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<String>, StepError> {
    let Some(script) = script(ctx, cluster).await? else {
        return Ok(Some(format!("a node on network {} has no pod subnet yet", cluster.network)));
    };
    let check = format!(
        "if cmp -s - {SCRIPT} && systemctl is-enabled --quiet {}; then sh {SCRIPT} check; else echo '{SCRIPT} is not installed'; exit 1; fi",
        render::node_network_service()
    );
    let nodes = ctx.nodes_of(&cluster.name).await?;
    let command = ["sh", "-c", &check];
    let checks = nodes.iter().map(|node| ctx.engine.exec(&node.name, &command, Some(&script)));
    let outputs = futures::future::try_join_all(checks).await?;
    let differing = nodes.iter().zip(outputs).find(|(_, output)| !output.success);
    Ok(differing.map(|(node, output)| format!("node {}: {}", node.name, output.text.trim().replace('\n', ", "))))
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    // A node has its pod subnet a moment after it has joined.
    let found = poll_until(ctx.patience, PAUSE, async || {
        let script = script(ctx, cluster).await?;
        if script.is_none() {
            progress.say("waiting, a node has no pod subnet yet");
        }
        Ok::<_, StepError>(script)
    });
    let script = found.await?.ok_or_else(|| KubeError::Timeout {
        what: format!("a node on network {} has no pod subnet", cluster.network),
        seconds: ctx.patience.as_secs(),
        last: String::new(),
    })?;
    let nodes = ctx.nodes_of(&cluster.name).await?;
    let installs = nodes.iter().map(|node| install(&ctx.engine, &node.name, &script));
    futures::future::try_join_all(installs).await?;
    Ok(true)
}

async fn install(engine: &Engine, node: &str, script: &str) -> Result<(), StepError> {
    let unit = render::node_network_unit();
    let name = render::node_network_service();
    let command = format!(
        "printf %s \"$1\" >{UNIT} && mkdir -p /etc/lab && cat >{SCRIPT} && systemctl daemon-reload && \
         systemctl enable --quiet {name} && sh {SCRIPT}"
    );
    let output = engine.exec(node, &["sh", "-c", &command, "sh", &unit], Some(script)).await?;
    if output.success {
        return Ok(());
    }
    Err(StepError::Failed {
        problem: format!("the routes of node {node} cannot be set: {}", output.text.trim()),
        remedy: format!("look at `docker exec {node} sh -x {SCRIPT}`: a node needs iptables' raw table and ip"),
    })
}

/// What runs on every node of a cluster, once every node that it has a route to has its pod subnet.
async fn script(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<String>, StepError> {
    let own: Vec<String> = ctx.nodes_of(&cluster.name).await?.into_iter().map(|n| n.name).collect();
    let lists = ctx.lab.network_peers(cluster).map(|peer| async {
        let nodes: Vec<Node> = ctx.client(&peer.name).await?.list().await?;
        // Since Kubernetes 1.36 kubeadm has joined a node before its Node is there.
        Ok::<_, StepError>((nodes.len() > usize::from(peer.workers)).then_some(nodes))
    });
    let Some(nodes) = futures::future::try_join_all(lists).await?.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let mut peers = Vec::new();
    for node in nodes.into_iter().flatten() {
        let Some(pods) = node.spec.as_ref().and_then(|s| s.pod_cidrs.clone()) else { return Ok(None) };
        if let Some(wrong) = pods.iter().find(|pods| pods.parse::<IpNet>().is_err()) {
            let problem = format!("pod subnet {wrong} of node {} is not a subnet", node.name_any());
            return Err(KubeError::Manifest(problem).into());
        }
        peers.push(NodePods { node: node.name_any(), pods: pods.join(" ") });
    }
    Ok(Some(render::node_network(&ctx.lab, cluster, &own, &peers)))
}
