//! What `lab up` would change, object by object. Nothing is changed: the API server is asked as a dry run.

mod change;

pub use change::{
    ClusterChange, ClusterVerb, Difference, HandChange, NetworkChange, ObjectChange, ObjectVerb, Restart, RouteChange,
};

use kube::api::DynamicObject;

use crate::context::run::{Entry, Inventory, Owner};
use crate::context::{RunContext, StepError, nodes};
use crate::plan::{Action, Lab, LabCluster, Plan};
use crate::steps;
use crate::steps::applied::{as_applied, back, by_hand, how, is_made, only_identity, placed, was_own};
use crate::steps::step::{self, Step};
use crate::steps::{docker_network, node_network, sidecars};
use crate::sys::kube::{ByHand, Cluster, FieldChange, How, KubeError, Manifest, describe, is_covered, unnamed};

/// Compares what is planned with what there is. The steps that need no cluster have run.
///
/// # Errors
/// A cluster does not answer, or the state cannot be read.
pub async fn look(ctx: &RunContext, plan: &Plan) -> Result<Difference, StepError> {
    match compare(ctx, plan).await {
        Err(error) => Err(nodes::explained(ctx, error).await),
        compared => compared,
    }
}

async fn compare(ctx: &RunContext, plan: &Plan) -> Result<Difference, StepError> {
    let mut difference = Difference::default();
    if ctx.lab.makes_machines() && !docker_network::is_satisfied(ctx).await? {
        difference.networks.push(network(&ctx.lab));
    }
    let mut here = Vec::new();
    for cluster in &ctx.lab.clusters {
        match missing(ctx, cluster).await? {
            Some(change) => {
                let nodes = amiss(ctx, &cluster.name).await?;
                difference.clusters.push(ClusterChange { cluster: cluster.name.clone(), change, nodes });
            }
            None => here.push(cluster.name.as_str()),
        }
    }
    for step in plan.steps.iter().filter(|s| s.action.cluster().is_some_and(|c| here.contains(&c))) {
        of_step(ctx, &step.action, &mut difference).await?;
    }
    for cluster in &here {
        // What another step takes over stays.
        let is_taken = |gone: &ObjectChange| difference.objects.iter().any(|o| is_same(o, gone));
        let gone = of_retired(ctx, plan, cluster).await?.into_iter().filter(|gone| !is_taken(gone));
        let gone: Vec<ObjectChange> = gone.collect();
        difference.objects.extend(gone);
    }
    for step in &plan.steps {
        match &step.action {
            Action::NodeNetwork { cluster } if here.contains(&cluster.as_str()) => {
                difference.routes.extend(of_routes(ctx, cluster, &here).await?);
            }
            Action::Sidecars { cluster } if here.contains(&cluster.as_str()) => {
                let restarts = restarts(ctx, ctx.cluster(cluster)?, &difference.objects).await?;
                difference.restarts.extend(restarts);
            }
            _ => {}
        }
    }
    Ok(difference)
}

/// The lab's Docker network, to be made.
fn network(lab: &Lab) -> NetworkChange {
    NetworkChange { network: lab.docker_network.name.clone(), subnet: lab.docker_network.subnet.to_string() }
}

/// What of the routes of a cluster's nodes would change. `here` are the clusters that can be asked.
async fn of_routes(ctx: &RunContext, name: &str, here: &[&str]) -> Result<Option<RouteChange>, StepError> {
    let cluster = ctx.cluster(name)?;
    let to_come: Vec<&str> =
        ctx.lab.network_peers(cluster).map(|p| p.name.as_str()).filter(|p| !here.contains(p)).collect();
    let reason = if to_come.is_empty() {
        node_network::difference(ctx, cluster).await?
    } else {
        Some(format!("to the pods of {}, once it is there", to_come.join(" and ")))
    };
    Ok(reason.map(|reason| RouteChange { cluster: name.to_owned(), reason }))
}

/// What of a cluster would be restarted: for what its pods carry now, or because what sidecars are made of changes.
async fn restarts(ctx: &RunContext, cluster: &LabCluster, objects: &[ObjectChange]) -> Result<Vec<Restart>, StepError> {
    let restart = |workload, reason, certain| Restart { cluster: cluster.name.clone(), workload, reason, certain };
    let outdated = sidecars::outdated(ctx, cluster).await?;
    let mut all: Vec<Restart> = outdated.into_iter().map(|(workload, why)| restart(workload, why, true)).collect();
    let control_plane = &ctx.lab.control_plane(cluster).name;
    let Some(change) = objects.iter().find(|o| bears_on_sidecars(o, &cluster.name, control_plane)) else {
        return Ok(all);
    };
    let is_moved = change.object.starts_with(NODE);
    let reason = if is_moved {
        "its node gets another locality".to_owned()
    } else {
        format!("if its sidecar would get something else by the change of {}", change.object)
    };
    for workload in sidecars::carriers(ctx, cluster).await?.iter().map(ToString::to_string) {
        if !all.iter().any(|r| r.workload == workload) {
            all.push(restart(workload, reason.clone(), is_moved));
        }
    }
    Ok(all)
}

