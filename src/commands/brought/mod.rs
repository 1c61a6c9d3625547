//! Clusters that lab did not make: what an `up` would do in them, and what stands against it, before anything is done; and how a `down` leaves them.

mod rights;
mod survey;
mod taken;

pub use rights::role;
pub use survey::{ClusterSurvey, Survey, survey};
pub use taken::Taken;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Node, Service};
use kube::ResourceExt;

use crate::context::{LabContext, RunContext, StepError};
use crate::exec::Progress;
use crate::images::Choice;
use crate::plan::render::{EAST_WEST_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, Lab, LabCluster};
use crate::steps::withdraw::{Before, uid, withdraw};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{KubeError, load_balancer_addresses};

/// More nodes than this no cluster has that somebody tries things on.
const FEW: usize = 3;
/// How many namespaces of others are told.
const MOST_TOLD: usize = 5;
/// Namespaces that a cluster has without anybody's workloads.
const OF_SYSTEM: [&str; 3] = ["default", "local-path-storage", "metallb-system"];

/// Asks every cluster whether it answers, and refuses two contexts of one cluster, a context that leads to another cluster than before, and an address of an API
/// server that no other cluster reaches.
///
/// # Errors
/// One does not answer, or is not the one that is meant.
pub async fn reach(ctx: &LabContext) -> Result<(), StepError> {
    let asked = ctx.lab.clusters.iter().map(|cluster| async move {
        let client = ctx.client(&cluster.name).await?;
        client.readiness().await.map_err(|error| refused(error, cluster))?;
        let uid = uid(&client).await?;
        let known = Before::known(&ctx.state, &cluster.name)?.and_then(|before| before.uid);
        if known.is_some() && uid.is_some() && known != uid {
            let (kubeconfig, context) = cluster.place().unwrap_or_default();
            return Err(StepError::Machine {
                problem: format!(
                    "context {context} of {kubeconfig} leads to another cluster than the one that is {} of lab {}",
                    cluster.name, ctx.lab.name
                ),
                remedy: format!(
                    "name a context that leads there; where that cluster is gone for good, remove the lab's state: the directory lab/{} in $XDG_STATE_HOME, by default ~/.local/state",
                    ctx.lab.name
                ),
            });
        }
        Ok::<_, StepError>((cluster, uid))
    });
    let asked = match try_join_all(asked).await {
        Ok(asked) => asked,
        // It says itself what is wrong with which file.
        Err(error @ StepError::Kube(KubeError::Context { .. })) => return Err(error),
        Err(error) => return Err(crate::context::nodes::explained(ctx, error).await),
    };
    let mut known: BTreeMap<String, &LabCluster> = BTreeMap::new();
    for (cluster, uid) in asked {
        let other = uid.and_then(|uid| known.insert(uid, cluster));
        if let Some(other) = other {
            return Err(StepError::Failed {
                problem: format!("the contexts of {} and {} lead to the same cluster", other.name, cluster.name),
                remedy: "name a context of another cluster for one of them".to_owned(),
            });
        }
    }
    match ctx
        .lab
        .clusters
        .iter()
        .find(|c| ctx.lab.clusters.len() > 1 && c.brought.as_ref().is_some_and(|b| b.is_loopback()))
    {
        None => Ok(()),
        Some(cluster) => Err(StepError::Failed {
            problem: format!(
                "the kubeconfig says that the API server of {} is at {}, where pods of other clusters do not reach it",
                cluster.name,
                cluster.api_server()
            ),
            remedy: format!(
                "say where they do: `existing: {{ ..., server: https://HOST:6443 }}`; of a kind cluster on their Docker network that is https://{}:6443",
                kind_node(cluster)
            ),
        }),
    }
}

/// That an API server does not let in who is asked for by a kubeconfig; what else keeps it from answering is told as it is.
fn refused(error: KubeError, cluster: &LabCluster) -> StepError {
    let Some((file, context)) = cluster.place().filter(|_| !error.is_no_answer()) else { return error.into() };
    StepError::Machine {
        problem: format!("context {context} of {file} does not lead into {}: {}", cluster.name, error.cause()),
        remedy: format!(
            "log in again, until `kubectl --kubeconfig {file} --context {context} get --raw /readyz` says ok"
        ),
    }
}

/// The container of a kind cluster's node, by what kind calls the context.
fn kind_node(cluster: &LabCluster) -> String {
    let context = cluster.brought.as_ref().map_or("", |b| b.context.as_str());
    format!("{}-control-plane", context.strip_prefix("kind-").unwrap_or("NAME"))
}

