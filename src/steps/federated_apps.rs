//! `federated-apps`: what the scenario gives to Karmada, until it runs in the members.

use super::step::{Applied, Sends, Step, at_once};
use crate::context::{RunContext, StepError, karmada_api};
use crate::plan::Wait;
use crate::plan::render;
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |lab, _| vec![Wait::RolledOut { but: render::unplaced(lab) }],
    // Before Karmada is installed, nobody can be asked whether it is there.
    ..Applied::of(Sends::Asked(|ctx, _| {
        at_once(karmada_api::is_built(ctx).and_then(|is| is.then(|| manifest(ctx)).transpose()))
    }))
});

fn manifest(ctx: &RunContext) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::federated(&ctx.lab, &ctx.prepared()?.images))?;
    manifest.label(&[(LAB_LABEL, &ctx.lab.name)]);
    Ok(manifest)
}
