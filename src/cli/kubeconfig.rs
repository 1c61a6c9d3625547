//! `lab kubeconfig`: the clusters' kubeconfigs as one, with contexts that tell lab and cluster.

use super::{CliError, args, output};
use crate::context::{StepError, files};
use crate::plan::{Lab, merge_kubeconfigs};
use crate::sys::state::{LabState, State};

pub(super) fn run(args: &args::Kubeconfig) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    output::print(&merged(&state, &lab, &format!("lab-{}-", lab.name))?)
}

/// The kubeconfigs of all clusters as one, and that of Karmada's API; contexts are named after the clusters, with this prefix.
pub(super) fn merged(state: &LabState, lab: &Lab, prefix: &str) -> Result<String, CliError> {
    let mut parts = Vec::new();
    for cluster in &lab.clusters {
        let path = format!("kubeconfigs/{}.yaml", cluster.name);
        let text = state.read(&path)?.ok_or_else(|| StepError::Machine {
            problem: format!("cluster {} of lab {} is not built", cluster.name, lab.name),
            remedy: format!("run `lab up {}`", lab.name),
        })?;
        parts.push((format!("{prefix}{}", cluster.name), text));
    }
    if let Some(text) = state.read(files::KARMADA_KUBECONFIG)? {
        parts.push((format!("{prefix}karmada/api"), text));
    }
    let merged = merge_kubeconfigs(&parts).map_err(|reason| StepError::Machine {
        problem: format!("cannot read the kubeconfigs of lab {}: {reason}", lab.name),
        remedy: format!("run `lab up {}`", lab.name),
    })?;
    Ok(merged)
}