/// Why the clusters to which nothing was applied yet may be more than something to try things on, each with its reason.
///
/// # Errors
/// A cluster does not answer.
pub async fn in_use(ctx: &RunContext) -> Result<Vec<(String, String)>, StepError> {
    let mut found = Vec::new();
    for cluster in &ctx.lab.clusters {
        if !ctx.inventory(&cluster.name)?.entries().is_empty() {
            continue;
        }
        let client = ctx.client(&cluster.name).await?;
        // Whoever may not list them is told so with all other rights.
        let nodes = client.list::<Node>().await.map(|nodes| nodes.len()).unwrap_or_default();
        let namespaces = client.list::<Namespace>().await.unwrap_or_default();
        let mut reasons = Vec::new();
        if nodes > FEW {
            reasons.push(format!("it has {nodes} nodes"));
        }
        let others = others(&ctx.lab.name, &namespaces);
        if !others.is_empty() {
            let told = others.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join(", ");
            let more = others.len().saturating_sub(MOST_TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            reasons.push(format!("it has namespaces of others: {told}{more}"));
        }
        if !reasons.is_empty() {
            found.push((cluster.name.clone(), reasons.join(", and ")));
        }
    }
    Ok(found)
}

/// The namespaces that are somebody's.
fn others(lab: &str, namespaces: &[Namespace]) -> Vec<String> {
    let is_ours = |n: &&Namespace| n.labels().get(LAB_LABEL).is_some_and(|value| value == lab);
    let is_of_system = |name: &String| OF_SYSTEM.contains(&name.as_str()) || name.starts_with("kube-");
    namespaces.iter().filter(|n| !is_ours(n)).map(ResourceExt::name_any).filter(|name| !is_of_system(name)).collect()
}

/// Writes down what the clusters have of other istiods, before lab's own comes.
///
/// # Errors
/// A cluster does not answer, or the state cannot be written.
pub async fn remember(ctx: &LabContext) -> Result<(), StepError> {
    for cluster in &ctx.lab.clusters {
        Before::look(&ctx.client(&cluster.name).await?).await?.keep(&ctx.state, &cluster.name)?;
    }
    Ok(())
}

/// The lab with the addresses that load balancers have given to its gateways by now.
///
/// # Errors
/// A cluster does not answer.
pub async fn with_addresses(ctx: &LabContext) -> Result<Lab, StepError> {
    let mut seen: BTreeMap<String, BTreeMap<Gateway, Ipv4Addr>> = BTreeMap::new();
    for cluster in ctx.lab.clusters.iter().filter(|c| c.awaited.contains(&Gateway::EastWestGateway)) {
        let service: Option<Service> = ctx.client(&cluster.name).await?.get(ISTIO_NAMESPACE, EAST_WEST_GATEWAY).await?;
        let given = service.as_ref().map(load_balancer_addresses).unwrap_or_default();
        if let Some(address) = given.iter().find_map(|address| address.parse().ok()) {
            seen.entry(cluster.name.clone()).or_default().insert(Gateway::EastWestGateway, address);
        }
    }
    Ok(ctx.lab.with_seen(&seen))
}

/// Takes the lab out of its clusters: what it has made goes, what it has taken over is given back. Gives what stays since others use it.
///
/// # Errors
/// A cluster does not answer; what was removed so far is, and the rest is known.
pub async fn leave(lab: &LabContext, progress: &Progress) -> Result<Vec<String>, StepError> {
    reach(lab).await?;
    let ctx = LabContext::new(lab.lab.clone(), lab.engine.clone(), lab.state.clone());
    let ctx = &RunContext::new(ctx, Choice::Auto);
    let clusters: BTreeSet<&str> = ctx.lab.clusters.iter().map(|c| c.name.as_str()).collect();
    let kept = clusters.into_iter().map(|cluster| withdraw(ctx, cluster, progress));
    Ok(try_join_all(kept).await?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_others_are_those_of_neither_kubernetes_nor_the_lab() {
        let namespace = |name: &str, lab: Option<&str>| {
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(name.to_owned());
            namespace.metadata.labels = lab.map(|lab| [(LAB_LABEL.to_owned(), lab.to_owned())].into());
            namespace
        };
        let all = [
            namespace("default", None),
            namespace("kube-system", None),
            namespace("shop", None),
            namespace("sample", Some("demo")),
            namespace("other", Some("another")),
        ];
        assert_eq!(others("demo", &all), ["shop", "other"]);
    }
}
