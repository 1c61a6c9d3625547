//! What checks of a lab are about.

use super::{Lab, LabCluster};
use crate::scenario::{App, Check, version_in};

/// The clusters that a check over `all` is about.
pub fn checked_clusters(lab: &Lab) -> impl Iterator<Item = &LabCluster> {
    lab.data_clusters()
}

impl Lab {
    /// The same lab, whose checks take nothing away and which has no faults: for a verdict that is no occasion to break something.
    #[must_use]
    pub fn at_rest(&self) -> Self {
        let mut lab = self.clone();
        lab.faults.clear();
        lab.checks.iter_mut().for_each(Check::stop_exercising);
        lab
    }
}

/// A helloworld that lab deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helloworld<'a> {
    /// The cluster that it is in.
    pub cluster: &'a str,
    /// The zone that it is in, where the cluster's nodes have several.
    pub zone: Option<&'a str>,
    /// What it answers, like no other.
    pub version: String,
}

/// Every helloworld: one for each cluster that runs it or, where nodes have zones, for each of these.
pub fn helloworlds(lab: &Lab) -> impl Iterator<Item = Helloworld<'_>> {
    let versions =
        lab.apps.iter().filter_map(|app| if let App::Helloworld { versions } = app { Some(versions) } else { None });
    versions.flatten().flat_map(|(cluster, version)| {
        let zones = lab.cluster(cluster).map(LabCluster::zones_once).unwrap_or_default();
        let places: Vec<Option<&str>> =
            if zones.is_empty() { vec![None] } else { zones.into_iter().map(Some).collect() };
        places.into_iter().map(move |zone| Helloworld { cluster, zone, version: version_in(version, zone) })
    })
}
