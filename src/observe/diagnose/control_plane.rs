//! Whether the control plane runs, is reached from where it must be, and watches every cluster.

use base64::Engine as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};

use super::{found, network};
use crate::context::{LabContext, StepError};
use crate::plan::render::{self, CONFIG_SECRET, EXTERNAL_ISTIOD, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::sys::kube::{Manifest, load_balancer_addresses};
use crate::verdict::{Finding, words};

/// Whether the istiod that serves a cluster runs and, if it is elsewhere, can be reached from there.
pub(in crate::observe) async fn runs(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<Finding>, StepError> {
    let host = ctx.lab.control_plane(cluster);
    let client = ctx.client(&host.name).await?;
    let again = ctx.lab.mended("it applies what is missing", || {
        format!(
            "see why: kubectl --context {} -n {ISTIO_NAMESPACE} describe deployment {}",
            ctx.lab.context(host),
            host.istiod()
        )
    });
    let istiod: Option<Deployment> = client.get(ISTIO_NAMESPACE, &host.istiod()).await?;
    let wanted = istiod.as_ref().map_or(0, |d| d.spec.replicas.unwrap_or(1));
    let available = istiod.and_then(|d| d.status).and_then(|s| s.available_replicas).unwrap_or(0);
    if available == 0 {
        return Ok(Some(Finding {
            cause: format!("istiod of {} does not run: no configuration for {}", host.name, served(ctx, host)),
            evidence: format!(
                "Deployment {ISTIO_NAMESPACE}/{} in {}: {available} of {wanted} replicas available",
                host.istiod(),
                host.name
            ),
            remedy: again,
        }));
    }
    if host.name == cluster.name {
        return Ok(None);
    }
    if cluster.existing.is_some() {
        return found::managed(ctx, cluster).await;
    }
    if let Some(planned) = host.addresses.get(&Gateway::Istiod).map(ToString::to_string) {
        let service: Option<Service> = client.get(ISTIO_NAMESPACE, EXTERNAL_ISTIOD).await?;
        let found = service.as_ref().map(load_balancer_addresses).unwrap_or_default();
        if !found.contains(&planned) {
            return Ok(Some(Finding {
                cause: format!(
                    "istiod of {} cannot be reached from other clusters: it does not have its address",
                    host.name
                ),
                evidence: format!(
                    "Service {ISTIO_NAMESPACE}/{EXTERNAL_ISTIOD} in {}: planned {planned}, found {}",
                    host.name,
                    words::names(found)
                ),
                remedy: again,
            }));
        }
    } else if let Some(finding) = network::gateway(ctx, host).await? {
        return Ok(Some(Finding {
            cause: format!("{} cannot reach its istiod in {}: {}", cluster.name, host.name, finding.cause),
            ..finding
        }));
    }
    let namespace = Manifest::from_values([render::istio_namespace(&ctx.lab, cluster)])?;
    if !ctx.client(&cluster.name).await?.has(&namespace).await? {
        return Ok(Some(Finding {
            cause: format!(
                "namespace {ISTIO_NAMESPACE} of {} does not say which control plane manages it",
                cluster.name
            ),
            evidence: format!(
                "the annotation topology.istio.io/controlPlaneClusters or the label topology.istio.io/network of \
                 Namespace {ISTIO_NAMESPACE} in {} is not what was planned",
                cluster.name
            ),
            remedy: format!(
                "{again}; istiod reads the annotation only when it adds a cluster, so delete its remote secret before"
            ),
        }));
    }
    Ok(None)
}

/// The clusters that an istiod serves, in words.
fn served(ctx: &LabContext, host: &LabCluster) -> String {
    let names: Vec<&str> =
        ctx.lab.data_clusters().filter(|c| c.primary == host.name).map(|c| c.name.as_str()).collect();
    names.join(", ")
}

/// Whether the istiod that serves `from` watches `to`.
pub(in crate::observe) async fn watches(
    ctx: &LabContext,
    from: &LabCluster,
    to: &LabCluster,
) -> Result<Option<Finding>, StepError> {
    let from = ctx.lab.control_plane(from);
    if to.name == from.name {
        return Ok(None);
    }
    let is_config = ctx.lab.is_host(from) && ctx.lab.is_config_cluster(to);
    if from.existing.is_some() {
        if !is_config && let Some(finding) = found::secret(ctx, from, to).await? {
            return Ok(Some(finding));
        }
        return if is_config { Ok(None) } else { synchronised(ctx, from, to, found::new_secret(ctx, from, to)).await };
    }
    let client = ctx.client(&from.name).await?;
    let name = if is_config { CONFIG_SECRET.to_owned() } else { format!("istio-remote-secret-{}", to.name) };
    let secret: Option<Secret> = client.get(ISTIO_NAMESPACE, &name).await?;
    let remedy = format!("lab up {} (it applies the secret again)", ctx.lab.name);
    let Some(secret) = secret else {
        return Ok(Some(Finding {
            cause: format!("istiod of {} does not watch {}: it has no remote secret for it", from.name, to.name),
            evidence: format!("Secret {ISTIO_NAMESPACE}/{name} does not exist in {}", from.name),
            remedy,
        }));
    };
    if is_config {
        // It does not start without.
        return Ok(None);
    }
    if let Some(evidence) = points_elsewhere(ctx, &secret, to).await? {
        return Ok(Some(Finding {
            cause: format!("istiod of {} cannot read {}: its remote secret is wrong", from.name, to.name),
            evidence: format!("Secret {ISTIO_NAMESPACE}/{name} in {}: {evidence}", from.name),
            remedy,
        }));
    }
    let labelled = secret.metadata.labels.unwrap_or_default().get("istio/multiCluster").is_some_and(|v| v == "true");
    if !labelled || !secret.data.unwrap_or_default().contains_key(&to.name) {
        return Ok(Some(Finding {
            cause: format!("istiod of {} does not watch {}: its remote secret is not usable", from.name, to.name),
            evidence: format!(
                "Secret {ISTIO_NAMESPACE}/{name} in {} lacks the label istio/multiCluster=true or the key {}",
                from.name, to.name
            ),
            remedy,
        }));
    }
    let mend = format!(
        "check that https://{}:6443 answers from {} and that the token in {name} is valid; `lab up` writes it anew",
        to.control_plane_node(),
        from.name
    );
    synchronised(ctx, from, to, mend).await
}

/// Whether an istiod has read what it watches of a cluster.
async fn synchronised(
    ctx: &LabContext,
    from: &LabCluster,
    to: &LabCluster,
    remedy: String,
) -> Result<Option<Finding>, StepError> {
    let client = ctx.client(&from.name).await?;
    let revision = from.revision.as_ref().map_or_else(String::new, |revision| format!(",istio.io/rev={revision}"));
    let pod = client.pod(ISTIO_NAMESPACE, &format!("app=istiod{revision}")).await?;
    let answer = client.http_get(ISTIO_NAMESPACE, &pod, 15014, "/debug/clusterz").await?;
    let clusters: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap_or_default();
    let status = clusters.iter().find(|c| c["id"] == to.id()).map(|c| c["syncStatus"].to_string());
    match status.as_deref().map(|s| s.trim_matches('"')) {
        Some("synced") => Ok(None),
        status => Ok(Some(Finding {
            cause: format!("istiod of {} has not synchronised with {}", from.name, to.name),
            evidence: format!("istiod's /debug/clusterz says {} of {}", status.unwrap_or("nothing"), to.id()),
            remedy,
        })),
    }
}

/// How the kubeconfig of a remote secret differs from what leads to a cluster: its server, or the certificate that it trusts.
async fn points_elsewhere(ctx: &LabContext, secret: &Secret, to: &LabCluster) -> Result<Option<String>, StepError> {
    let text = secret.data.as_ref().and_then(|d| d.get(&to.name)).map(|d| String::from_utf8_lossy(&d.0).into_owned());
    let kubeconfig: Option<serde_json::Value> = text.and_then(|t| serde_yaml::from_str(&t).ok());
    let Some(cluster) = kubeconfig.as_ref().and_then(|k| k.pointer("/clusters/0/cluster")) else { return Ok(None) };
    let server = cluster["server"].as_str().unwrap_or_default();
    if server != to.api_server() {
        return Ok(Some(format!("its server is {server}, and pods reach {} at {}", to.name, to.api_server())));
    }
    let token: Option<Secret> =
        ctx.client(&to.name).await?.get(ISTIO_NAMESPACE, &render::token_name(render::READER_ACCOUNT)).await?;
    let Some(ca) = token.and_then(|t| t.data).and_then(|mut d| d.remove("ca.crt")) else { return Ok(None) };
    let ca = base64::engine::general_purpose::STANDARD.encode(ca.0);
    let trusts = cluster["certificate-authority-data"].as_str().unwrap_or_default();
    Ok((trusts != ca).then(|| format!("it trusts another certificate than the one of {}'s API server", to.name)))
}
