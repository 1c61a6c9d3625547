//! What a lab was before this run, as its inventories tell.

use super::inventory::read;
use crate::plan::{LabCluster, Plan, StepId};
use crate::sys::state::{LabState, StateError};

/// The clusters of a lab to which something was applied by steps that the plan no longer has, with those steps.
///
/// # Errors
/// The lab's state cannot be read.
pub fn leftovers(state: &LabState, plan: &Plan, of: &[LabCluster]) -> Result<Vec<(String, Vec<StepId>)>, StateError> {
    let mut found = Vec::new();
    for cluster in of {
        let mut left = read(state, &cluster.name)?.steps();
        left.retain(|step| plan.step(step).is_none());
        if !left.is_empty() {
            found.push((cluster.name.clone(), left));
        }
    }
    Ok(found)
}

/// The clusters that come to a lab whose others run apps already; none where no cluster does.
///
/// # Errors
/// An inventory cannot be read.
pub fn newcomers(state: &LabState, of: &[LabCluster]) -> Result<Vec<String>, StateError> {
    let (mut new, mut old) = (Vec::new(), false);
    for cluster in of {
        let has_apps = read(state, &cluster.name)?.steps().iter().any(StepId::is_apps);
        old |= has_apps;
        if !has_apps {
            new.push(cluster.name.clone());
        }
    }
    Ok(if old { new } else { Vec::new() })
}
