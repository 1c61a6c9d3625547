//! What the steps would apply, without any cluster: for who wants to apply it by other means.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::context::{RunContext, StepError};
use crate::plan::render;
use crate::plan::{Action, Lab, Plan, StepId, Wait};
use crate::steps::step::{self, Applied, Sends, Step};
use crate::steps::{self, root_ca};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{KubeError, Manifest};

/// Whether a step needs no cluster. What these make is what [`objects`] and [`certificates`] are made of.
#[must_use]
pub fn is_before_clusters(action: &Action) -> bool {
    matches!(action, Action::Images | Action::RootCa | Action::RenderIstio { .. })
}

/// What each step would apply, in the order in which a cluster accepts it. Objects do not have the label by which lab knows its own.
///
/// # Errors
/// A step that [`is_before_clusters`] has not run.
pub fn objects(ctx: &RunContext, plan: &Plan) -> Result<BTreeMap<StepId, Vec<Value>>, StepError> {
    let mut all = BTreeMap::new();
    for step in &plan.steps {
        let Some(mut manifest) = manifest(ctx, &step.action)? else { continue };
        for object in &mut manifest.objects {
            if let Some(labels) = &mut object.metadata.labels {
                labels.remove(LAB_LABEL);
            }
        }
        let values =
            manifest.objects.iter().map(|o| serde_json::to_value(o).map_err(|e| KubeError::Manifest(e.to_string())));
        all.insert(step.id.clone(), values.collect::<Result<_, _>>()?);
    }
    Ok(all)
}

/// What a step applies that needs no cluster to tell.
pub(super) fn manifest(ctx: &RunContext, action: &Action) -> Result<Option<Manifest>, StepError> {
    let Step::Applied(Applied { sends: Sends::Planned(manifest) | Sends::Rendered(manifest), .. }) = steps::of(action)
    else {
        return Ok(None);
    };
    manifest(ctx, &*step::cluster(ctx, action)?).map(Some)
}

/// What each step waits for in its cluster.
#[must_use]
pub fn waits(lab: &Lab, plan: &Plan) -> BTreeMap<StepId, Vec<Wait>> {
    plan.steps.iter().map(|step| (step.id.clone(), steps::waits(lab, &step.action))).collect()
}

/// Istio's installation of each cluster that has it.
///
/// # Errors
/// Step `images` has not run.
pub fn operators(ctx: &RunContext) -> Result<BTreeMap<String, Value>, StepError> {
    let prepared = ctx.prepared()?;
    let operator = |c| render::istio_operator(&ctx.lab, c, &prepared.images, &prepared.istio_values);
    Ok(ctx.lab.istio_clusters().map(|c| (c.name.clone(), operator(c))).collect())
}

/// Certificates and keys of the mesh as PEM text, by their paths; none without a mesh.
///
/// # Errors
/// Step `root-ca` has not run.
pub fn certificates(ctx: &RunContext) -> Result<BTreeMap<String, String>, StepError> {
    let mut found = BTreeMap::new();
    if !ctx.lab.has_mesh() {
        return Ok(found);
    }
    for path in root_ca::paths(ctx) {
        let pem = ctx.state.read(&path)?.ok_or_else(|| StepError::Missing(format!("certificate {path}")))?;
        found.insert(path.trim_start_matches("ca/").to_owned(), pem);
    }
    Ok(found)
}
