//! `istio-base`: all that istiod and the other clusters need before istiod starts.

use super::root_ca;
use super::step::{Applied, Sends, Step};
use crate::context::{RunContext, StepError};
use crate::plan::render::{self, ISTIO_NAMESPACE, token_name};
use crate::plan::{LabCluster, Wait};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |lab, cluster| {
        let account = render::lent_account(lab, cluster).into_iter();
        account.map(|account| Wait::Token { namespace: ISTIO_NAMESPACE, secret: token_name(account) }).collect()
    },
    ..Applied::of(Sends::Rendered(manifest))
});

fn manifest(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut own = vec![render::istio_namespace(&ctx.lab, cluster)];
    if cluster.runs_istiod() {
        own.push(render::cacerts(&root_ca::intermediate(ctx, &cluster.name)?));
    }
    own.extend(render::lent_account(&ctx.lab, cluster).into_iter().map(render::account_token));
    let mut manifest = istios(ctx, cluster)?;
    manifest.extend(Manifest::from_values(own)?);
    if ctx.lab.wants_gateway_api(cluster) {
        let mut definitions = ctx.gateway_api()?.clone();
        definitions.label(&[(LAB_LABEL, &ctx.lab.name)]);
        manifest.extend(definitions);
    }
    Ok(manifest)
}

/// Istio's own objects. Where a cluster has two control planes, what they share is that of the newer one, which the older one can do with.
fn istios(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let own = ctx.rendered(cluster)?.base.clone();
    let Some(other) = cluster.with_other() else { return Ok(own) };
    let beside = ctx.rendered(&other)?.base.clone();
    let is_newer = ctx.istio(&other)? > ctx.istio(cluster)?;
    let (mut newer, older) = if is_newer { (beside, own) } else { (own, beside) };
    newer.extend_missing(older);
    Ok(newer)
}
