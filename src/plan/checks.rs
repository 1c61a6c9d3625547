//! What checks of a lab are about.

use super::{Lab, LabCluster};
use crate::scenario::App;

/// The clusters that a check over `all` is about.
pub fn checked_clusters(lab: &Lab) -> impl Iterator<Item = &LabCluster> {
    lab.data_clusters()
}

/// Cluster and version of every helloworld.
pub fn helloworlds(lab: &Lab) -> impl Iterator<Item = (&str, &str)> {
    let versions =
        lab.apps.iter().filter_map(|app| if let App::Helloworld { versions } = app { Some(versions) } else { None });
    versions.flatten().map(|(cluster, version)| (cluster.as_str(), version.as_str()))
}
