//! What `lab up` would change, object by object. Nothing is changed: the API server is asked as a dry run.

use kube::api::DynamicObject;
use serde::Serialize;

use super::eject;
use crate::context::karmada_api;
use crate::context::run::{Entry, Inventory, Owner};
use crate::context::{RunContext, StepError};
use crate::plan::{Action, Lab, LabCluster, Plan};
use crate::steps::applied::{as_applied, back, how, is_made, line};
use crate::steps::{federated_apps, karmada, locality, remote_secret};
use crate::sys::kube::{Cluster, FieldChange, How, KubeError, Manifest, describe, is_covered};

/// What would change.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Clusters, and what would be done to each as a whole.
    pub clusters: Vec<ClusterChange>,
    /// Objects that would change.
    pub objects: Vec<ObjectChange>,
}

/// What would be done to a cluster as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterChange {
    /// Its name.
    pub cluster: String,
    /// What would be done.
    pub change: ClusterVerb,
}

/// What would be done to a cluster as a whole. Its objects are not compared then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterVerb {
    /// It is not there.
    Create,
    /// Its nodes do not run, or its API server does not answer.
    Start,
}

/// What would be done to an object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// The cluster, or `karmada/api`.
    pub cluster: String,
    /// Kind, namespace and name.
    pub object: String,
    /// What would be done.
    pub change: ObjectVerb,
    /// The fields, where the object stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Why the API server would refuse it, or what of it cannot be changed in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What would be done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectVerb {
    /// It is not there.
    Create,
    /// Fields differ.
    Change,
    /// It cannot be changed in place, and is deleted and made anew.
    Remake,
    /// It gets back what it had before lab applied to it.
    Restore,
    /// It is no longer planned.
    Delete,
    /// The API server would refuse the change.
    Refuse,
}

impl Difference {
    /// Whether `lab up` would change nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.clusters.is_empty() && self.objects.is_empty()
    }

    /// A line for each cluster and each object.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let clusters = self.clusters.iter().map(|c| match c.change {
            ClusterVerb::Create => format!("create   {}  the cluster, with all that is planned in it", c.cluster),
            ClusterVerb::Start => format!("start    {}  its nodes; what is in it cannot be compared before", c.cluster),
        });
        let objects = self.objects.iter().map(|o| {
            let verb = match o.change {
                ObjectVerb::Create => "create",
                ObjectVerb::Change => "change",
                ObjectVerb::Remake => "remake",
                ObjectVerb::Restore => "restore",
                ObjectVerb::Delete => "delete",
                ObjectVerb::Refuse => "refuse",
            };
            let reason = o.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
            format!("{}{reason}", line(verb, &o.cluster, &o.object, &o.fields, usize::MAX))
        });
        clusters.chain(objects).collect()
    }
}

/// Compares what is planned with what there is. The steps that need no cluster have run.
///
/// # Errors
/// A cluster does not answer, or the state cannot be read.
pub async fn look(ctx: &RunContext, plan: &Plan) -> Result<Difference, StepError> {
    let mut difference = Difference::default();
    let mut here = Vec::new();
    for cluster in &ctx.lab.clusters {
        match missing(ctx, cluster).await? {
            Some(change) => difference.clusters.push(ClusterChange { cluster: cluster.name.clone(), change }),
            None => here.push(cluster.name.as_str()),
        }
    }
    for step in plan.steps.iter().filter(|s| s.action.cluster().is_some_and(|c| here.contains(&c))) {
        difference.objects.extend(of_step(ctx, &step.action).await?);
    }
    for cluster in here {
        difference.objects.extend(of_retired(ctx, plan, cluster).await?);
    }
    Ok(difference)
}

/// What would change where there is no lab yet.
#[must_use]
pub fn of_new(lab: &Lab) -> Difference {
    let create = |c: &LabCluster| ClusterChange { cluster: c.name.clone(), change: ClusterVerb::Create };
    Difference { clusters: lab.clusters.iter().map(create).collect(), objects: Vec::new() }
}

