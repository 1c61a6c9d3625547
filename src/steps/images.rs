//! `images`: the tools and the node image are on this machine.

use std::collections::BTreeMap;

use super::step::{Custom, Step};
use crate::context::{RunContext, StepError, files};
use crate::exec::Progress;
use crate::images::{Prepared, having, is_prepared, prepare};
use crate::scenario::Versions;

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
    remember(ctx, all)?;
    Ok(true)
}

/// A lab keeps its source: Istio's settings depend on it, and the images of its nodes do not change.
fn remember(ctx: &RunContext, all: BTreeMap<Versions, Prepared>) -> Result<(), StepError> {
    if let Some(prepared) = all.values().next() {
        ctx.state.write_json(files::SOURCE, &prepared.source)?;
    }
    ctx.set_prepared(all);
    Ok(())
}
