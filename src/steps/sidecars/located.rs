//! Where a node is, as sidecars read it once: which pods started before that was changed or taken away.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::compare;
use crate::context::{RunContext, StepError};
use crate::sys::kube::Cluster;

/// When lab last changed the labels that tell where a node is, by node.
pub(super) fn localities(nodes: &[Node]) -> BTreeMap<String, Time> {
    let changed = |node: &Node| {
        let entries = node.metadata.managed_fields.iter().flatten();
        let own = entries.filter(|entry| entry.manager.as_deref() == Some("lab"));
        own.filter_map(|entry| entry.time.clone()).max()
    };
    nodes.iter().filter_map(|node| Some((node.name_any(), changed(node)?))).collect()
}

/// Where the state keeps the pods that started before their node lost its locality: nothing about the node tells that afterwards.
fn located_path(cluster: &str) -> String {
    format!("located/{cluster}.json")
}

/// Remembers all pods that have a sidecar, because what tells where their nodes are is taken away.
pub(in crate::steps) async fn remember(ctx: &RunContext, client: &Cluster, cluster: &str) -> Result<(), StepError> {
    let pods: Vec<Pod> = client.everywhere().await?;
    let uids: Vec<String> = pods.into_iter().filter(compare::has_sidecar).filter_map(|pod| pod.metadata.uid).collect();
    Ok(ctx.state.write_json(&located_path(cluster), &uids)?)
}

/// The pods that started before their node lost its locality, by their identity. Those that are gone do no harm.
pub(super) fn located(ctx: &RunContext, cluster: &str) -> Result<BTreeSet<String>, StepError> {
    Ok(ctx.state.read_json(&located_path(cluster))?.unwrap_or_default())
}

/// Whether a node of a pod with a sidecar has got another locality since the pod started, or lost it: a sidecar reads it once.
pub(super) fn moved(pod: &Pod, since: &BTreeMap<String, Time>, located: &BTreeSet<String>) -> Option<&'static str> {
    if pod.metadata.uid.as_ref().is_some_and(|uid| located.contains(uid)) {
        return Some("its node has lost its locality since it started");
    }
    let node = pod.spec.as_ref()?.node_name.as_ref()?;
    let created = pod.metadata.creation_timestamp.as_ref()?;
    let is_older = compare::has_sidecar(pod) && created < since.get(node)?;
    is_older.then_some("its node got another locality after it started")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::pod;
    use super::*;

    fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn a_sidecar_is_older_than_the_locality_of_its_node() {
        let labelled = |manager: &str| -> Node {
            read(json!({ "metadata": { "name": "n1", "managedFields": [
                { "manager": "kubelet", "time": "2026-01-01T09:00:00Z" }, { "manager": manager, "time": "2026-01-01T08:00:00Z" }] } }))
        };
        let since = localities(&[labelled("lab")]);
        let moved = |pod: &Pod, since| moved(pod, since, &BTreeSet::new());
        assert!(moved(&pod("2026-01-01T07:00:00Z", true), &since).is_some());
        assert!(moved(&pod("2026-01-01T07:00:00Z", false), &since).is_none());
        assert!(moved(&pod("2026-01-01T08:00:01Z", true), &since).is_none());
        // What others write on a node says nothing of where it is.
        assert!(moved(&pod("2026-01-01T07:00:00Z", true), &localities(&[labelled("user")])).is_none());
    }

    #[test]
    fn a_sidecar_is_older_than_the_loss_of_a_locality() {
        let mut old = pod("2026-01-01T07:00:00Z", true);
        old.metadata.uid = Some("a".to_owned());
        let located = BTreeSet::from(["a".to_owned()]);
        assert!(moved(&old, &BTreeMap::new(), &located).is_some_and(|why| why.contains("lost its locality")));
        old.metadata.uid = Some("b".to_owned());
        assert_eq!(moved(&old, &BTreeMap::new(), &located), None);
    }
}
