//! `karmada-leave`: clusters of the lab that are members and that the scenario no longer names as such leave the federation, before their nodes go.

use std::collections::BTreeSet;

use super::karmada::in_node;
use super::karmada_member::{WITH_KUBECONFIG, mode_of};
use super::step::{Custom, Step};
use crate::context::{RunContext, StepError, karmada_api};
use crate::exec::Progress;
use crate::plan::render::{self, KARMADA_DIR};
use crate::scenario::MemberMode;
use crate::sys::kube::Manifest;

/// How long karmadactl may take: Karmada lets a member go once nothing of it is to run there.
const PATIENCE: &str = "150s";
/// The node's own kubeconfig.
const OWN: &str = "/etc/kubernetes/admin.conf";

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, _| Box::pin(async move { Ok(leaving(ctx).await?.is_empty()) }),
    run: |ctx, _, progress| Box::pin(run(ctx, progress)),
});

/// The clusters with nodes of this lab that are members and are not named as such, and who carries work there.
async fn leaving(ctx: &RunContext) -> Result<Vec<(String, Option<MemberMode>)>, StepError> {
    let Some(federation) = &ctx.lab.federation else { return Ok(Vec::new()) };
    let api = karmada_api::client(ctx).await?;
    let nodes = ctx.engine.nodes(Some(&ctx.lab.name)).await?;
    let clusters: BTreeSet<String> = nodes.into_iter().map(|node| node.cluster).collect();
    let mut leaving = Vec::new();
    for cluster in clusters.into_iter().filter(|cluster| federation.member(cluster).is_none()) {
        if let Some(member) = api.read(&render::karmada_cluster(&cluster)).await? {
            leaving.push((cluster, mode_of(&member)));
        }
    }
    Ok(leaving)
}

async fn run(ctx: &RunContext, progress: &Progress) -> Result<bool, StepError> {
    let leaving = leaving(ctx).await?;
    for (cluster, mode) in &leaving {
        progress.say(format!("{cluster} leaves the federation"));
        let nodes = ctx.nodes_of(cluster).await?;
        let node = nodes.iter().find(|n| n.running && !n.paused && n.name.ends_with("-control-plane"));
        match (node, mode) {
            (Some(node), Some(mode)) => leave(ctx, &node.name, cluster, *mode).await?,
            // Nothing can be taken away there; that Karmada forgets it has its replicas run elsewhere.
            _ => forget(ctx, cluster).await?,
        }
    }
    Ok(!leaving.is_empty())
}

/// Has karmadactl take the cluster out of Karmada, and all of Karmada out of the cluster.
async fn leave(ctx: &RunContext, node: &str, cluster: &str, mode: MemberMode) -> Result<(), StepError> {
    let karmadactl = format!("{KARMADA_DIR}/karmadactl");
    let own = ["--cluster-kubeconfig", OWN, "--wait", PATIENCE];
    let context;
    let command: Vec<&str> = match mode {
        MemberMode::Push => {
            // Otherwise karmadactl looks for one that has the member's name.
            context = in_node(ctx, node, &["kubectl", "--kubeconfig", OWN, "config", "current-context"], None).await?;
            let named = ["--cluster-context", context.trim()];
            let known = ["sh", "-c", WITH_KUBECONFIG, "sh", "--kubeconfig", &karmadactl, "unjoin", cluster];
            known.into_iter().chain(own).chain(named).collect()
        }
        MemberMode::Pull => {
            let known = ["sh", "-c", WITH_KUBECONFIG, "sh", "--karmada-config", &karmadactl, "unregister", cluster];
            known.into_iter().chain(own).collect()
        }
    };
    in_node(ctx, node, &command, Some(&karmada_api::kubeconfig(ctx)?)).await.map(|_| ())
}

/// Has Karmada forget a cluster that does not run.
async fn forget(ctx: &RunContext, cluster: &str) -> Result<(), StepError> {
    let api = karmada_api::client(ctx).await?;
    for object in &Manifest::from_values([render::karmada_cluster(cluster)])?.objects {
        api.delete_until_gone(object, ctx.patience).await?;
    }
    Ok(())
}
