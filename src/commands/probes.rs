//! `--probes`: helloworld and a caller in a mesh that somebody else installed, in a namespace of their own, which is removed again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::context::{LabContext, StepError};
use crate::exec::Progress;
use crate::images::{Reference, Stack};
use crate::plan::render::{self, PROBES_NAMESPACE};
use crate::plan::{Lab, LabCluster};
use crate::scenario::{App, Check, ServiceUrl, Through};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{Cluster, Manifest};

/// In the state of a lab whose clusters have probes, or may have them.
const MADE: &str = "probes";
/// How long the probes of a cluster may take to be ready, images included.
const READY: Duration = Duration::from_secs(180);
/// How long their namespace may take to be gone.
const GONE: Duration = Duration::from_secs(90);

/// What the caller of the probes calls.
///
/// # Errors
/// Never: it is well formed.
pub fn service() -> Result<ServiceUrl, StepError> {
    let text = format!("helloworld.{PROBES_NAMESPACE}:5000/hello");
    text.parse().map_err(|_| StepError::Missing(text))
}

/// A lab with probes in its clusters: the same, with helloworld and a caller, and a rotation over them.
///
/// # Errors
/// A namespace of that name is somebody else's, or the probes do not get ready: then what was made is still to be removed.
pub async fn make(ctx: &LabContext, progress: &Progress) -> Result<LabContext, StepError> {
    let lab = probed(&ctx.lab)?;
    for cluster in ctx.lab.data_clusters() {
        let found = ctx.client(&cluster.name).await?.read(&namespace()).await?;
        if found.as_ref().is_some_and(|n| n.labels().get(LAB_LABEL) != Some(&ctx.lab.name)) {
            return Err(StepError::Machine {
                problem: format!(
                    "{} has a namespace {PROBES_NAMESPACE} that lab {} did not make",
                    cluster.name, ctx.lab.name
                ),
                remedy: format!(
                    "see whose it is: kubectl --context {} get namespace {PROBES_NAMESPACE} --show-labels; where nobody needs it, delete it",
                    ctx.lab.context(cluster)
                ),
            });
        }
    }
    ctx.state.write(MADE, "")?;
    let stack = Stack::embedded()?;
    let clusters: Vec<&LabCluster> = lab.data_clusters().collect();
    try_join_all(clusters.iter().map(|cluster| in_cluster(ctx, &lab, cluster, &stack, progress))).await?;
    Ok(LabContext::new(lab, ctx.engine.clone(), ctx.state.clone()))
}

/// The lab with probes.
fn probed(lab: &Lab) -> Result<Lab, StepError> {
    let names: Vec<String> = lab.data_clusters().map(|c| c.name.clone()).collect();
    let mut lab = lab.clone();
    let versions = names.iter().map(|name| (name.clone(), name.clone())).collect();
    lab.apps = vec![App::Helloworld { versions }, App::Sleep];
    lab.checks.push(Check::Rotation { service: service()?, from: names, through: Through::Mesh });
    Ok(lab)
}

async fn in_cluster(
    ctx: &LabContext,
    lab: &Lab,
    cluster: &LabCluster,
    stack: &Stack,
    progress: &Progress,
) -> Result<(), StepError> {
    let client = ctx.client(&cluster.name).await?;
    let images = images(&client, stack).await;
    let manifest = Manifest::from_values(render::probes(lab, cluster, &images, (LAB_LABEL, &lab.name)))?;
    progress.say(format!("{}: making the probes in namespace {PROBES_NAMESPACE}", cluster.name));
    client.apply(&manifest).await?;
    try_join_all(manifest.objects.iter().map(|object| client.until_rolled_out(object, READY, progress))).await?;
    Ok(())
}

/// The names of the probes' images: those of lab's own nodes where a node has them, or else upstream's.
async fn images(client: &Cluster, stack: &Stack) -> BTreeMap<String, String> {
    let nodes: Vec<Node> = client.list().await.unwrap_or_default();
    let held: Vec<String> = nodes
        .into_iter()
        .filter_map(|node| node.status?.images)
        .flatten()
        .flat_map(|image| image.names.unwrap_or_default())
        .collect();
    let name = |own: &String, upstream: Option<&String>| match upstream {
        Some(upstream) if !held.contains(own) => Reference::parse(upstream).tagged(),
        _ => own.clone(),
    };
    stack.loaded().map(|(key, image)| (key.clone(), name(&image.name, image.registry.as_ref()))).collect()
}

fn namespace() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": PROBES_NAMESPACE } })
}

/// Removes the probes of a lab: the namespace, where it carries the lab's label, with all that is in it. Tells whether there were any.
///
/// # Errors
/// A cluster does not answer, or the namespace does not go; the others are rid of it all the same.
pub async fn remove(ctx: &LabContext) -> Result<bool, StepError> {
    if ctx.state.read(MADE)?.is_none() {
        return Ok(false);
    }
    let removed = ctx.lab.data_clusters().map(async |cluster| {
        let client = ctx.client(&cluster.name).await?;
        let Some(found) = client.read(&namespace()).await? else { return Ok::<_, StepError>(()) };
        if found.labels().get(LAB_LABEL) == Some(&ctx.lab.name) {
            let manifest = Manifest::from_values([namespace()])?;
            for object in &manifest.objects {
                client.delete_until_gone(object, GONE).await?;
            }
        }
        Ok(())
    });
    join_all(removed).await.into_iter().collect::<Result<(), StepError>>()?;
    ctx.state.delete(MADE)?;
    Ok(true)
}
