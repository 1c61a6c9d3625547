//! Takes a lab out of a cluster that it did not make: what its inventory names, what its istiod has left elsewhere, and nothing else.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::applied::{is_made, only_identity, take_away};
use crate::context::run::{Entry, Owner};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render::{ISTIO_NAMESPACE, ROOT_CERT};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{Cluster, How, Manifest, describe};
use crate::sys::state::LabState;

/// The field manager of an istiod.
const ISTIOD: &str = "pilot-discovery";
/// `ConfigMap`s that an istiod gives to every namespace.
const GIVEN: [&str; 2] = [ROOT_CERT, "istio-ca-crl"];
/// How long the pods of an istiod may take to end.
const ENDING: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// How many things of others are told that keep something.
const MOST_TOLD: usize = 5;

/// Which cluster it was, and what of that kind it had which an istiod makes outside of its own namespace, before the lab came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Before {
    /// What no other cluster has: the UID of its system's namespace.
    pub(crate) uid: Option<String>,
    /// What another istiod had made.
    given: BTreeSet<String>,
    /// Classes of gateways that were there.
    gateway_classes: BTreeSet<String>,
}

fn path(cluster: &str) -> String {
    format!("before/{cluster}.json")
}

impl Before {
    /// As it is now.
    pub(crate) async fn look(client: &Cluster) -> Result<Self, StepError> {
        let given = given(client).await?.iter().map(describe).collect();
        let classes = gateway_classes(client).await?.iter().map(ResourceExt::name_any).collect();
        Ok(Self { uid: uid(client).await?, given, gateway_classes: classes })
    }

    /// What an earlier run has written down.
    pub(crate) fn known(state: &LabState, cluster: &str) -> Result<Option<Self>, StepError> {
        Ok(state.read_json(&path(cluster))?)
    }

    /// Writes it down, unless an earlier run has.
    pub(crate) fn keep(&self, state: &LabState, cluster: &str) -> Result<(), StepError> {
        if state.read(&path(cluster))?.is_none() {
            state.write_json(&path(cluster), self)?;
        }
        Ok(())
    }
}

