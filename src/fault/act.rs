//! What a fault does to nodes and objects, and how that is undone. Each may be undone again and again.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::Done;
use crate::context::{LabContext, StepError};
use crate::plan::render::NODE_NETWORK_SCRIPT;
use crate::plan::{Act, Look};
use crate::sys::docker::Node;
use crate::sys::kube::{How, Manifest};

/// How long something that is done or undone may take. A frozen cluster answers nothing.
const LIMIT: Duration = Duration::from_secs(60);

/// Looks what is there before it is taken away.
pub(super) async fn look(ctx: &LabContext, act: Act) -> Result<Done, StepError> {
    let before = match &act {
        Act::Scale { cluster, namespace, deployment } => {
            let found: Option<Deployment> = ctx.client(cluster).await?.get(namespace, deployment).await?;
            match found.map_or(0, |d| d.spec.replicas.unwrap_or(1)) {
                0 => {
                    return Err(absent(
                        ctx,
                        format!("Deployment {namespace}/{deployment} of {cluster} has no replicas"),
                    ));
                }
                replicas => json!(replicas),
            }
        }
        Act::Secret { cluster, namespace, name } => {
            let found = ctx.client(cluster).await?.read(&secret(namespace, name)).await?;
            let found =
                found.ok_or_else(|| absent(ctx, format!("there is no Secret {namespace}/{name} in {cluster}")))?;
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": found.data["type"], "data": found.data["data"],
                "metadata": {
                    "name": name, "namespace": namespace,
                    "labels": found.metadata.labels, "annotations": found.metadata.annotations,
                },
            })
        }
        Act::Pause { node } | Act::Stop { node } | Act::Shell { node, .. } => {
            if !node_of(ctx, node).await?.is_some_and(|n| n.running && !n.paused) {
                return Err(absent(ctx, format!("node {node} does not run")));
            }
            if let Act::Shell { look: Some(Look { script, problem, remedy }), .. } = &act {
                let looked = ctx.engine.exec(node, &["sh", "-c", script], None).await?;
                if !looked.success {
                    let said = match one_line(&looked.text) {
                        said if said.is_empty() => String::new(),
                        said => format!(" ({said})"),
                    };
                    return Err(StepError::Machine { problem: format!("{problem}{said}"), remedy: remedy.clone() });
                }
            }
            Value::Null
        }
    };
    Ok(Done { act, before })
}

/// A node of the lab, if its container is there.
async fn node_of(ctx: &LabContext, name: &str) -> Result<Option<Node>, StepError> {
    Ok(ctx.engine.nodes(Some(&ctx.lab.name)).await?.into_iter().find(|n| n.name == name))
}

/// What there is to do when what a fault is about is away already.
fn absent(ctx: &LabContext, problem: String) -> StepError {
    StepError::Machine { problem, remedy: format!("`lab up {}` mends that first", ctx.lab.name) }
}

fn secret(namespace: &str, name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": namespace } })
}

/// Does it.
pub(super) async fn perform(ctx: &LabContext, done: &Done) -> Result<(), StepError> {
    in_time(ctx, &done.act, async {
        match &done.act {
            Act::Shell { node, script, .. } => run(ctx, node, script).await,
            Act::Scale { cluster, namespace, deployment } => {
                let client = ctx.client(cluster).await?;
                client.scale(namespace, deployment, 0).await?;
                let pods = client.drop_pods(namespace, deployment).await?;
                kill(ctx, cluster, &pods).await
            }
            Act::Secret { cluster, namespace, name } => {
                let manifest = Manifest::from_values([secret(namespace, name)])?;
                let client = ctx.client(cluster).await?;
                for object in &manifest.objects {
                    client.delete(object).await?;
                }
                Ok(())
            }
            Act::Pause { node } => Ok(ctx.engine.pause(node).await?),
            Act::Stop { node } => Ok(ctx.engine.kill(node).await?),
        }
    })
    .await
}

