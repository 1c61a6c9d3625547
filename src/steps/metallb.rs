//! `metallb`: MetalLB from the manifest that its own module ships, until its controller answers.

use base64::Engine as _;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::step::{self, Applied, Sends, Step};
use crate::context::{RunContext, StepError};
use crate::plan::Wait;
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{Cluster, Manifest};

pub(crate) const NAMESPACE: &str = "metallb-system";

/// Secret into which the controller writes the certificate of its webhook, from where it comes back to it by a mount.
const WEBHOOK_CERT: &str = "metallb-webhook-cert";
/// Secret with the key by which speakers know each other.
const MEMBERLIST: &str = "memberlist";
/// File with the key by which speakers know each other.
const MEMBERLIST_FILE: &str = "ca/memberlist-key";

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |_, _| {
        vec![
            Wait::Certificate { namespace: NAMESPACE, secret: WEBHOOK_CERT, pods: "app=metallb,component=controller" },
            Wait::Available { namespace: NAMESPACE, deployment: "controller".into() },
        ]
    },
    is_lacking: |ctx, action| {
        Box::pin(async move {
            restore_key(ctx, &step::client(ctx, action).await?).await?;
            Ok(false)
        })
    },
    ..Applied::of(Sends::Planned(|ctx, _| manifest(ctx)))
});

fn manifest(ctx: &RunContext) -> Result<Manifest, StepError> {
    let prepared = ctx.prepared()?;
    let mut manifest = Manifest::parse(&prepared.metallb_manifest)?;
    manifest.extend(Manifest::from_values([memberlist(ctx)?])?);
    manifest.label(&[(LAB_LABEL, &ctx.lab.name)]);
    manifest.state_replicas();
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
            for webhook in
                webhooks.iter_mut().filter_map(|w| w.get_mut("clientConfig")).filter_map(Value::as_object_mut)
            {
                webhook.remove("caBundle");
            }
        }
    }
    Ok(manifest)
}

/// The key of the lab's state, unless it is damaged.
fn key(ctx: &RunContext) -> Result<Option<String>, StepError> {
    let is_whole = |key: &String| {
        let der = base64::engine::general_purpose::STANDARD.decode(key).unwrap_or_default();
        rcgen::KeyPair::try_from(der).is_ok()
    };
    Ok(ctx.state.read(MEMBERLIST_FILE)?.filter(is_whole))
}

/// Takes a damaged key from a cluster that has it: speakers that run would not know others with a new one.
async fn restore_key(ctx: &RunContext, client: &Cluster) -> Result<(), StepError> {
    if key(ctx)?.is_some() {
        return Ok(());
    }
    let secret = client.get::<Secret>(NAMESPACE, MEMBERLIST).await?;
    let known = secret.and_then(|s| s.data?.remove("secretkey")).and_then(|key| String::from_utf8(key.0).ok());
    known.map_or(Ok(()), |known| Ok(ctx.state.write(MEMBERLIST_FILE, &known)?))
}

/// The speakers mount this Secret, which the controller would make only when it runs.
fn memberlist(ctx: &RunContext) -> Result<Value, StepError> {
    let key = if let Some(key) = key(ctx)? {
        key
    } else {
        // Any secret text will do; a fresh private key is one.
        let random = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?.serialize_der();
        let key = base64::engine::general_purpose::STANDARD.encode(random);
        ctx.state.write(MEMBERLIST_FILE, &key)?;
        key
    };
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": MEMBERLIST, "namespace": NAMESPACE },
        "type": "Opaque",
        "data": { "secretkey": base64::engine::general_purpose::STANDARD.encode(key) },
    }))
}
