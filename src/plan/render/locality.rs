//! Where a cluster's nodes are, as Istio reads it.

use std::collections::BTreeMap;

use crate::plan::LabCluster;

/// The label of a node's zone.
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";

/// The labels of a node of a cluster, by its name in Kubernetes; none where the scenario says nothing.
#[must_use]
pub fn locality_labels(cluster: &LabCluster, node: &str) -> BTreeMap<&'static str, String> {
    let Some(locality) = &cluster.locality else { return BTreeMap::new() };
    let labels = [
        ("topology.kubernetes.io/region", Some(locality.region.as_str())),
        (ZONE, cluster.zone_of(node).or(locality.zone.as_deref())),
        ("topology.istio.io/subzone", locality.subzone.as_deref()),
    ];
    labels.into_iter().filter_map(|(label, value)| Some((label, value?.to_owned()))).collect()
}
