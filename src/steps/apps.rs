//! `apps`: lab's own apps and the user's objects, until what runs is ready; what is no longer wanted is deleted.

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};

use super::{Context, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render;
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{Cluster, Manifest};

/// Where each namespace has the root certificate of Kubernetes itself.
const KUBERNETES_ROOT: &str = "kube-root-ca.crt";

/// An object that lab has applied, without the version of its kind: that may change while the object stays the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl Applied {
    fn of(object: &DynamicObject) -> Self {
        let types = object.types.clone().unwrap_or_default();
        Self {
            api_version: types.api_version,
            kind: types.kind,
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let group = |version: &str| version.rsplit_once('/').map(|(group, _)| group.to_owned());
        group(&self.api_version) == group(&other.api_version)
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }

    fn to_value(&self) -> serde_json::Value {
        serde_json::json!({ "apiVersion": self.api_version, "kind": self.kind,
            "metadata": { "namespace": self.namespace, "name": self.name } })
    }
}

/// What was applied and is not wanted any more. Namespaces that are there without any app stay, even if a scenario once named them.
fn stale(applied: &[Applied], wanted: &[Applied]) -> Vec<Applied> {
    let is_system = |a: &Applied| a.kind == "Namespace" && render::is_system(&a.name);
    applied.iter().filter(|a| !is_system(a) && !wanted.iter().any(|w| w.is_same(a))).cloned().collect()
}

/// What of a cluster lab has applied as apps, in the lab's state. It is never less than what there is.
fn record(cluster: &LabCluster) -> String {
    format!("applied/{}.json", cluster.name)
}

fn wanted(manifest: &Manifest) -> Vec<Applied> {
    let mut wanted: Vec<Applied> = manifest.objects.iter().map(Applied::of).collect();
    wanted.sort();
    wanted
}

pub(super) async fn is_satisfied(ctx: &Context, cluster: &LabCluster) -> Result<bool, StepError> {
    is_applied(ctx, &ctx.client(&cluster.name).await?, &manifest(ctx, cluster)?, &record(cluster)).await
}

pub(super) async fn run(ctx: &Context, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let client = ctx.client(&cluster.name).await?;
    if ctx.lab.has_istio(cluster) {
        ask_for_root(&client).await?;
    }
    apply(ctx, &client, &manifest(ctx, cluster)?, &record(cluster), progress).await
}

/// Has istiod write the root certificate into a namespace of apps that lost it. An istiod that once was not allowed to write there does not try
/// again by itself, but it fills a `ConfigMap` of that name as soon as there is one.
async fn ask_for_root(client: &Cluster) -> Result<(), StepError> {
    let map = async |name: &str| client.get::<ConfigMap>(render::APP_NAMESPACE, name).await;
    // Kubernetes writes its own into every namespace, so that one tells whether the namespace has been there for a while.
    if map(KUBERNETES_ROOT).await?.is_some() && map(render::ROOT_CERT).await?.is_none() {
        let empty = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": render::ROOT_CERT, "namespace": render::APP_NAMESPACE } });
        client.apply(&Manifest::from_values([empty])?).await?;
    }
    Ok(())
}

/// Whether exactly these objects are there, of all that the record has, and run.
pub(super) async fn is_applied(
    ctx: &Context,
    client: &Cluster,
    manifest: &Manifest,
    record: &str,
) -> Result<bool, StepError> {
    let applied: Option<Vec<Applied>> = ctx.state.read_json(record)?;
    if applied.as_ref() != Some(&wanted(manifest)) || !client.has(manifest).await? {
        return Ok(false);
    }
    for object in &manifest.objects {
        if !client.is_rolled_out(object).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Applies the objects, deletes those of the record that are none of them, and waits for what runs.
pub(super) async fn apply(
    ctx: &Context,
    client: &Cluster,
    manifest: &Manifest,
    record: &str,
    progress: &Progress,
) -> Result<bool, StepError> {
    let wanted = wanted(manifest);
    let applied: Vec<Applied> = ctx.state.read_json(record)?.unwrap_or_default();
    let stale = stale(&applied, &wanted);
    // Before anything is done, so that an interrupt forgets nothing.
    ctx.state.write_json(record, &[wanted.as_slice(), &stale].concat())?;
    let mut changed = client.apply(manifest).await?;
    let old = Manifest::from_values(stale.iter().map(Applied::to_value))?.reversed();
    for object in &old.objects {
        let Applied { kind, name, .. } = Applied::of(object);
        progress.say(format!("deleting {kind} {name}, which the scenario no longer names"));
        changed |= client.delete_until_gone(object, ctx.patience).await?;
    }
    ctx.state.write_json(record, &wanted)?;
    let waits = manifest.objects.iter().map(|object| client.until_rolled_out(object, ctx.patience, progress));
    try_join_all(waits).await?;
    Ok(changed)
}

pub(super) fn manifest(ctx: &Context, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut manifest = Manifest::from_values(render::apps(&ctx.lab, cluster, &ctx.prepared()?.images))?;
    manifest.label(&[(LAB_LABEL, &ctx.lab.name)]);
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(kind: &str, name: &str) -> Applied {
        let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
        Applied { api_version: api_version.into(), kind: kind.into(), namespace: None, name: name.into() }
    }

    #[test]
    fn what_is_no_longer_wanted_goes() {
        let before = [applied("Deployment", "web"), applied("Deployment", "old"), applied("Namespace", "demo")];
        let now = [applied("Deployment", "web"), applied("Service", "old")];
        assert_eq!(stale(&before, &now), [applied("Deployment", "old"), applied("Namespace", "demo")]);
        assert_eq!(stale(&now, &now), []);
    }

    #[test]
    fn another_version_of_its_kind_is_the_same_object() {
        let newer = Applied { api_version: "apps/v2".into(), ..applied("Deployment", "web") };
        assert_eq!(stale(&[applied("Deployment", "web")], &[newer]), []);
        let other = Applied { api_version: "example.org/v1".into(), ..applied("Deployment", "web") };
        assert_eq!(stale(&[applied("Deployment", "web")], &[other]).len(), 1);
    }

    #[test]
    fn namespaces_of_the_system_stay() {
        let before = ["default", "istio-system", "kube-system"].map(|n| applied("Namespace", n));
        assert_eq!(stale(&before, &[]), []);
    }
}
