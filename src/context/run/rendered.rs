//! Istio's objects of one cluster, as step `render-istio` has written them.

use kube::api::DynamicObject;

use super::super::StepError;
use crate::plan::LabCluster;
use crate::plan::render::{EAST_WEST_GATEWAY, INGRESS_GATEWAY};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::Manifest;
use crate::sys::state::LabState;

/// Istio's objects of one cluster, by the step that applies them.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) base: Manifest,
    pub(crate) istiod: Manifest,
    pub(crate) east_west_gateway: Manifest,
    pub(crate) ingress_gateway: Manifest,
}

/// Where those of a control plane are in the lab's state.
pub(crate) fn manifest_path(cluster: &LabCluster) -> String {
    let revision = cluster.revision.as_ref().map_or_else(String::new, |revision| format!("-{revision}"));
    format!("manifests/{}/istio{revision}.yaml", cluster.name)
}

/// What is written for a cluster.
pub(super) fn written(state: &LabState, cluster: &LabCluster) -> Result<String, StepError> {
    let yaml = state.read(&manifest_path(cluster))?;
    yaml.ok_or_else(|| StepError::Missing(format!("Istio's manifests of {}", cluster.name)))
}

/// Reads what is written for a cluster of the lab of that name.
pub(super) fn read(yaml: &str, lab: &str) -> Result<Rendered, StepError> {
    let mut all = Manifest::parse(yaml)?;
    all.label(&[(LAB_LABEL, lab)]);
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