/// Ends the containers of pods at once, as a crash does: nothing in them is asked to come to an end.
async fn kill(ctx: &LabContext, cluster: &str, pods: &[Pod]) -> Result<(), StepError> {
    let of = ctx.cluster(cluster)?;
    for pod in pods {
        let name = pod.spec.as_ref().and_then(|s| s.node_name.clone());
        let Some(node) = of.nodes().find(|container| Some(of.node_name(container)) == name) else { continue };
        let status = pod.status.as_ref();
        let first = status.and_then(|s| s.init_container_statuses.as_ref()).into_iter().flatten();
        let all = first.chain(status.and_then(|s| s.container_statuses.as_ref()).into_iter().flatten());
        let ids: Vec<&str> = all.filter_map(|s| Some(s.container_id.as_deref()?.split_once("://")?.1)).collect();
        // What has ended already cannot be killed, and need not be.
        let script = "for id; do ctr --namespace k8s.io task kill --signal SIGKILL \"$id\"; done; true";
        let command = ["sh", "-c", script, "sh"].into_iter().chain(ids).collect::<Vec<_>>();
        ctx.engine.exec(&node, &command, None).await?;
    }
    Ok(())
}

/// Undoes it.
pub(super) async fn undo(ctx: &LabContext, done: &Done) -> Result<(), StepError> {
    in_time(ctx, &done.act, async {
        match &done.act {
            // What a node has in its kernel ends with it.
            Act::Shell { node, undo, .. } => match node_of(ctx, node).await? {
                Some(found) if found.paused => Err(absent(ctx, format!("node {node} is paused"))),
                Some(found) if found.running => run(ctx, node, undo).await,
                _ => Ok(()),
            },
            Act::Scale { cluster, namespace, deployment } => {
                let replicas = done.before.as_i64().and_then(|r| i32::try_from(r).ok()).unwrap_or(1);
                let client = ctx.client(cluster).await?;
                let found: Option<Deployment> = client.get(namespace, deployment).await?;
                // Whoever has scaled it since, or taken it away, has had the last word.
                if found.is_some_and(|d| d.spec.replicas == Some(0)) {
                    client.scale(namespace, deployment, replicas).await?;
                }
                Ok(())
            }
            Act::Secret { cluster, namespace, name } => {
                let client = ctx.client(cluster).await?;
                if client.read(&secret(namespace, name)).await?.is_none() {
                    for object in &Manifest::from_values([done.before.clone()])?.objects {
                        client.apply_object(object, None, How::OWN).await?;
                    }
                }
                Ok(())
            }
            Act::Pause { node } => match node_of(ctx, node).await? {
                Some(found) if found.paused => Ok(ctx.engine.unpause(node).await?),
                _ => Ok(()),
            },
            Act::Stop { node } => match node_of(ctx, node).await? {
                Some(found) if !found.running => Ok(ctx.engine.start(node).await?),
                _ => Ok(()),
            },
        }
    })
    .await
}

/// Has every node look up again where the others are: Docker may have dealt out other addresses to those that were stopped.
pub(super) async fn renew_routes(ctx: &LabContext) -> Result<(), StepError> {
    let nodes = ctx.engine.nodes(Some(&ctx.lab.name)).await?;
    let script = format!("[ ! -f {NODE_NETWORK_SCRIPT} ] || sh {NODE_NETWORK_SCRIPT}");
    let command = ["sh", "-c", script.as_str()];
    let mut runs = Vec::new();
    for node in nodes.iter().filter(|n| n.running && !n.paused) {
        runs.push(ctx.engine.exec(&node.name, &command, None));
    }
    // A node that has just started does it by itself, as soon as it can.
    join_all(runs).await;
    Ok(())
}

async fn run(ctx: &LabContext, node: &str, script: &str) -> Result<(), StepError> {
    let output = ctx.engine.exec(node, &["sh", "-c", script], None).await?;
    if output.success {
        return Ok(());
    }
    Err(StepError::Failed {
        problem: format!("a fault cannot be set in node {node}, or taken away: {}", one_line(&output.text)),
        remedy: format!("`lab status {}` shows whether the node is well; `lab heal {0}` tries again", ctx.lab.name),
    })
}

/// What a shell said.
fn one_line(text: &str) -> String {
    text.trim().replace('\n', "; ")
}

async fn in_time(
    ctx: &LabContext,
    act: &Act,
    work: impl Future<Output = Result<(), StepError>>,
) -> Result<(), StepError> {
    // On the heap: every fault would carry it.
    tokio::time::timeout(LIMIT, Box::pin(work)).await.unwrap_or_else(|_| {
        let what = act.target().unwrap_or_else(|| "a node".to_owned());
        Err(StepError::Failed {
            problem: format!("{what} did not do what it was told within {} s", LIMIT.as_secs()),
            remedy: format!("`lab status {}` shows what does not answer", ctx.lab.name),
        })
    })
}