/// Whether two changes are of one object.
fn is_same(one: &ObjectChange, other: &ObjectChange) -> bool {
    one.cluster == other.cluster && one.object == other.object
}

/// How the description of a node begins.
const NODE: &str = "Node ";

/// Whether a change may reach the sidecars of a cluster: of its nodes, its namespaces, or what its control plane makes sidecars of.
fn bears_on_sidecars(change: &ObjectChange, cluster: &str, control_plane: &str) -> bool {
    if change.change == ObjectVerb::Refuse {
        return false;
    }
    let of_cluster = [NODE, "Namespace ", "MutatingWebhookConfiguration "];
    let of_control_plane = ["ConfigMap istio-system/istio", "Deployment istio-system/istiod"];
    let is = |kinds: &[&str]| kinds.iter().any(|kind| change.object.starts_with(kind));
    change.cluster == cluster && is(&of_cluster) || change.cluster == control_plane && is(&of_control_plane)
}

/// What would change where there is no lab yet.
#[must_use]
pub fn of_new(lab: &Lab) -> Difference {
    let create =
        |c: &LabCluster| ClusterChange { cluster: c.name.clone(), change: ClusterVerb::Create, nodes: Vec::new() };
    let (networks, clusters) = (vec![network(lab)], lab.clusters.iter().map(create).collect());
    Difference { networks, clusters, ..Difference::default() }
}

/// The clusters of a lab that are no longer among those of what it becomes, each with the nodes that would go with it.
pub fn leaving<'a>(before: &'a Lab, after: &'a Lab) -> impl Iterator<Item = ClusterChange> + 'a {
    let gone = before.clusters.iter().filter(|c| after.cluster(&c.name).is_none());
    gone.map(|c| ClusterChange { cluster: c.name.clone(), change: ClusterVerb::Remove, nodes: c.nodes().collect() })
}

