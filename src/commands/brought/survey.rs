//! What `up` would do in a cluster that lab did not make: each object is tried, as a dry run that the API server judges, and none is applied.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::json;

use super::rights;
use super::taken::Taken;
use crate::commands::diff::{Difference, ObjectChange, ObjectVerb};
use crate::commands::eject;
use crate::context::run::Owner;
use crate::context::{RunContext, StepError};
use crate::plan::render::ISTIO_NAMESPACE;
use crate::plan::{Action, LabCluster, Plan};
use crate::steps::images::{Holder, held};
use crate::sys::kube::{Cluster, How, KubeError, Manifest, Right, describe, is_covered};

/// How the names of images begin that are lab's own, which no registry has under these names.
const OWN: &str = "lab.internal/";

/// What `up` would do in all clusters.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// By cluster, in the lab's order.
    pub clusters: Vec<ClusterSurvey>,
    /// Images that nodes would have to pull, with the nodes that do not hold them, as `CLUSTER: NODE`.
    pub pulled: BTreeMap<String, Vec<String>>,
}

/// What it would do in one cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterSurvey {
    /// Its name.
    pub cluster: String,
    /// Objects that would be made, by kind.
    pub creates: BTreeMap<String, Vec<String>>,
    /// Objects of the lab's that would change.
    pub changes: Vec<String>,
    /// Objects that exist, and are not the lab's.
    pub taken: Vec<Taken>,
    /// Objects that the API server would refuse, each with what it says.
    pub refused: Vec<(String, String)>,
    /// Rights that are missing. Then nothing was tried.
    pub missing: BTreeSet<Right>,
}

impl Survey {
    /// The images that nodes lack and no registry has.
    pub fn unpublished(&self) -> impl Iterator<Item = &str> {
        self.pulled.keys().map(String::as_str).filter(|image| image.starts_with(OWN))
    }

    /// A difference that was found object by object, with what is known here besides: what is not the lab's would be refused.
    #[must_use]
    pub fn difference(&self, found: Difference) -> Difference {
        let mut objects = found.objects;
        for survey in &self.clusters {
            let mut add = |object: String, change, reason: Option<&String>| {
                let (cluster, reason) = (survey.cluster.clone(), reason.cloned());
                let is_known = |known: &ObjectChange| known.cluster == cluster && known.object == object;
                if change == ObjectVerb::Refuse {
                    objects.retain(|known| !is_known(known));
                } else if objects.iter().any(is_known) {
                    return;
                }
                objects.push(ObjectChange { cluster, object, change, fields: Vec::new(), reason });
            };
            for (kind, names) in &survey.creates {
                for name in names {
                    add(format!("{kind} {name}"), ObjectVerb::Create, None);
                }
            }
            for object in &survey.changes {
                add(object.clone(), ObjectVerb::Change, None);
            }
            for taken in &survey.taken {
                add(taken.object.clone(), ObjectVerb::Refuse, Some(&taken.owner));
            }
            for (object, why) in &survey.refused {
                add(object.clone(), ObjectVerb::Refuse, Some(why));
            }
        }
        Difference { objects, ..found }
    }
}

impl ClusterSurvey {
    /// What would be done, as lines for a person.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if !self.missing.is_empty() {
            return vec![format!("{}: rights are missing, so nothing was tried", self.cluster)];
        }
        let count: usize = self.creates.values().map(Vec::len).sum();
        if count == 0 && self.changes.is_empty() {
            return vec![format!("{}: nothing would be made or changed", self.cluster)];
        }
        let mut lines =
            vec![format!("{}: {count} objects would be made, {} changed", self.cluster, self.changes.len())];
        lines.extend(self.creates.iter().map(|(kind, names)| format!("  make    {kind} {}", names.join(", "))));
        lines.extend(self.changes.iter().map(|object| format!("  change  {object}")));
        lines
    }
}

/// Looks at all clusters. The steps that need no cluster have run.
///
/// # Errors
/// A cluster does not answer.
pub async fn survey(ctx: &RunContext, plan: &Plan) -> Result<Survey, StepError> {
    let mut survey = Survey::default();
    for cluster in &ctx.lab.clusters {
        survey.clusters.push(of_cluster(ctx, plan, cluster).await?);
    }
    survey.pulled = pulled(ctx, plan, &held(ctx).await)?;
    Ok(survey)
}

/// The objects of a cluster with the steps that apply them, as far as no other cluster must be asked for what is in them; of the others what names them.
fn planned(ctx: &RunContext, plan: &Plan, cluster: &str) -> Result<Vec<(Action, Manifest)>, StepError> {
    let mut all = Vec::new();
    for step in plan.steps.iter().filter(|s| s.action.cluster() == Some(cluster)) {
        if let Some(manifest) = eject::manifest(ctx, &step.action)? {
            all.push((step.action.clone(), manifest));
        }
    }
    Ok(all)
}

/// What names the remote secrets that a cluster gets.
fn secrets(plan: &Plan, cluster: &str) -> Result<Manifest, StepError> {
    let of = plan.steps.iter().filter_map(|step| match &step.action {
        Action::RemoteSecret { of, to } if to == cluster => Some(of),
        _ => None,
    });
    let name = |of: &String| {
        json!({ "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": format!("istio-remote-secret-{of}"), "namespace": ISTIO_NAMESPACE } })
    };
    Ok(Manifest::from_values(of.map(name))?)
}

