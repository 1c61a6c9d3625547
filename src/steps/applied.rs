//! Applies the objects of a step so that the cluster has them as they are planned: what is no longer named goes, what was there before comes back.

use std::time::{Duration, Instant};

use kube::api::DynamicObject;
use serde_json::json;

use super::sidecars;
use super::step::{Custom, Step, at_once};
use crate::context::run::{Entry, Inventory, Owner, as_applied as object_as_applied};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::{Action, Plan, StepId, origin_of};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{
    ByHand, Cluster, FieldChange, How, KubeError, Manager, Manifest, Sent, describe, is_applied_by, is_covered,
    set_by_hand,
};

/// Most fields of one object in a line.
const MAX_FIELDS: usize = 4;

/// Whether exactly these objects are there, of all that the step has applied.
pub(super) async fn is_satisfied(
    ctx: &RunContext,
    client: &Cluster,
    action: &Action,
    manifest: &Manifest,
) -> Result<bool, StepError> {
    let owner = Owner::of(action);
    let inventory = ctx.inventory(&owner.place)?;
    let manifest = as_applied(manifest, &inventory, &owner);
    let is_current = manifest.objects.iter().all(|object| inventory.is_current(object, &owner.step));
    if !is_current || !inventory.stale(&owner.step, &manifest.objects).is_empty() {
        return Ok(false);
    }
    let live = client.live_all(&manifest).await?;
    let mut pairs = manifest.objects.iter().zip(&live);
    Ok(pairs.all(|(object, live)| {
        let is_as_wanted =
            |live: &DynamicObject| is_covered(live, object) && by_hand(&owner, &inventory, object, live).is_empty();
        live.as_ref().is_some_and(is_as_wanted)
    }))
}

/// What a person has set in an object that only the scenario brings, and that the scenario leaves to its default.
pub(crate) fn by_hand(
    owner: &Owner,
    inventory: &Inventory,
    object: &DynamicObject,
    live: &DynamicObject,
) -> Vec<ByHand> {
    let is_found = inventory.entry(object, &owner.step).is_some_and(|e| e.before.is_some());
    if owner.manager != Manager::Scenario || is_found || inventory.is_own(object) {
        return Vec::new();
    }
    set_by_hand(live, object)
}

/// Applies the objects, each rank after the one before, and takes away what the step has applied and does not name any more. Tells whether anything
/// changed; what changed in a cluster that was there before is told object by object.
async fn apply(
    ctx: &RunContext,
    client: &Cluster,
    action: &Action,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<bool, StepError> {
    let owner = Owner::of(action);
    let live = client.live_all(manifest).await?;
    // Before anything is done, so that an interrupt forgets nothing.
    ctx.change_inventory(&owner.place, |inventory| inventory.begin(&owner, &manifest.objects, &live, &ctx.lab.name))?;
    let inventory = ctx.inventory(&owner.place)?;
    let manifest = as_applied(manifest, &inventory, &owner);
    let mut changed = false;
    let mut live = live.into_iter();
    for objects in manifest.ranks() {
        let one = Applying { ctx, client, owner: &owner, inventory: &inventory, progress };
        let requests =
            objects.iter().zip(live.by_ref().take(objects.len())).map(|(object, live)| one.run(object, live));
        changed |= client.side_by_side(requests.collect::<Vec<_>>()).await?.contains(&true);
        client.until_established(objects).await?;
    }
    ctx.change_inventory(&owner.place, |inventory| inventory.applied(&owner, &manifest.objects))?;
    for entry in inventory.stale(&owner.step, &manifest.objects).iter().rev() {
        changed |= take_away(ctx, client, &owner, entry, progress).await?;
    }
    Ok(changed)
}

/// Step `retire`.
pub(super) const RETIRE: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| at_once(is_retired(ctx, action.cluster().unwrap_or_default(), |_| true)),
    run: |ctx, action, progress| Box::pin(retire(ctx, action.cluster().unwrap_or_default(), |_| true, progress)),
});

/// Step `unlink`.
pub(super) const UNLINK: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| {
        at_once(is_retired(ctx, action.cluster().unwrap_or_default(), StepId::is_remote_secret))
    },
    run: |ctx, action, progress| {
        Box::pin(async move {
            let cluster = action.cluster().unwrap_or_default();
            let changed = retire(ctx, cluster, StepId::is_remote_secret, progress).await?;
            ctx.mesh_changed();
            ctx.mesh_settled().await;
            Ok(changed)
        })
    },
});

/// How long a refusal may last that passes.
const PASSES: Duration = Duration::from_secs(20);

