//! Whether both clusters of a call trust the same root.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{APP_NAMESPACE, ISTIO_NAMESPACE, ROOT_CERT};
use crate::verdict::Finding;

/// A namespace that istiod gives the root certificate to.
fn namespace(cluster: &LabCluster) -> &'static str {
    if cluster.existing.is_some() { ISTIO_NAMESPACE } else { APP_NAMESPACE }
}

/// The root certificate that istiod gives out to the namespaces of its cluster.
async fn root_of(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<String>, StepError> {
    let map: Option<ConfigMap> = ctx.client(&cluster.name).await?.get(namespace(cluster), ROOT_CERT).await?;
    Ok(map.and_then(|m| m.data).and_then(|mut d| d.remove("root-cert.pem")).map(|pem| pem.trim().to_owned()))
}

/// What both clusters trust, or that they do not trust the same.
pub(in crate::observe) async fn trust(
    ctx: &LabContext,
    from: &LabCluster,
    to: &LabCluster,
) -> Result<Result<String, Finding>, StepError> {
    let (ours, theirs) = tokio::try_join!(root_of(ctx, from), root_of(ctx, to))?;
    if let Some(root) = ours.as_ref().filter(|_| ours == theirs) {
        return Ok(Ok(format!("{} and {} trust the same root, {}", from.name, to.name, fingerprint(root))));
    }
    // The pair is named in the lab's order, so that it is one finding from either side.
    let first = ctx.lab.clusters.iter().find(|c| c.name == from.name || c.name == to.name).unwrap_or(from);
    let second = if first.name == from.name { to } else { from };
    let print = |pem: &Option<String>| pem.as_ref().map_or_else(|| "none".to_owned(), |p| fingerprint(p));
    let (one, two) = if first.name == from.name { (&ours, &theirs) } else { (&theirs, &ours) };
    Ok(Err(Finding {
        cause: format!(
            "{} and {} trust different root certificates, so mutual TLS between them fails",
            first.name, second.name
        ),
        evidence: format!(
            "ConfigMap {}/{ROOT_CERT}: {} in {}, {} in {} (SHA-256)",
            namespace(first),
            print(one),
            first.name,
            print(two),
            second.name
        ),
        remedy: if ctx.lab.is_existing() {
            "give every cluster a Secret istio-system/cacerts signed by one root, then restart istiod and the workloads of the cluster that differs".to_owned()
        } else {
            format!(
                "put the lab's own cacerts back with `lab up` and restart istiod and the workloads of the cluster that differs, or make the lab anew: `lab down {}`",
                ctx.lab.name
            )
        },
    }))
}

/// The start of a certificate's digest, enough to tell two apart.
fn fingerprint(pem: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(pem.as_bytes()))[..12].to_owned()
}
