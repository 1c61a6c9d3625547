//! `sidecars`: pods get sidecars when they start and keep them as they are. Those that carry what was before are restarted, one workload after
//! the other, so that a change of the mesh's settings reaches them; all other pods stay.
//!
//! What a pod would get now is asked of the API server, istiod's webhook included, by a dry run that creates nothing. A pod that has no owner is made
//! anew by lab if the scenario brings it, and otherwise told.

mod compare;
mod located;
mod owner;

pub(super) use located::remember as remember_located;
pub(crate) use owner::Owner;
use owner::POD;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{DaemonSet, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::apps;
use super::step::{Custom, Step, cluster};
use super::wait::{NO_REVISION, REVISION};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render::ISTIO_NAMESPACE;
use crate::sys::kube::{Cluster, KubeError, Manifest};

/// How many pods are tried at once.
const CONCURRENCY: usize = 8;

/// How often is looked whether an istiod that is replaced has ended.
const PAUSE: Duration = Duration::from_millis(200);

/// Label by which Karmada knows what it manages.
const KARMADA: &str = "karmada.io/managed";

/// An owner of pods that carry what was before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stale {
    owner: Owner,
    pods: Vec<String>,
    /// What is not as it would be now.
    why: String,
}

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| Box::pin(async move { is_satisfied(ctx, &*cluster(ctx, action)?).await }),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

async fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    Ok(stale(ctx, cluster).await?.is_empty())
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    // All its pods are of this run.
    if ctx.is_new(&cluster.name) {
        return Ok(false);
    }
    let client = ctx.client(&cluster.name).await?;
    let mut changed = false;
    for stale in stale(ctx, cluster).await? {
        changed |= restart(ctx, cluster, &client, &stale, progress).await?;
    }
    Ok(changed)
}

/// Restarts the pods of one owner, and waits until the new ones are ready. Tells whether it could.
async fn restart(
    ctx: &RunContext,
    cluster: &LabCluster,
    client: &Cluster,
    stale: &Stale,
    progress: &Progress,
) -> Result<bool, StepError> {
    let Stale { owner, pods, why } = stale;
    if owner.kind == POD
        && let Some(object) = brought(ctx, cluster, owner)?
    {
        progress.note(format!("{}: recreating {owner}: {why}", cluster.name));
        client.delete_until_gone(&object, ctx.patience).await?;
        apps::again(ctx, cluster, progress).await?;
        return Ok(true);
    }
    let identity = owner.identity();
    let Some(live) = client.read(&identity).await? else { return Ok(false) };
    if let Some(reason) = left_to_the_user(&live) {
        progress.note(format!("{}: {owner} is not restarted, {reason}: {why}", cluster.name));
        return Ok(false);
    }
    progress.note(format!("{}: restarting {owner}: {why}", cluster.name));
    if owner.kind == "ReplicaSet" || live.labels().contains_key(KARMADA) {
        // Nothing restarts a ReplicaSet, and Karmada would take out an annotation that it has not written.
        for pod in pods {
            client.delete_pod(&owner.namespace, pod).await?;
            client.until_rolled_out(&live, ctx.patience, progress).await?;
        }
        return Ok(true);
    }
    client.restart(&live).await?;
    let workload = Manifest::from_values([identity])?;
    for object in &workload.objects {
        client.until_rolled_out(object, ctx.patience, progress).await?;
    }
    Ok(true)
}

/// What would be restarted now, and why; without what is left to the user.
pub(crate) async fn outdated(ctx: &RunContext, cluster: &LabCluster) -> Result<Vec<(String, String)>, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let mut found = Vec::new();
    for Stale { owner, why, .. } in stale(ctx, cluster).await? {
        let is_brought = owner.kind == POD && is_brought(&apps::manifest(ctx, cluster)?, &owner);
        let live = client.read(&owner.identity()).await?;
        if is_brought || live.is_some_and(|live| left_to_the_user(&live).is_none()) {
            found.push((owner.to_string(), why));
        }
    }
    Ok(found)
}