/// The members of a federation that are no longer among those of what its lab becomes.
pub fn leaving_members<'a>(before: &'a Lab, after: &'a Lab) -> impl Iterator<Item = ObjectChange> + 'a {
    let is_there = |cluster: &str| after.federation.as_ref().is_none_or(|f| f.member(cluster).is_some());
    let gone = before.federation.iter().flat_map(|f| &f.members).filter(move |m| !is_there(&m.cluster));
    gone.map(|member| ObjectChange {
        cluster: "karmada/api".to_owned(),
        object: format!("Cluster {}", member.cluster),
        change: ObjectVerb::Delete,
        fields: Vec::new(),
        reason: None,
    })
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

/// The nodes of a cluster that are not as they must be.
async fn amiss(ctx: &RunContext, cluster: &str) -> Result<Vec<String>, StepError> {
    let network = &ctx.lab.docker_network.name;
    let found = ctx.nodes_of(cluster).await?;
    Ok(found.iter().filter_map(|n| Some(format!("{} {}", n.name, nodes::condition(n, network)?.0))).collect())
}

/// Whether a cluster is not there as a whole, or does not run.
async fn missing(ctx: &RunContext, cluster: &LabCluster) -> Result<Option<ClusterVerb>, StepError> {
    if !cluster.is_made() {
        return Ok(None);
    }
    let found = ctx.nodes_of(&cluster.name).await?;
    if found.len() < usize::from(cluster.workers) + 1 {
        return Ok(Some(ClusterVerb::Create));
    }
    let runs = found.iter().all(|n| n.running) && ctx.client(&cluster.name).await?.is_ready().await;
    Ok((!runs).then_some(ClusterVerb::Start))
}

async fn of_step(ctx: &RunContext, action: &Action, difference: &mut Difference) -> Result<(), StepError> {
    let Some((client, manifest)) = planned(ctx, action).await? else { return Ok(()) };
    let owner = Owner::of(action);
    let mut inventory = ctx.inventory(&owner.place)?;
    let live = client.live_all(&manifest).await?;
    // As an `up` would, without writing it.
    inventory.begin(&owner, &manifest.objects, &live, &ctx.lab.name);
    let manifest = as_applied(&manifest, &inventory, &owner);
    let set: Vec<Vec<ByHand>> = manifest
        .objects
        .iter()
        .zip(&live)
        .map(|(object, live)| live.as_ref().map_or_else(Vec::new, |live| by_hand(&owner, &inventory, object, live)))
        .collect();
    let by_hand = manifest.objects.iter().zip(&set).filter(|(_, fields)| !fields.is_empty());
    difference.by_hand.extend(by_hand.map(|(object, fields)| HandChange {
        cluster: owner.place.clone(),
        object: describe(object),
        fields: fields.clone(),
    }));
    let requests = manifest.objects.iter().zip(live).zip(&set).map(|((object, live), set)| {
        let how = How { dry_run: true, ..how(&owner, &inventory, object) };
        let is_current = inventory.is_current(object, &owner.step);
        let is_there = is_current && live.as_ref().is_some_and(|live| is_covered(live, object));
        let before = inventory.entry(object, &owner.step).and_then(|e| e.before.as_ref());
        let (client, owner) = (&client, &owner);
        async move {
            if let Some(live) = live.as_ref().filter(|_| is_there) {
                let back = if set.is_empty() { None } else { client.set_back(live, set, true).await? };
                return Ok(back.map(|sent| change(owner, object, ObjectVerb::Change, sent.fields())));
            }
            if live.is_none() {
                return Ok(Some(change(owner, object, ObjectVerb::Create, Vec::new())));
            }
            let own = live.clone().filter(|live| was_own(how, Some(live)));
            // What is restored and what is applied are two requests: a dry run of the second does not know the first.
            let restored = match before {
                Some(before) => client.restore(object, before, Some(object), how).await?,
                None => None,
            };
            let applied = match client.apply_object(object, live, how).await {
                Ok(applied) => applied,
                Err(error) => return Ok(Some(refused(owner, object, &placed(ctx, owner, object, error)))),
            };
            if let Some(fixed) = applied.remade() {
                let remake = change(owner, object, ObjectVerb::Remake, Vec::new());
                return Ok(Some(ObjectChange { reason: Some(fixed.to_owned()), ..remake }));
            }
            let mut fields = applied.fields();
            // Nor does it know what goes once lab itself no longer names it.
            if let Some(own) = own {
                let released = How { dry_run: true, ..How::OWN };
                for identity in &only_identity(object)?.objects {
                    let gone = client.apply_object(identity, Some(own.clone()), released).await?.fields();
                    fields.extend(unnamed(gone, object));
                }
            }
            let named: Vec<String> = fields.iter().map(|f| f.field.clone()).collect();
            let back = restored.map(|r| r.fields()).unwrap_or_default();
            fields.retain(|f| !back.iter().any(|b| b.field == f.field && b.before == f.before));
            fields.extend(back.into_iter().filter(|b| b.before != b.after || !named.contains(&b.field)));
            Ok((!fields.is_empty()).then(|| change(owner, object, ObjectVerb::Change, fields)))
        }
    });
    let changes: Vec<Option<ObjectChange>> = client.side_by_side::<_, StepError>(requests.collect::<Vec<_>>()).await?;
    difference.objects.extend(changes.into_iter().flatten());
    for entry in inventory.stale(&owner.step, &manifest.objects) {
        difference.objects.extend(of_stale(&client, &owner, &inventory, &entry).await?);
    }
    Ok(())
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
    let Step::Applied(applied) = steps::of(action) else { return Ok(None) };
    // A cluster that is still to be made cannot tell what others get of it.
    if let Some(of) = action.reads()
        && missing(ctx, ctx.cluster(of)?).await?.is_some()
    {
        return Ok(None);
    }
    let Some(manifest) = applied.manifest(ctx, action).await? else { return Ok(None) };
    Ok(Some((step::client(ctx, action).await?, manifest)))
}

fn change(owner: &Owner, object: &DynamicObject, change: ObjectVerb, fields: Vec<FieldChange>) -> ObjectChange {
    ObjectChange { cluster: owner.place.clone(), object: describe(object), change, fields, reason: None }
}

fn refused(owner: &Owner, object: &DynamicObject, error: &KubeError) -> ObjectChange {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let reason = cause.unwrap_or_else(|| error.to_string());
    ObjectChange { reason: Some(reason), ..change(owner, object, ObjectVerb::Refuse, Vec::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(cluster: &str, object: &str) -> ObjectChange {
        let (cluster, object) = (cluster.to_owned(), object.to_owned());
        ObjectChange { cluster, object, change: ObjectVerb::Change, fields: Vec::new(), reason: None }
    }

    #[test]
    fn a_change_reaches_the_sidecars_of_its_own_control_plane() {
        let bears = |cluster, object| bears_on_sidecars(&changed(cluster, object), "c2", "c1");
        assert!(bears("c1", "ConfigMap istio-system/istio"));
        assert!(bears("c2", "Node x-c2-control-plane"));
        assert!(bears("c2", "Namespace sample"));
        assert!(!bears("c1", "Node x-c1-control-plane"));
        assert!(!bears("c2", "ConfigMap sample/settings"));
    }
}