/// What no other cluster has; nothing where whoever is let in may not see it.
///
/// # Errors
/// The API server does not answer.
pub(crate) async fn uid(client: &Cluster) -> Result<Option<String>, StepError> {
    let system = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kube-system" } });
    match client.read(&system).await {
        Ok(namespace) => Ok(namespace.and_then(|namespace| namespace.metadata.uid)),
        Err(error) if error.is_forbidden() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes the lab out of a cluster. Gives what stays, since others use it, each as a line for the user.
pub(crate) async fn withdraw(ctx: &RunContext, cluster: &str, progress: &Progress) -> Result<Vec<String>, StepError> {
    let client = ctx.client(cluster).await?;
    let mut kept = Vec::new();
    // What was made last goes first: it may need what was there before.
    for entry in ctx.inventory(cluster)?.entries().iter().rev() {
        let object = entry.to_object()?;
        let step =
            entry.step.clone().ok_or_else(|| StepError::Missing(format!("who applied {}", describe(&object))))?;
        let owner = Owner::by(cluster, step);
        if let Some(line) = used(ctx, &client, cluster, entry, &object).await? {
            leave(&client, &object, &owner).await?;
            kept.push(line);
            ctx.change_inventory(cluster, |inventory| inventory.forget(entry))?;
        } else {
            take_away(ctx, &client, &owner, entry, progress).await?;
        }
    }
    let before = Before::known(&ctx.state, cluster)?.unwrap_or_default();
    sweep(&client, &before, progress).await?;
    Ok(kept)
}

/// Why an object of lab's stays: others have something in a namespace, or of a kind.
async fn used(
    ctx: &RunContext,
    client: &Cluster,
    cluster: &str,
    entry: &Entry,
    object: &DynamicObject,
) -> Result<Option<String>, StepError> {
    if !is_made(entry) || ctx.inventory(cluster)?.is_shared(entry) {
        return Ok(None);
    }
    let others = match object.types.as_ref().map_or("", |types| types.kind.as_str()) {
        "Namespace" => {
            let mut within = client.within(&object.name_any()).await?;
            within.retain(|found| is_others(found, &ctx.lab.name));
            within
        }
        "CustomResourceDefinition" => {
            let mut instances = client.instances(object).await?;
            instances.retain(|found| is_others(found, &ctx.lab.name) && !is_istios_class(found));
            instances
        }
        _ => return Ok(None),
    };
    if others.is_empty() {
        return Ok(None);
    }
    let mut told: Vec<String> = others.iter().take(MOST_TOLD).map(describe).collect();
    if others.len() > MOST_TOLD {
        told.push(format!("and {} more", others.len() - MOST_TOLD));
    }
    Ok(Some(format!("{} stays in {cluster}, since others use it: {}", describe(object), told.join(", "))))
}

/// Whether an object in a namespace of the lab's is somebody else's, rather than the lab's or what Kubernetes and istiod make in every namespace.
fn is_others(object: &DynamicObject, lab: &str) -> bool {
    let (kind, name) = (object.types.as_ref().map_or("", |t| t.kind.as_str()), object.name_any());
    let is_of_system = match kind {
        "Event" | "Endpoints" | "EndpointSlice" | "Lease" | "PodMetrics" => true,
        "ConfigMap" => name == "kube-root-ca.crt" || GIVEN.contains(&name.as_str()),
        "ServiceAccount" => name == "default",
        "Secret" => object.data["type"] == "kubernetes.io/service-account-token",
        _ => false,
    };
    // What controllers make for themselves, as istiod its leaders' ConfigMaps and MetalLB the state of its Services.
    let is_made_by_controllers = is_made_by(object, &[ISTIOD, "controller", "speaker", "kube-controller-manager"]);
    object.metadata.deletion_timestamp.is_none()
        && object.owner_references().is_empty()
        && object.labels().get(LAB_LABEL).is_none_or(|value| value != lab)
        && !is_of_system
        && !is_made_by_controllers
}

/// Takes what lab has set from an object that stays. A definition is whole only with what lab has applied, so it loses no more than the label.
async fn leave(client: &Cluster, object: &DynamicObject, owner: &Owner) -> Result<(), StepError> {
    if object.types.as_ref().is_some_and(|types| types.kind == "Namespace") {
        let how = How { manager: owner.manager, ..How::OWN };
        for identity in only_identity(object)?.objects {
            client.apply_object(&identity, None, how).await?;
        }
    }
    Ok(client.merge(object, &json!({ "metadata": { "labels": { LAB_LABEL: null } } })).await?)
}

/// Removes what istiod has made outside of its own namespace, once none runs that would make it again.
async fn sweep(client: &Cluster, before: &Before, progress: &Progress) -> Result<(), StepError> {
    let start = Instant::now();
    while !client.list_in::<Pod>(ISTIO_NAMESPACE, "app=istiod").await?.is_empty() && start.elapsed() < ENDING {
        progress.say("waiting until istiod has ended");
        tokio::time::sleep(PAUSE).await;
    }
    for object in given(client).await? {
        if !before.given.contains(&describe(&object)) {
            client.delete(&object).await?;
        }
    }
    for class in gateway_classes(client).await? {
        if !before.gateway_classes.contains(&class.name_any()) {
            client.delete(&class).await?;
        }
    }
    Ok(())
}

/// What an istiod has given to namespaces, and what it has made for itself in its own.
async fn given(client: &Cluster) -> Result<Vec<DynamicObject>, StepError> {
    let maps: Vec<ConfigMap> = client.everywhere().await?;
    let maps = maps
        .iter()
        .filter(|map| GIVEN.contains(&map.name_any().as_str()) && map.labels().contains_key("istio.io/config"));
    let maps = maps.map(|map| {
        let named = json!({ "name": map.name_any(), "namespace": map.namespace() });
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": named })
    });
    let mut all = Manifest::from_values(maps)?.objects;
    let own = client.within(ISTIO_NAMESPACE).await?;
    all.extend(own.into_iter().filter(|object| is_made_by(object, &[ISTIOD]) && object.owner_references().is_empty()));
    Ok(all)
}

/// Whether these alone have made an object, as its field managers tell.
fn is_made_by(object: &DynamicObject, managers: &[&str]) -> bool {
    let all: Vec<&str> = object.managed_fields().iter().filter_map(|m| m.manager.as_deref()).collect();
    !all.is_empty() && all.iter().all(|manager| managers.contains(manager))
}

/// The classes of gateways of Istio's own, which it makes where the cluster knows the kind.
async fn gateway_classes(client: &Cluster) -> Result<Vec<DynamicObject>, StepError> {
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "gatewayclasses.gateway.networking.k8s.io" } });
    let mut found = Vec::new();
    for definition in Manifest::from_values([definition])?.objects {
        found.extend(client.instances(&definition).await?);
    }
    found.retain(is_istios_class);
    Ok(found)
}

fn is_istios_class(class: &DynamicObject) -> bool {
    class.data["spec"]["controllerName"].as_str().is_some_and(|name| name.starts_with("istio.io/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: serde_json::Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn what_others_have_in_a_namespace_of_labs_keeps_it() {
        let of = |kind: &str, name: &str, more: serde_json::Value| {
            let mut metadata = json!({ "name": name, "namespace": "sample" });
            if let (Some(metadata), Some(more)) = (metadata.as_object_mut(), more.as_object()) {
                metadata.extend(more.clone());
            }
            is_others(&object(json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata })), "demo")
        };
        assert!(of("ConfigMap", "theirs", json!({})));
        assert!(of("Deployment", "theirs", json!({ "labels": { LAB_LABEL: "another" } })));
        assert!(of(
            "ConfigMap",
            "a",
            json!({ "managedFields": [{ "manager": "kubectl" }, { "manager": "controller" }] })
        ));
        assert!(!of("Deployment", "ours", json!({ "labels": { LAB_LABEL: "demo" } })));
        assert!(!of("ConfigMap", ROOT_CERT, json!({})) && !of("ServiceAccount", "default", json!({})));
        assert!(!of("ConfigMap", "istio-leader", json!({ "managedFields": [{ "manager": "pilot-discovery" }] })));
        assert!(!of("Pod", "a", json!({ "deletionTimestamp": "2026-11-27T10:00:00Z" })));
        let owner = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": "b" });
        assert!(!of("Pod", "a", json!({ "ownerReferences": [owner] })));
    }
}