/// What runs pods with sidecars, and would be restarted for them.
pub(crate) async fn carriers(ctx: &RunContext, cluster: &LabCluster) -> Result<BTreeSet<Owner>, StepError> {
    carriers_of(ctx, cluster, |_| true).await
}

/// The same, as far as their sidecars are of another control plane than the one that they would get now.
pub(crate) async fn behind(ctx: &RunContext, cluster: &LabCluster) -> Result<BTreeSet<Owner>, StepError> {
    let revision = cluster.revision.as_deref().unwrap_or(NO_REVISION);
    carriers_of(ctx, cluster, |pod| pod.annotations().get(REVISION).is_none_or(|of| of != revision)).await
}

async fn carriers_of(
    ctx: &RunContext,
    cluster: &LabCluster,
    is_meant: impl Fn(&Pod) -> bool,
) -> Result<BTreeSet<Owner>, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let pods: Vec<Pod> = client.everywhere().await?.into_iter().filter(is_of_interest).collect();
    let (templates, own) = (Templates::of(&client, &pods).await?, apps::manifest(ctx, cluster)?);
    let mut owners = BTreeSet::new();
    for pod in pods.iter().filter(|pod| compare::has_sidecar(pod) && is_meant(pod)) {
        let alone = alone(pod);
        match templates.owner(pod) {
            Some((owner, _)) => owners.extend([owner]),
            None if alone.as_ref().is_some_and(|pod| is_brought(&own, pod)) => owners.extend(alone),
            None => {}
        }
    }
    Ok(owners)
}

/// The pod without an owner, if the scenario brings it.
fn brought(ctx: &RunContext, cluster: &LabCluster, pod: &Owner) -> Result<Option<DynamicObject>, StepError> {
    Ok(apps::manifest(ctx, cluster)?.objects.into_iter().find(|object| is_pod(object, pod)))
}

/// Whether the `own` objects of the scenario have the pod.
fn is_brought(own: &Manifest, pod: &Owner) -> bool {
    own.objects.iter().any(|object| is_pod(object, pod))
}

fn is_pod(object: &DynamicObject, pod: &Owner) -> bool {
    object.types.as_ref().is_some_and(|t| t.kind == POD && t.api_version == "v1")
        && object.metadata.name.as_ref() == Some(&pod.name)
        && object.metadata.namespace.as_deref().unwrap_or("default") == pod.namespace
}

/// Why pods are not restarted, where only the user can tell when they may be.
fn left_to_the_user(owner: &DynamicObject) -> Option<&'static str> {
    if owner.types.as_ref().is_some_and(|t| t.kind == POD) {
        return Some("because nothing would recreate it; delete it and create it again yourself");
    }
    let spec = &owner.data["spec"];
    if spec["paused"] == true {
        return Some("because its rollouts are paused");
    }
    let strategy = &spec["updateStrategy"];
    let by_user = strategy["type"] == "OnDelete" || strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0) > 0;
    by_user.then_some("because its update strategy leaves that to you")
}

