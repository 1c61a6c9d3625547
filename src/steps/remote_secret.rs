//! `remote-secret`: lets one cluster's istiod read another cluster.

use base64::Engine as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;

use super::{Context, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{self, ISTIO_NAMESPACE, READER_TOKEN};
use crate::sys::kube::{KubeError, Manifest};

pub(super) async fn is_satisfied(ctx: &Context, of: &LabCluster, to: &str) -> Result<bool, StepError> {
    let Some(secret) = secret(ctx, of).await? else { return Ok(false) };
    Ok(ctx.client(to).await?.has(&secret).await?)
}

pub(super) async fn run(ctx: &Context, of: &LabCluster, to: &str) -> Result<bool, StepError> {
    let secret = secret(ctx, of).await?.ok_or_else(|| StepError::Missing(format!("reader's token of {}", of.name)))?;
    Ok(ctx.client(to).await?.apply(&secret).await?)
}

/// The remote secret of a cluster, once its token is there.
async fn secret(ctx: &Context, of: &LabCluster) -> Result<Option<Manifest>, StepError> {
    let api: Api<Secret> = Api::namespaced(ctx.client(&of.name).await?.client(), ISTIO_NAMESPACE);
    let token = api.get_opt(READER_TOKEN).await.map_err(|source| KubeError::Request {
        what: format!("read Secret {ISTIO_NAMESPACE}/{READER_TOKEN}"),
        source: Box::new(source),
    })?;
    let Some(mut data) = token.and_then(|t| t.data) else { return Ok(None) };
    let (Some(ca), Some(token)) = (data.remove("ca.crt"), data.remove("token")) else { return Ok(None) };
    let ca = base64::engine::general_purpose::STANDARD.encode(ca.0);
    let token = String::from_utf8_lossy(&token.0);
    Ok(Some(Manifest::from_values([render::remote_secret(of, &ca, &token)])?))
}