async fn of_cluster(ctx: &RunContext, plan: &Plan, cluster: &LabCluster) -> Result<ClusterSurvey, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let mut planned = planned(ctx, plan, &cluster.name)?;
    let secrets = secrets(plan, &cluster.name)?;
    let all: Vec<DynamicObject> =
        planned.iter().flat_map(|(_, m)| &m.objects).chain(&secrets.objects).cloned().collect();
    let mut survey = ClusterSurvey { cluster: cluster.name.clone(), ..ClusterSurvey::default() };
    survey.missing = rights::missing(&client, &all).await?;
    if !survey.missing.is_empty() {
        return Ok(survey);
    }
    // Nothing that the secret will say is known yet, but whether there is one is.
    let of_secrets = Action::IstioBase { cluster: cluster.name.clone() };
    let is_named_only = planned.len();
    planned.push((of_secrets, secrets));
    let mut seen = BTreeSet::new();
    for (at, (action, manifest)) in planned.iter().enumerate() {
        let owner = Owner::of(action);
        let inventory = ctx.inventory(&owner.place)?;
        let live = client.live_all(manifest).await?;
        let how = How { manager: owner.manager, yields: false, dry_run: true };
        let mut tried = Vec::new();
        for (object, live) in manifest.objects.iter().zip(live) {
            // Several steps may apply one.
            if !seen.insert(describe(object)) {
                continue;
            }
            match live {
                Some(live) if !inventory.has(object) => survey.taken.push(Taken::of(&live)),
                Some(live) if at == is_named_only || is_covered(&live, object) => {}
                Some(live) => tried.push((object, Some(live))),
                None => {
                    let kind = object.types.as_ref().map_or_else(String::new, |t| t.kind.clone());
                    let name = object.metadata.namespace.iter().cloned().chain([object.name_any()]);
                    survey.creates.entry(kind).or_default().push(name.collect::<Vec<_>>().join("/"));
                    if at != is_named_only {
                        tried.push((object, None));
                    }
                }
            }
        }
        let requests = tried.into_iter().map(|(object, live)| tried_out(&client, object, live, how));
        for (object, tried) in client.side_by_side::<_, StepError>(requests.collect::<Vec<_>>()).await? {
            match tried {
                Tried::Change => survey.changes.push(object),
                Tried::Refused(why) => survey.refused.push((object, why)),
                Tried::Nothing => {}
            }
        }
    }
    Ok(survey)
}

/// What came of a dry run of one object.
enum Tried {
    /// Nothing to tell.
    Nothing,
    /// It would change.
    Change,
    /// It would be refused, for this reason.
    Refused(String),
}

/// What an API server would do with an object. That its namespace or its kind is still to come is nothing.
async fn tried_out(
    client: &Cluster,
    object: &DynamicObject,
    live: Option<DynamicObject>,
    how: How,
) -> Result<(String, Tried), StepError> {
    let tried = match client.apply_object(object, live, how).await {
        Ok(sent) if sent.fields().is_empty() && sent.remade().is_none() => Tried::Nothing,
        Ok(_) => Tried::Change,
        Err(KubeError::UnknownKind { .. }) => Tried::Nothing,
        Err(error) if error.is_no_answer() => return Err(error.into()),
        Err(error) if error.is_missing() => Tried::Nothing,
        Err(error) => Tried::Refused(error.cause()),
    };
    Ok((describe(object), tried))
}

/// The images of lab's that nodes would have to pull, as far as nodes tell what they hold.
fn pulled(ctx: &RunContext, plan: &Plan, held: &[Holder]) -> Result<BTreeMap<String, Vec<String>>, StepError> {
    let prepared = ctx.prepared()?;
    let known: BTreeSet<&String> = prepared.images.values().collect();
    let mut pulled: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for cluster in &ctx.lab.clusters {
        let mut wanted: BTreeSet<String> = prepared.images.get("istio-proxyv2").cloned().into_iter().collect();
        for (_, manifest) in planned(ctx, plan, &cluster.name)? {
            wanted.extend(manifest.objects.iter().flat_map(images).filter(|image| known.contains(image)));
        }
        for holder in held.iter().filter(|holder| holder.cluster == cluster.name) {
            for image in wanted.iter().filter(|image| holder.has(image) == Some(false)) {
                pulled.entry(image.clone()).or_default().push(format!("{}: {}", holder.cluster, holder.node));
            }
        }
    }
    Ok(pulled)
}

/// The images of an object's containers.
fn images(object: &DynamicObject) -> Vec<String> {
    let spec = object.data.pointer("/spec/template/spec").or_else(|| object.data.pointer("/spec"));
    let lists = ["initContainers", "containers"].map(|list| spec.and_then(|spec| spec.get(list)?.as_array()));
    let containers = lists.into_iter().flatten().flatten();
    containers.filter_map(|container| container["image"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_made_is_listed_by_kind() {
        let mut survey = ClusterSurvey { cluster: "c1".to_owned(), ..ClusterSurvey::default() };
        assert_eq!(survey.lines(), ["c1: nothing would be made or changed"]);
        survey.creates.insert("Namespace".to_owned(), vec!["istio-system".to_owned(), "sample".to_owned()]);
        survey.changes.push("ConfigMap istio-system/istio".to_owned());
        assert_eq!(
            survey.lines(),
            [
                "c1: 2 objects would be made, 1 changed",
                "  make    Namespace istio-system, sample",
                "  change  ConfigMap istio-system/istio"
            ]
        );
    }

    #[test]
    fn the_images_of_an_object_are_those_of_its_containers() {
        let object: DynamicObject = serde_json::from_value(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" },
            "spec": { "template": { "spec": { "initContainers": [{ "image": "b" }], "containers": [{ "image": "c" }, {}] } } } }))
        .expect("an object");
        assert_eq!(images(&object), ["b", "c"]);
    }
}