/// Whether any cluster runs, so that there is something to compare with.
///
/// # Errors
/// The engine does not answer.
pub async fn is_any_here(ctx: &RunContext) -> Result<bool, StepError> {
    for cluster in &ctx.lab.clusters {
        if missing(ctx, cluster).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a cluster is not there as a whole, or does not run.
async fn missing(ctx: &RunContext, cluster: &LabCluster) -> Result<Option<ClusterVerb>, StepError> {
    let found = ctx.nodes_of(&cluster.name).await?;
    if found.len() < usize::from(cluster.workers) + 1 {
        return Ok(Some(ClusterVerb::Create));
    }
    let runs = found.iter().all(|n| n.running) && ctx.client(&cluster.name).await?.is_ready().await;
    Ok((!runs).then_some(ClusterVerb::Start))
}

async fn of_step(ctx: &RunContext, action: &Action) -> Result<Vec<ObjectChange>, StepError> {
    let Some((client, manifest)) = planned(ctx, action).await? else { return Ok(Vec::new()) };
    let owner = Owner::of(action);
    let mut inventory = ctx.inventory(&owner.place)?;
    let live = client.live_all(&manifest).await?;
    // As an `up` would, without writing it.
    inventory.begin(&owner, &manifest.objects, &live, &ctx.lab.name);
    let manifest = as_applied(&manifest, &inventory, &owner);
    let requests = manifest.objects.iter().zip(live).map(|(object, live)| {
        let how = How { dry_run: true, ..how(&owner, &inventory, object) };
        let is_current = inventory.is_current(object, &owner.step);
        let is_there = is_current && live.as_ref().is_some_and(|live| is_covered(live, object));
        let before = inventory.entry(object, &owner.step).and_then(|e| e.before.as_ref());
        let (client, owner) = (&client, &owner);
        async move {
            if is_there {
                return Ok(None);
            }
            if live.is_none() {
                return Ok(Some(change(owner, object, ObjectVerb::Create, Vec::new())));
            }
            // What is restored and what is applied are two requests: a dry run of the second does not know the first.
            let restored = match before {
                Some(before) => client.restore(object, before, Some(object), how).await?,
                None => None,
            };
            let applied = match client.apply_object(object, live, how).await {
                Ok(applied) => applied,
                Err(error) => return Ok(Some(refused(owner, object, &error))),
            };
            if let Some(fixed) = applied.remade() {
                let remake = change(owner, object, ObjectVerb::Remake, Vec::new());
                return Ok(Some(ObjectChange { reason: Some(fixed.to_owned()), ..remake }));
            }
            let mut fields = applied.fields();
            let named: Vec<String> = fields.iter().map(|f| f.field.clone()).collect();
            let back = restored.map(|r| r.fields()).unwrap_or_default();
            fields.retain(|f| !back.iter().any(|b| b.field == f.field && b.before == f.before));
            fields.extend(back.into_iter().filter(|b| b.before != b.after || !named.contains(&b.field)));
            Ok((!fields.is_empty()).then(|| change(owner, object, ObjectVerb::Change, fields)))
        }
    });
    let changes: Vec<Option<ObjectChange>> = client.side_by_side::<_, StepError>(requests.collect::<Vec<_>>()).await?;
    let mut changes: Vec<ObjectChange> = changes.into_iter().flatten().collect();
    for entry in inventory.stale(&owner.step, &manifest.objects) {
        changes.extend(of_stale(&client, &owner, &inventory, &entry).await?);
    }
    Ok(changes)
}

async fn of_retired(ctx: &RunContext, plan: &Plan, cluster: &str) -> Result<Vec<ObjectChange>, StepError> {
    let inventory = ctx.inventory(cluster)?;
    let client = ctx.client(cluster).await?;
    let mut changes = Vec::new();
    for step in inventory.steps().into_iter().filter(|step| plan.step(step).is_none()) {
        let owner = Owner::by(cluster, step);
        for entry in inventory.stale(&owner.step, &[]) {
            changes.extend(of_stale(&client, &owner, &inventory, &entry).await?);
        }
    }
    Ok(changes)
}

async fn of_stale(
    client: &Cluster,
    owner: &Owner,
    inventory: &Inventory,
    entry: &Entry,
) -> Result<Option<ObjectChange>, StepError> {
    let object = entry.to_object()?;
    let is_shared = inventory.is_shared(entry);
    if let Some(sent) = back(client, owner, entry, is_shared, true).await? {
        let fields = sent.fields();
        return Ok((!fields.is_empty()).then(|| change(owner, &object, ObjectVerb::Restore, fields)));
    }
    let is_there = is_made(entry) && !is_shared && client.has(&Manifest { objects: vec![object.clone()] }).await?;
    Ok(is_there.then(|| change(owner, &object, ObjectVerb::Delete, Vec::new())))
}

/// What a step would apply, and to whom; nothing for a step that applies nothing, or cannot yet.
async fn planned(ctx: &RunContext, action: &Action) -> Result<Option<(Cluster, Manifest)>, StepError> {
    let manifest = match action {
        Action::RemoteSecret { of, to } => {
            // A cluster that is still to be made has no token yet.
            let of = ctx.cluster(of)?;
            if missing(ctx, of).await?.is_some() || ctx.cluster(to).is_err() {
                return Ok(None);
            }
            remote_secret::secret(ctx, of).await?
        }
        Action::Locality { cluster } => {
            Some(locality::labels(&ctx.client(cluster).await?, ctx.cluster(cluster)?).await?)
        }
        Action::FederatedApps { cluster } => {
            let manager = ctx.cluster(cluster)?;
            if !karmada::is_installed(ctx, manager).await? {
                return Ok(None);
            }
            return Ok(Some((karmada_api::client(ctx).await?, federated_apps::manifest(ctx)?)));
        }
        action => eject::manifest(ctx, action)?,
    };
    let (Some(manifest), Some(cluster)) = (manifest, action.cluster()) else { return Ok(None) };
    Ok(Some((ctx.client(cluster).await?, manifest)))
}

fn change(owner: &Owner, object: &DynamicObject, change: ObjectVerb, fields: Vec<FieldChange>) -> ObjectChange {
    ObjectChange { cluster: owner.place.clone(), object: describe(object), change, fields, reason: None }
}

fn refused(owner: &Owner, object: &DynamicObject, error: &KubeError) -> ObjectChange {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let reason = cause.unwrap_or_else(|| error.to_string());
    ObjectChange { reason: Some(reason), ..change(owner, object, ObjectVerb::Refuse, Vec::new()) }
}
