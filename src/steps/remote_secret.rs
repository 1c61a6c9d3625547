//! `remote-secret`: lets one cluster's istiod read another cluster.

use base64::Engine as _;
use k8s_openapi::api::core::v1::Secret;

use super::applied;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render::{self, CONFIG_ACCOUNT, ISTIO_NAMESPACE, READER_ACCOUNT, token_name};
use crate::plan::{Action, LabCluster};
use crate::sys::kube::Manifest;

fn action(of: &LabCluster, to: &str) -> Action {
    Action::RemoteSecret { of: of.name.clone(), to: to.to_owned() }
}

pub(super) async fn is_satisfied(ctx: &RunContext, of: &LabCluster, to: &str) -> Result<bool, StepError> {
    let Some(secret) = secret(ctx, of).await? else { return Ok(false) };
    applied::is_satisfied(ctx, &ctx.client(to).await?, &action(of, to), &secret).await
}

pub(super) async fn run(ctx: &RunContext, of: &LabCluster, to: &str, progress: &Progress) -> Result<bool, StepError> {
    let secret = secret(ctx, of).await?.ok_or_else(|| StepError::Missing(format!("token of {}", of.name)))?;
    applied::apply(ctx, &ctx.client(to).await?, &action(of, to), &secret, progress).await
}

/// The remote secret of a cluster, once its token is there. The cluster that an external istiod reads its configuration from is its own
/// cluster to it, and has a kubeconfig instead.
pub(crate) async fn secret(ctx: &RunContext, of: &LabCluster) -> Result<Option<Manifest>, StepError> {
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
