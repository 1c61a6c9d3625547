//! `remote-secret`: lets one cluster's istiod read another cluster.

use base64::Engine as _;
use k8s_openapi::api::core::v1::Secret;

use super::step::{Applied, Sends, Step};
use crate::context::{RunContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{self, CONFIG_ACCOUNT, ISTIO_NAMESPACE, READER_ACCOUNT, token_name};
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Applied(Applied::of(Sends::Asked(|ctx, action| {
    Box::pin(async move { secret(ctx, ctx.cluster(action.reads().unwrap_or_default())?).await })
})));

/// The remote secret of a cluster, once its token is there. The cluster that an external istiod reads its configuration from is its own
/// cluster to it, and has a kubeconfig instead.
async fn secret(ctx: &RunContext, of: &LabCluster) -> Result<Option<Manifest>, StepError> {
    let account = render::lent_account(&ctx.lab, of).unwrap_or(READER_ACCOUNT);
    let is_config = account == CONFIG_ACCOUNT;
    let token: Option<Secret> = ctx.client(&of.name).await?.get(ISTIO_NAMESPACE, &token_name(account)).await?;
    let Some(mut data) = token.and_then(|t| t.data) else { return Ok(None) };
    let (Some(ca), Some(token)) = (data.remove("ca.crt"), data.remove("token")) else { return Ok(None) };
    let ca = base64::engine::general_purpose::STANDARD.encode(ca.0);
    let token = String::from_utf8_lossy(&token.0);
    let render = if is_config { render::config_kubeconfig } else { render::remote_secret };
    Ok(Some(Manifest::from_values([render(of, &ca, &token)])?))
}
