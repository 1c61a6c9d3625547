//! `render-istio`: istioctl renders the charts that it carries. It needs no cluster, so it runs while the clusters are made.

use kube::api::DynamicObject;
use sha2::{Digest as _, Sha256};

use super::{Context, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render::{self, EAST_WEST_GATEWAY, INGRESS_GATEWAY};
use crate::sys::kube::Manifest;
use crate::sys::process::Process;

/// Istio's objects of one cluster, by the step that applies them.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) base: Manifest,
    pub(super) istiod: Manifest,
    pub(super) east_west_gateway: Manifest,
    pub(super) ingress_gateway: Manifest,
}

fn operator_path(cluster: &LabCluster) -> String {
    format!("manifests/{}/istio-operator.json", cluster.name)
}

fn manifest_path(cluster: &LabCluster) -> String {
    format!("manifests/{}/istio.yaml", cluster.name)
}

/// The input of the rendering, and the program that renders it.
fn inputs(ctx: &Context, cluster: &LabCluster) -> Result<(String, String), StepError> {
    let prepared = ctx.prepared()?;
    let operator = render::istio_operator(&ctx.lab, cluster, &prepared.images, &prepared.istio_values);
    let text = format!("{operator:#}\n");
    let marked = format!("{text}// {}\n", prepared.istioctl.display());
    Ok((text, marked))
}

/// The input with the digest of what was made of it, which tells whether that is still whole.
fn sealed(marked: &str, manifest: &str) -> String {
    format!("{marked}// {:x}\n", Sha256::digest(manifest))
}

pub(super) fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    let (_, marked) = inputs(ctx, cluster)?;
    let manifest = ctx.state.read(&manifest_path(cluster))?.unwrap_or_default();
    Ok(ctx.state.read(&operator_path(cluster))?.as_ref() == Some(&sealed(&marked, &manifest)))
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let (operator, marked) = inputs(ctx, cluster)?;
    let yaml = Process::new(&ctx.prepared()?.istioctl)
        .args(["manifest", "generate", "--filename", "-"])
        .input(operator)
        .output()
        .await?;
    let (warnings, manifest) = split_warnings(&yaml);
    for warning in warnings {
        progress.say(format!("istioctl warns: {warning}"));
    }
    ctx.state.write(&manifest_path(cluster), manifest)?;
    ctx.state.write(&operator_path(cluster), &sealed(&marked, manifest))?;
    Ok(true)
}

/// istioctl prints its warnings about values on standard output, before the manifests.
fn split_warnings(output: &str) -> (Vec<&str>, &str) {
    let mut manifest = output;
    let mut warnings = Vec::new();
    while let Some((line, rest)) = manifest.split_once('\n') {
        if line.starts_with("apiVersion:") || line.starts_with("---") {
            break;
        }
        warnings.extend(Some(line.trim()).filter(|l| !l.is_empty()));
        manifest = rest;
    }
    (warnings, manifest)
}

/// What [`run`] rendered, as it is written.
pub(super) fn written(ctx: &Context, cluster: &LabCluster) -> Result<String, StepError> {
    let yaml = ctx.state.read(&manifest_path(cluster))?;
    yaml.ok_or_else(|| StepError::Missing(format!("Istio's manifests of {}", cluster.name)))
}

/// Reads what is written for a cluster of the lab of that name.
pub(super) fn rendered(yaml: &str, lab: &str) -> Result<Rendered, StepError> {
    let mut all = Manifest::parse(yaml)?;
    all.label(&[("dev.lab.lab", lab)]);
    all.state_replicas();
    all.objects.iter_mut().for_each(|object| {
        leave_to_istiod(object);
        probe_often(object);
    });
    let (east_west_gateway, rest) = all.split(|o| name(o).starts_with(EAST_WEST_GATEWAY));
    let (ingress_gateway, rest) = rest.split(|o| name(o).starts_with(INGRESS_GATEWAY));
    let (istiod, base) = rest.split(|o| {
        let kind = o.types.as_ref().map_or("", |t| t.kind.as_str());
        matches!(kind, "Deployment" | "PodDisruptionBudget") || kind.ends_with("WebhookConfiguration")
    });
    Ok(Rendered { base, istiod, east_west_gateway, ingress_gateway })
}

fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

/// Sees readiness within a second of it, rather than within the three that the chart leaves between two looks.
fn probe_often(object: &mut DynamicObject) {
    let containers = object.data.pointer_mut("/spec/template/spec/containers").and_then(|c| c.as_array_mut());
    for probe in containers.into_iter().flatten().filter_map(|c| c.get_mut("readinessProbe")) {
        probe["periodSeconds"] = 1.into();
    }
}

/// Takes out what istiod itself sets at run time: applying it again would undo istiod's work.
fn leave_to_istiod(object: &mut DynamicObject) {
    let is_validating = object.types.as_ref().is_some_and(|t| t.kind == "ValidatingWebhookConfiguration");
    let Some(webhooks) = object.data.get_mut("webhooks").and_then(|w| w.as_array_mut()) else { return };
    for webhook in webhooks {
        if is_validating && let Some(webhook) = webhook.as_object_mut() {
            webhook.remove("failurePolicy");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split_warnings;

    #[test]
    fn warnings_are_no_manifest() {
        let manifest = "apiVersion: v1\nkind: A\n---\napiVersion: v1\n";
        assert_eq!(split_warnings(manifest), (vec![], manifest));
        let output = format!("\twarn\twarnings occurred: 1 error:\n\t* X is deprecated\n\n{manifest}");
        assert_eq!(split_warnings(&output), (vec!["warn\twarnings occurred: 1 error:", "* X is deprecated"], manifest));
    }
}
