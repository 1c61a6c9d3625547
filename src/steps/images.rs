//! `images`: the tools and the node image are on this machine, and what else is applied from files of upstream.

use std::collections::BTreeMap;

use super::step::{Custom, Step};
use crate::context::{RunContext, StepError, files};
use crate::exec::Progress;
use crate::images::{Prepared, gateway_api, gateway_api_here, having, is_prepared, prepare};
use crate::scenario::Versions;
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, _| Box::pin(is_satisfied(ctx)),
    run: |ctx, _, progress| Box::pin(run(ctx, progress)),
});

async fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
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