/// The same, again while it is refused for a reason that passes.
pub(super) async fn apply_until(
    ctx: &RunContext,
    client: &Cluster,
    action: &Action,
    manifest: &Manifest,
    progress: &Progress,
    passes: fn(&StepError) -> bool,
) -> Result<bool, StepError> {
    let start = Instant::now();
    let mut again = false;
    loop {
        match apply(ctx, client, action, manifest, progress).await {
            Err(error) if passes(&error) && start.elapsed() < PASSES => again = true,
            changed => return Ok(changed? || again),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Takes away what steps of a kind have applied to a cluster that are no longer planned.
async fn retire(
    ctx: &RunContext,
    cluster: &str,
    is_meant: fn(&StepId) -> bool,
    progress: &Progress,
) -> Result<bool, StepError> {
    let client = ctx.client(cluster).await?;
    let inventory = ctx.inventory(cluster)?;
    let mut changed = false;
    for step in retired(ctx, &inventory, is_meant) {
        let owner = Owner::by(cluster, step);
        let entries = inventory.stale(&owner.step, &[]);
        // Before, so that an interrupt forgets none, and after, for those that have come meanwhile.
        let is_of_nodes = entries.iter().any(Entry::is_node);
        if is_of_nodes {
            sidecars::remember_located(ctx, &client, cluster).await?;
        }
        for entry in entries.iter().rev() {
            changed |= take_away(ctx, &client, &owner, entry, progress).await?;
        }
        if is_of_nodes {
            sidecars::remember_located(ctx, &client, cluster).await?;
        }
    }
    Ok(changed)
}

/// Whether there is nothing for [`retire`] to do.
fn is_retired(ctx: &RunContext, cluster: &str, is_meant: fn(&StepId) -> bool) -> Result<bool, StepError> {
    Ok(retired(ctx, &ctx.inventory(cluster)?, is_meant).is_empty())
}

/// The steps of a kind that have applied something and are no longer planned.
fn retired(ctx: &RunContext, inventory: &Inventory, is_meant: fn(&StepId) -> bool) -> Vec<StepId> {
    let plan = Plan::of(&ctx.lab);
    inventory.steps().into_iter().filter(|step| is_meant(step) && plan.step(step).is_none()).collect()
}

/// The objects as they are applied.
pub(crate) fn as_applied(manifest: &Manifest, inventory: &Inventory, owner: &Owner) -> Manifest {
    let is_found = |object: &DynamicObject| inventory.entry(object, &owner.step).is_some_and(|e| e.before.is_some());
    let objects = manifest.objects.iter().map(|object| object_as_applied(object, is_found(object)));
    Manifest { objects: objects.collect() }
}

/// How an owner applies an object: what lab itself sets is not taken over by a scenario.
pub(crate) fn how(owner: &Owner, inventory: &Inventory, object: &DynamicObject) -> How {
    let yields = owner.manager == Manager::Scenario && inventory.is_own(object);
    How { manager: owner.manager, yields, dry_run: false }
}

/// What the objects of one step are applied with.
struct Applying<'a> {
    ctx: &'a RunContext,
    client: &'a Cluster,
    owner: &'a Owner,
    inventory: &'a Inventory,
    progress: &'a Progress,
}

impl Applying<'_> {
    async fn run(&self, object: &DynamicObject, live: Option<DynamicObject>) -> Result<bool, StepError> {
        let is_covered = live.as_ref().is_some_and(|live| is_covered(live, object));
        let is_set_back = match &live {
            Some(live) => self.set_back(object, live).await?,
            None => false,
        };
        if is_covered && self.inventory.is_current(object, &self.owner.step) {
            return Ok(is_set_back);
        }
        let how = how(self.owner, self.inventory, object);
        let before = self.inventory.entry(object, &self.owner.step).and_then(|e| e.before.as_ref());
        // What is named no longer comes back first: taken out by the API server, it would be gone.
        let restored = match before {
            Some(before) => self.client.restore(object, before, Some(object), how).await?,
            None => None,
        };
        let was_own = was_own(how, live.as_ref());
        let applied = self.client.apply_object(object, live, how).await;
        let mut sent = applied.map_err(|error| placed(self.ctx, self.owner, object, error))?.since(restored);
        if was_own {
            for identity in &only_identity(object)?.objects {
                sent = self.client.apply_object(identity, None, How::OWN).await?.since(Some(sent));
            }
        }
        if let Some(fields) = sent.remade() {
            tell_remade(self.ctx, self.progress, self.owner, object, fields);
        } else if sent.is_new() {
            tell(self.ctx, self.progress, self.owner, "created", object, &[]);
        } else if !sent.fields().is_empty() {
            tell(self.ctx, self.progress, self.owner, "changed", object, &sent.fields());
        }
        Ok(sent.is_change() || is_set_back)
    }

    /// Sets back what a person has changed and has a default, and tells what else a person has set.
    async fn set_back(&self, object: &DynamicObject, live: &DynamicObject) -> Result<bool, StepError> {
        let fields = by_hand(self.owner, self.inventory, object, live);
        if fields.is_empty() {
            return Ok(false);
        }
        let back = self.client.set_back(live, &fields, false).await?.map(|sent| sent.fields()).unwrap_or_default();
        if !back.is_empty() {
            tell(self.ctx, self.progress, self.owner, "set back", object, &back);
        }
        let kept = fields.iter().filter(|f| !back.iter().any(|b| b.field == f.field));
        let kept: Vec<String> = kept.map(ToString::to_string).collect();
        if !kept.is_empty() {
            let what = line("kept", &self.owner.place, &describe(object), &[], MAX_FIELDS);
            self.ctx.tell_change(self.progress, &format!("{what}: {}", kept.join(", ")));
        }
        Ok(!back.is_empty())
    }
}

/// An error with the place in the scenario's file of the object that could not be applied, if the scenario brings it.
pub(crate) fn placed(ctx: &RunContext, owner: &Owner, object: &DynamicObject, error: KubeError) -> KubeError {
    let place = ctx
        .lab
        .cluster(&owner.place)
        .filter(|_| owner.manager == Manager::Scenario)
        .and_then(|cluster| origin_of(&ctx.lab, cluster, &identity(object))?.place);
    match (place, error) {
        (Some(place), KubeError::Conflict { object, fields }) => {
            KubeError::Conflict { object: format!("{place}: {object}"), fields }
        }
        (Some(place), KubeError::Request { what, source }) => {
            KubeError::Request { what: format!("{what} of {place}"), source }
        }
        (_, error) => error,
    }
}

/// Whether an older lab has applied as its own what a scenario brings.
pub(crate) fn was_own(how: How, live: Option<&DynamicObject>) -> bool {
    !how.yields && how.manager == Manager::Scenario && live.is_some_and(|live| is_applied_by(live, Manager::Lab.name()))
}

/// An object with nothing but its identity: whoever applies that names no field of it any more.
pub(crate) fn only_identity(object: &DynamicObject) -> Result<Manifest, KubeError> {
    Manifest::from_values([identity(object)])
}

fn identity(object: &DynamicObject) -> serde_json::Value {
    let types = object.types.clone().unwrap_or_default();
    json!({ "apiVersion": types.api_version, "kind": types.kind,
        "metadata": { "namespace": object.metadata.namespace, "name": object.metadata.name } })
}

/// Deletes what lab has made, and gives back to what it has found all that it had.
pub(super) async fn take_away(
    ctx: &RunContext,
    client: &Cluster,
    owner: &Owner,
    entry: &Entry,
    progress: &Progress,
) -> Result<bool, StepError> {
    let object = entry.to_object()?;
    let is_shared = ctx.inventory(&owner.place)?.is_shared(entry);
    let mut changed = false;
    if let Some(sent) = back(client, owner, entry, is_shared, false).await? {
        tell(ctx, progress, owner, "restored", &object, &sent.fields());
        changed = sent.is_change();
    } else if is_made(entry) && !is_shared {
        progress.say(format!("deleting {}, which is no longer planned", describe(&object)));
        changed = client.delete_until_gone(&object, ctx.patience).await?;
        if changed {
            tell(ctx, progress, owner, "deleted", &object, &[]);
        }
    }
    ctx.change_inventory(&owner.place, |inventory| inventory.forget(entry))?;
    Ok(changed)
}

/// Whether lab has made the object, so that it may delete it.
pub(crate) fn is_made(entry: &Entry) -> bool {
    entry.before.is_none() && !entry.is_kept()
}

/// Gives an object back what it was before, or what other steps make it; nothing when it is to be deleted, or has nothing of the step.
pub(crate) async fn back(
    client: &Cluster,
    owner: &Owner,
    entry: &Entry,
    is_shared: bool,
    dry_run: bool,
) -> Result<Option<Sent>, StepError> {
    // Steps that apply as the same manager take over from each other by applying.
    if (is_made(entry) && !is_shared) || (is_shared && owner.manager == Manager::Lab) {
        return Ok(None);
    }
    let how = How { manager: owner.manager, yields: false, dry_run };
    let nothing = json!({});
    let before = entry.before.as_ref().unwrap_or(&nothing);
    Ok(client.restore(&entry.to_object()?, before, None, how).await?)
}

/// Tells one object, in a cluster that was there before this run.
fn tell(
    ctx: &RunContext,
    progress: &Progress,
    owner: &Owner,
    verb: &str,
    object: &DynamicObject,
    fields: &[FieldChange],
) {
    // That an object is another lab's now says nothing: each of a fork's is.
    let whose = format!("metadata.labels[\"{LAB_LABEL}\"]");
    let is_news = fields.is_empty() || fields.iter().any(|f| f.field != whose);
    if !ctx.is_new(&owner.place) && is_news {
        ctx.tell_change(progress, &line(verb, &owner.place, &describe(object), fields, MAX_FIELDS));
    }
}

/// Tells an object that was made anew, whatever else is told: it was gone for a moment.
fn tell_remade(ctx: &RunContext, progress: &Progress, owner: &Owner, object: &DynamicObject, fields: &str) {
    ctx.tell_change(
        progress,
        &format!("remade   {}  {}, which cannot be changed in place: {fields}", owner.place, describe(object)),
    );
}

/// `changed  c1  ConfigMap sample/settings: data.b removed`.
pub(crate) fn line(verb: &str, place: &str, object: &str, fields: &[FieldChange], most: usize) -> String {
    let mut shown: Vec<String> = fields.iter().take(most).map(ToString::to_string).collect();
    if fields.len() > most {
        shown.push(format!("and {} more fields", fields.len() - most));
    }
    let shown = if shown.is_empty() { String::new() } else { format!(": {}", shown.join(", ")) };
    format!("{verb:<8} {place}  {object}{shown}")
}
