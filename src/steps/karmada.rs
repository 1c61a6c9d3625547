//! `karmada`: Karmada's control plane in the manager, until its API answers. karmadactl runs in the manager's node, where the names of all nodes
//! resolve, which they do not on the host.

use std::time::Duration;

use futures::future::try_join_all;

use super::step::{Custom, Step, cluster};
use crate::context::karmada_api::{self, DEPLOYMENTS};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::images::karmada::{CONTROL_PLANE, load};
use crate::plan::LabCluster;
use crate::plan::render::{self, KARMADA_DIR, KARMADA_NAMESPACE};
use crate::sys::kube::Manifest;
use crate::sys::poll::poll_until;

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(async move { is_satisfied(ctx, &*cluster(ctx, action)?).await }),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

async fn is_satisfied(ctx: &RunContext, manager: &LabCluster) -> Result<bool, StepError> {
    let node = manager.control_plane_node();
    if !karmada_api::has_kubeconfig(ctx, &node)? || !is_installed(ctx, manager).await? {
        return Ok(false);
    }
    let out = ctx.client(&manager.name).await?.deployments_out(KARMADA_NAMESPACE, DEPLOYMENTS).await?;
    let api = karmada_api::client(ctx).await?;
    if out.is_err() || !api.is_ready().await {
        return Ok(false);
    }
    Ok(api.read(&render::evict_lost()).await?.is_some() == evicts(ctx))
}

async fn run(ctx: &RunContext, manager: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let mut changed = false;
    if !is_installed(ctx, manager).await? {
        install(ctx, manager, progress).await?;
        changed = true;
    }
    changed |= ctx.client(&manager.name).await?.start_stopped(KARMADA_NAMESPACE).await?;
    let node = manager.control_plane_node();
    let path = format!("{KARMADA_DIR}/data/karmada-apiserver.config");
    let text = in_node(ctx, &node, &["cat", &path], None).await?;
    let text = render::karmada_kubeconfig(&text, &node, &node).map_err(|reason| karmada_api::unusable(ctx, &reason))?;
    karmada_api::remember(ctx, &text)?;
    until_ready(ctx, manager, progress).await?;
    let api = karmada_api::client(ctx).await?;
    let policy = Manifest::from_values([render::evict_lost()])?;
    if evicts(ctx) {
        changed |= api.apply(&policy).await?;
    } else {
        for object in &policy.objects {
            changed |= api.delete_until_gone(object, ctx.patience).await?;
        }
    }
    Ok(changed)
}

/// Whether the apps of lost members are moved.
fn evicts(ctx: &RunContext) -> bool {
    ctx.lab.federation.as_ref().is_some_and(|f| f.failover.is_some())
}

/// Whether an earlier run has installed it to the end.
async fn is_installed(ctx: &RunContext, manager: &LabCluster) -> Result<bool, StepError> {
    let marker = render::karmada_marker(&ctx.karmada()?.version);
    Ok(ctx.client(&manager.name).await?.read(&marker).await?.is_some())
}

async fn install(ctx: &RunContext, manager: &LabCluster, progress: &Progress) -> Result<(), StepError> {
    let client = ctx.client(&manager.name).await?;
    let node = manager.control_plane_node();
    let karmada = ctx.karmada()?;
    if client.has_namespace(KARMADA_NAMESPACE).await? {
        // Certificates are made anew each time, and what runs already would not take them.
        progress.say("removing what an interrupted run left of Karmada");
        let namespace = serde_json::json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": KARMADA_NAMESPACE } });
        for object in &Manifest::from_values([namespace])?.objects {
            client.delete_until_gone(object, ctx.patience).await?;
        }
    }
    in_node(ctx, &node, &["rm", "-rf", KARMADA_DIR, "/var/lib/karmada-etcd"], None).await?;
    progress.say("copying karmadactl into the node");
    let files = vec![
        ("karmadactl".to_owned(), 0o755, karmada.karmadactl.clone()),
        ("crds.tar.gz".to_owned(), 0o644, karmada.crds.clone()),
    ];
    ctx.engine.copy_into(&node, KARMADA_DIR, files).await?;
    let nodes = ctx.nodes_of(&manager.name).await?;
    try_join_all(nodes.iter().map(|n| load(karmada, &ctx.engine, &n.name, &CONTROL_PLANE, progress))).await?;
    let kubernetes = in_node(ctx, &node, &["cat", "/kind/version"], None).await?;
    let etcd = karmada.images.get("karmada-etcd").map_or("", |(_, name)| name.as_str());
    progress.say("karmadactl init, which takes about a minute");
    karmadactl(ctx, &node, &render::karmada_init(manager, kubernetes.trim(), etcd)).await?;
    client.apply(&Manifest::from_values([render::karmada_marker(&karmada.version)])?).await?;
    Ok(())
}

/// Waits for the Deployments and the API. After a restart the API server itself is away for a while, so there is nothing to watch.
async fn until_ready(ctx: &RunContext, manager: &LabCluster, progress: &Progress) -> Result<(), StepError> {
    let host = ctx.client(&manager.name).await?;
    let mut state = String::new();
    let ready = poll_until(ctx.patience, Duration::from_secs(1), async || {
        state = match host.deployments_out(KARMADA_NAMESPACE, DEPLOYMENTS).await? {
            Ok(()) if karmada_api::client(ctx).await?.is_ready().await => return Ok(Some(())),
            Ok(()) => "Karmada's API does not answer yet".to_owned(),
            Err(waiting) => waiting,
        };
        progress.say(format!("waiting, {state}"));
        Ok::<_, StepError>(None)
    });
    ready.await?.ok_or_else(|| StepError::Failed {
        problem: format!("Karmada does not become ready: {state}"),
        remedy: format!(
            "look at `kubectl --context {} get pods -n {KARMADA_NAMESPACE}`, then run `lab up` again",
            ctx.lab.context(manager)
        ),
    })
}

/// Runs karmadactl in a node that has it.
pub(super) async fn karmadactl(ctx: &RunContext, node: &str, args: &[String]) -> Result<String, StepError> {
    let program = format!("{KARMADA_DIR}/karmadactl");
    let command: Vec<&str> = std::iter::once(program.as_str()).chain(args.iter().map(String::as_str)).collect();
    in_node(ctx, node, &command, None).await
}

/// Lines of a failed command that the error shows.
const TAIL: usize = 12;

/// Runs a command in a node; what it printed.
pub(super) async fn in_node(
    ctx: &RunContext,
    node: &str,
    command: &[&str],
    input: Option<&str>,
) -> Result<String, StepError> {
    let output = ctx.engine.exec(node, command, input).await?;
    if output.success {
        return Ok(output.text);
    }
    let lines: Vec<&str> = output.text.trim().lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n  ");
    // Of a shell it does not matter what it was told, but what it ran.
    let words = if command.first() == Some(&"sh") { command.get(5..).unwrap_or(command) } else { command };
    let what: Vec<&str> = words.iter().take(2).map(|w| w.rsplit('/').next().unwrap_or(w)).collect();
    Err(StepError::Failed {
        problem: format!("`{}` failed in {node}:\n  {tail}", what.join(" ")),
        remedy: format!("`lab up {}` tries again", ctx.lab.name),
    })
}