/// The owners of pods of a cluster that carry what was before, with their pods.
async fn stale(ctx: &RunContext, cluster: &LabCluster) -> Result<Vec<Stale>, StepError> {
    ctx.mesh_settled().await;
    until_one_control_plane(ctx, cluster).await?;
    let client = ctx.client(&cluster.name).await?;
    let pods: Vec<Pod> = client.everywhere().await?.into_iter().filter(is_of_interest).collect();
    let templates = Templates::of(&client, &pods).await?;
    let since = located::localities(&client.list().await?);
    let located = located::located(ctx, &cluster.name)?;
    let own = apps::manifest(ctx, cluster)?;
    let tried: Vec<Option<(Owner, String, String)>> = stream::iter(&pods)
        .map(|pod| {
            let (client, templates, since, located, own) = (&client, &templates, &since, &located, &own);
            async move {
                let made = match templates.owner(pod) {
                    Some((owner, template)) => Some((owner, compare::trial(pod, template))),
                    None => alone(pod).map(|owner| (owner, compare::trial_of_bare(pod, own))),
                };
                let Some((owner, trial)) = made else { return Ok(None) };
                let why = match located::moved(pod, since, located) {
                    Some(why) => Some(why.to_owned()),
                    None => changed(client, pod, &trial).await?,
                };
                Ok::<_, StepError>(why.map(|why| (owner, pod.name_any(), why)))
            }
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(by_owner(tried.into_iter().flatten()))
}

/// Waits until an istiod that another has replaced has ended: until then the webhook may still be answered by it, with what was before.
async fn until_one_control_plane(ctx: &RunContext, cluster: &LabCluster) -> Result<(), StepError> {
    let host = ctx.client(&ctx.lab.control_plane(cluster).name).await?;
    let all = async {
        while host.is_terminating(ISTIO_NAMESPACE, "app=istiod").await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    };
    // One that does not end is not waited for: what it may answer is seen the next time.
    tokio::time::timeout(ctx.patience, all).await.unwrap_or(Ok(()))
}

/// How what a pod carries differs from what it would get now.
async fn changed(client: &Cluster, pod: &Pod, trial: &Pod) -> Result<Option<String>, StepError> {
    let namespace = pod.namespace().unwrap_or_default();
    match client.dry_run(&namespace, trial).await {
        Ok(new) => {
            let Some(why) = compare::difference(pod, &new) else { return Ok(None) };
            // What comes out otherwise each time says nothing, and would restart the pod at every `up`.
            let again = client.dry_run(&namespace, trial).await?;
            Ok(compare::difference(&new, &again).is_none().then_some(why))
        }
        Err(error @ KubeError::Request { .. }) => {
            // A new pod would be refused as well, so a restart would only take away the one that runs.
            tracing::debug!(pod = pod.name_any(), %error, "cannot be tried");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a pod runs or is about to, for long, and may have a sidecar at all.
fn is_of_interest(pod: &Pod) -> bool {
    let ended =
        pod.status.as_ref().and_then(|s| s.phase.as_deref()).is_some_and(|p| matches!(p, "Succeeded" | "Failed"));
    let on_host = pod.spec.as_ref().is_some_and(|s| s.host_network == Some(true));
    pod.metadata.deletion_timestamp.is_none() && !ended && !on_host
}

/// Pods by owner, in the order of owners; the first difference stands for all.
fn by_owner(pods: impl Iterator<Item = (Owner, String, String)>) -> Vec<Stale> {
    let mut all: BTreeMap<Owner, (Vec<String>, String)> = BTreeMap::new();
    for (owner, pod, why) in pods {
        all.entry(owner).or_insert_with(|| (Vec::new(), why)).0.push(pod);
    }
    all.into_iter().map(|(owner, (pods, why))| Stale { owner, pods, why }).collect()
}

/// The templates that pods are made of.
struct Templates {
    by_owner: BTreeMap<Owner, (Owner, PodTemplateSpec)>,
}

impl Templates {
    /// Those of all owners of these pods. Each kind is asked for only if it owns any.
    async fn of(client: &Cluster, pods: &[Pod]) -> Result<Self, StepError> {
        let owns = |kind: &str| pods.iter().filter_map(controller).any(|owner| owner.kind == kind);
        let mut by_owner = BTreeMap::new();
        if owns("ReplicaSet") {
            for set in client.everywhere::<ReplicaSet>().await? {
                let own = owner("ReplicaSet", &set.metadata);
                let above = set.metadata.owner_references.iter().flatten().find(|o| o.kind == "Deployment");
                let above = above.map(|o| Owner { kind: o.kind.clone(), name: o.name.clone(), ..own.clone() });
                let template = set.spec.template;
                by_owner.extend(template.map(|t| (own.clone(), (above.unwrap_or(own), t))));
            }
        }
        if owns("StatefulSet") {
            for set in client.everywhere::<StatefulSet>().await? {
                let own = owner("StatefulSet", &set.metadata);
                by_owner.insert(own.clone(), (own, set.spec.template));
            }
        }
        if owns("DaemonSet") {
            for set in client.everywhere::<DaemonSet>().await? {
                let own = owner("DaemonSet", &set.metadata);
                by_owner.insert(own.clone(), (own, set.spec.template));
            }
        }
        Ok(Self { by_owner })
    }

    /// Who is restarted so that a pod is made anew, and of what template; nobody for the pods of a Job, which end by themselves.
    fn owner(&self, pod: &Pod) -> Option<(Owner, &PodTemplateSpec)> {
        let above = controller(pod)?;
        let namespace = pod.namespace().unwrap_or_default();
        let key = Owner { namespace, kind: above.kind.clone(), name: above.name.clone() };
        self.by_owner.get(&key).map(|(owner, template)| (owner.clone(), template))
    }
}

/// A pod that has no owner.
fn alone(pod: &Pod) -> Option<Owner> {
    controller(pod).is_none().then(|| owner(POD, &pod.metadata))
}

fn controller(pod: &Pod) -> Option<&OwnerReference> {
    pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

fn owner(kind: &str, metadata: &ObjectMeta) -> Owner {
    Owner {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        kind: kind.to_owned(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use serde_json::json;

    use super::*;

    fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).expect("an object")
    }

    pub(super) fn pod(created: &str, sidecar: bool) -> Pod {
        let annotations = if sidecar { json!({ "sidecar.istio.io/status": "{}" }) } else { json!({}) };
        read(
            json!({ "metadata": { "name": "web-1", "namespace": "demo", "creationTimestamp": created, "annotations": annotations,
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d9", "uid": "1", "controller": true }] },
            "spec": { "nodeName": "n1", "containers": [] } }),
        )
    }

    #[test]
    fn a_pod_without_an_owner_is_its_own() {
        let mut pod = pod("2026-01-01T07:00:00Z", true);
        assert_eq!(alone(&pod), None);
        pod.metadata.owner_references = None;
        assert_eq!(alone(&pod).map(|o| o.to_string()).as_deref(), Some("Pod demo/web-1"));
    }

    #[test]
    fn pods_that_end_or_have_no_network_of_their_own_are_left_out() {
        let mut ended = pod("2026-01-01T07:00:00Z", true);
        assert!(is_of_interest(&ended));
        ended.status = Some(read(json!({ "phase": "Succeeded" })));
        assert!(!is_of_interest(&ended));
        let mut host = pod("2026-01-01T07:00:00Z", true);
        host.spec.as_mut().expect("a spec").host_network = Some(true);
        assert!(!is_of_interest(&host));
    }

    #[test]
    fn each_owner_is_restarted_once() {
        let owner = |name: &str| Owner { namespace: "demo".into(), kind: "Deployment".into(), name: name.into() };
        let found = [("b", "b-1", "x"), ("a", "a-1", "y"), ("b", "b-2", "z")];
        let all = by_owner(found.into_iter().map(|(of, pod, why)| (owner(of), pod.to_owned(), why.to_owned())));
        let told: Vec<_> = all.iter().map(|s| (s.owner.to_string(), s.pods.join(" "), s.why.as_str())).collect();
        let (a, b) = ("Deployment demo/a".to_owned(), "Deployment demo/b".to_owned());
        assert_eq!(told, [(a, "a-1".to_owned(), "y"), (b, "b-1 b-2".to_owned(), "x")]);
    }

    #[test]
    fn what_the_user_updates_is_left_to_the_user() {
        let of = |kind: &str, spec: Value| {
            left_to_the_user(&read(
                json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "a" }, "spec": spec }),
            ))
            .is_some()
        };
        assert!(!of("Deployment", json!({ "paused": false })));
        assert!(of("Deployment", json!({ "paused": true })));
        assert!(of("DaemonSet", json!({ "updateStrategy": { "type": "OnDelete" } })));
        assert!(of("StatefulSet", json!({ "updateStrategy": { "rollingUpdate": { "partition": 1 } } })));
        assert!(!of("StatefulSet", json!({ "updateStrategy": { "rollingUpdate": { "partition": 0 } } })));
        assert!(of("Pod", json!({})));
    }
}
