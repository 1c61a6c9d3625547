//! Names that lab makes out of a scenario's.

use super::addresses::ResolveError;
use crate::scenario::Cluster;

/// RFC 1123: a label of a host name.
const MAX_LABEL: usize = 63;

/// Name of a lab's Docker network.
pub(super) fn docker_network(lab: &str) -> String {
    format!("lab-{lab}")
}

/// Name of the kind cluster: `LAB-CLUSTER`. Its nodes' names must be host names, because pods reach the API servers by them.
pub(super) fn kind_cluster(lab: &str, cluster: &str) -> Result<String, ResolveError> {
    let kind_name = Cluster::kind_name(lab, cluster);
    let node = Cluster::control_plane_node(&kind_name);
    if node.len() > MAX_LABEL {
        return Err(ResolveError::NodeName { length: node.len(), node });
    }
    Ok(kind_name)
}
