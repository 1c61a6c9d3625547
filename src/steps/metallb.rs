//! `metallb`: MetalLB from the manifest that its own module ships, until its controller answers.

use serde_json::{Value, json};

use super::{Context, StepError, metallb_secrets};
use crate::exec::Progress;
use crate::sys::kube::Manifest;

pub(super) const NAMESPACE: &str = "metallb-system";

pub(super) async fn is_satisfied(ctx: &Context, cluster: &str) -> Result<bool, StepError> {
    let client = ctx.client(cluster).await?;
    Ok(client.has(&manifest(ctx)?).await? && client.is_available(NAMESPACE, "controller").await?)
}

pub(super) async fn run(ctx: &Context, cluster: &str, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(cluster).await?;
    let changed = client.apply(&manifest(ctx)?).await?;
    client.until_available(NAMESPACE, "controller", ctx.patience, progress).await?;
    Ok(changed)
}

/// MetalLB's manifest with the stack's image references, and with probes that see readiness when it is there.
fn manifest(ctx: &Context) -> Result<Manifest, StepError> {
    let prepared = ctx.prepared()?;
    let (_, mut manifest) = Manifest::parse(&prepared.metallb_manifest)?.split(is_secret);
    manifest.extend(Manifest::from_values(metallb_secrets::secrets(ctx)?)?);
    manifest.label(&[("dev.lab.lab", &ctx.lab.name)]);
    for object in &mut manifest.objects {
        let containers = object.data.pointer_mut("/spec/template/spec/containers");
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let key = format!("metallb-{}", container["name"].as_str().unwrap_or_default());
            if let Some(image) = prepared.images.get(&key) {
                container["image"] = json!(image);
                container["imagePullPolicy"] = json!("IfNotPresent");
            }
            if let Some(probe) = container.get_mut("readinessProbe") {
                probe["initialDelaySeconds"] = json!(0);
                probe["periodSeconds"] = json!(1);
                // At a period of one second the shipped threshold would be three seconds of a busy machine.
                probe["failureThreshold"] = json!(30);
            }
        }
        // The controller sets it.
        if let Some(webhooks) = object.data.get_mut("webhooks").and_then(Value::as_array_mut) {
            for webhook in webhooks.iter_mut().filter_map(|w| w.get_mut("clientConfig")).filter_map(Value::as_object_mut) {
                webhook.remove("caBundle");
            }
        }
    }
    Ok(manifest)
}

/// The manifest's own Secret is empty; ours of the same name is not.
fn is_secret(object: &kube::api::DynamicObject) -> bool {
    object.types.as_ref().is_some_and(|t| t.kind == "Secret")
}
