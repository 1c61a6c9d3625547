//! `images`: the tools and the node image are on this machine, and what else is applied from files of upstream.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;

use super::step::{Custom, Step};
use crate::context::{RunContext, StepError, files};
use crate::exec::Progress;
use crate::images::{Choice, Prepared, for_brought, gateway_api, gateway_api_here, having, is_prepared, prepare};
use crate::scenario::Versions;
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, _| Box::pin(is_satisfied(ctx)),
    run: |ctx, _, progress| Box::pin(run(ctx, progress)),
});

async fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
    if ctx.lab.is_brought() {
        return Ok(false);
    }
    let choice = having(ctx.choice, ctx.lab.versions())?;
    let mut all = BTreeMap::new();
    for versions in ctx.lab.versions() {
        match is_prepared(choice, &ctx.lab.images, versions, &ctx.engine).await {
            Some(prepared) => _ = all.insert(versions, prepared),
            None => return Ok(false),
        }
    }
    if wants_gateway_api(ctx) {
        let Some(yaml) = gateway_api_here() else { return Ok(false) };
        remember_gateway_api(ctx, yaml).await?;
    }
    remember(ctx, all)?;
    Ok(true)
}

async fn run(ctx: &RunContext, progress: &Progress) -> Result<bool, StepError> {
    let choice = having(ctx.choice, ctx.lab.versions())?;
    if ctx.lab.is_brought() {
        return of_brought(ctx, choice, progress).await;
    }
    let mut all = BTreeMap::new();
    // One after the other: each uses all processors, and what they share is built once.
    for versions in ctx.lab.versions() {
        let source = all.values().next().map(|p: &Prepared| p.source);
        let choice = source.and_then(|source| choice.kept(source)).unwrap_or(choice);
        let prepared = prepare(choice, &ctx.lab.images, versions, &ctx.engine, progress).await?;
        all.insert(versions, prepared);
    }
    if wants_gateway_api(ctx) {
        remember_gateway_api(ctx, gateway_api(progress).await?).await?;
    }
    remember(ctx, all)?;
    Ok(true)
}

/// The same for clusters that lab did not make, whose nodes have images or pull them. That is no change of anything.
async fn of_brought(ctx: &RunContext, choice: Choice, progress: &Progress) -> Result<bool, StepError> {
    let held = held(ctx).await;
    // A node that does not tell of all of its images says of none that it lacks it.
    let is_held = |name: &str| !held.is_empty() && held.iter().all(|node| node.has(name) == Some(true));
    let mut all = BTreeMap::new();
    for versions in ctx.lab.versions() {
        all.insert(versions, for_brought(choice, &ctx.lab.images, versions, is_held, progress).await?);
    }
    if wants_gateway_api(ctx) {
        remember_gateway_api(ctx, gateway_api(progress).await?).await?;
    }
    remember(ctx, all)?;
    Ok(false)
}

/// A kubelet tells of no more images than this by default, the largest first.
const TOLD: usize = 50;

/// A node of a cluster, and the images that it says it holds.
pub(crate) struct Holder {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub node: String,
    names: BTreeSet<String>,
    is_all: bool,
}

impl Holder {
    /// Whether it holds an image; nothing where it may hold more than it tells.
    pub(crate) fn has(&self, image: &str) -> Option<bool> {
        let has = self.names.contains(image);
        (has || self.is_all).then_some(has)
    }
}

/// The nodes of all clusters that let lab list them.
pub(crate) async fn held(ctx: &RunContext) -> Vec<Holder> {
    let mut all = Vec::new();
    for cluster in &ctx.lab.clusters {
        let Ok(client) = ctx.client(&cluster.name).await else { continue };
        for node in client.list::<Node>().await.unwrap_or_default() {
            let images = node.status.as_ref().and_then(|s| s.images.clone()).unwrap_or_default();
            let is_all = images.len() < TOLD;
            let names = images.into_iter().flat_map(|image| image.names.unwrap_or_default()).collect();
            all.push(Holder { cluster: cluster.name.clone(), node: node.name_any(), names, is_all });
        }
    }
    all
}

fn wants_gateway_api(ctx: &RunContext) -> bool {
    ctx.lab.istio_clusters().any(|cluster| ctx.lab.wants_gateway_api(cluster))
}

/// They are a megabyte of YAML, so they are read on a thread of their own, and once.
async fn remember_gateway_api(ctx: &RunContext, yaml: String) -> Result<(), StepError> {
    let read = tokio::task::spawn_blocking(move || Manifest::parse(&yaml)).await;
    let read = read.map_err(|e| StepError::Missing(format!("the definitions of the Gateway API: {e}")))?;
    ctx.set_gateway_api(read?);
    Ok(())
}

/// A lab keeps its source: Istio's settings depend on it, and the images of its nodes do not change.
fn remember(ctx: &RunContext, all: BTreeMap<Versions, Prepared>) -> Result<(), StepError> {
    if let Some(prepared) = all.values().next() {
        ctx.state.write_json(files::SOURCE, &prepared.source)?;
    }
    ctx.set_prepared(all);
    Ok(())
}
