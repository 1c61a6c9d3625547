//! Where a cluster's nodes are, as Istio reads it.

use std::collections::BTreeMap;

use crate::plan::LabCluster;

/// The labels of every node of a cluster; none where the scenario says nothing.
#[must_use]
pub fn locality_labels(cluster: &LabCluster) -> BTreeMap<&'static str, String> {
    let Some(locality) = &cluster.locality else { return BTreeMap::new() };
    let labels = [
        ("topology.kubernetes.io/region", Some(&locality.region)),
        ("topology.kubernetes.io/zone", locality.zone.as_ref()),
        ("topology.istio.io/subzone", locality.subzone.as_ref()),
    ];
    labels.into_iter().filter_map(|(label, value)| Some((label, value?.clone()))).collect()
}
