//! `lab kubeconfig`: the clusters' kubeconfigs as one, with contexts that tell lab and cluster; or as the files that Istio's own tests read.

use std::path::{Path, PathBuf};

use super::{CliError, args, output};
use crate::context::kubeconfig::text;
use crate::context::{StepError, files};
use crate::plan::{Lab, LabCluster, istio_topology, merge_kubeconfigs, reached_at};
use crate::sys::fs;
use crate::sys::state::{LabState, State};

/// How API servers are named in a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// By the address at which the engine publishes them.
    Published,
    /// By their nodes' names, which pods know, and on this machine what `lab run` runs.
    ByName,
}

pub(super) fn run(args: &args::Kubeconfig) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    match &args.istio_topology {
        Some(dir) => write_istio_topology(&state, &lab, dir),
        None => output::print(&merged(&state, &lab, &format!("lab-{}-", lab.name), Reached::Published)?),
    }
}

/// The kubeconfigs of all clusters as one, and that of Karmada's API; contexts are named after the clusters, with this prefix.
pub(super) fn merged(state: &LabState, lab: &Lab, prefix: &str, reached: Reached) -> Result<String, CliError> {
    let mut parts = Vec::new();
    for cluster in &lab.clusters {
        parts.push((format!("{prefix}{}", cluster.name), of_cluster(state, lab, cluster, reached)?));
    }
    if let Some(text) = state.read(files::KARMADA_KUBECONFIG)? {
        parts.push((format!("{prefix}karmada/api"), text));
    }
    merge_kubeconfigs(&parts).map_err(|reason| unreadable(lab, &reason))
}

fn of_cluster(state: &LabState, lab: &Lab, cluster: &LabCluster, reached: Reached) -> Result<String, CliError> {
    let text = text(state, cluster)?.ok_or_else(|| StepError::Machine {
        problem: format!("cluster {} of lab {} is not built", cluster.name, lab.name),
        remedy: format!("run `lab up {}`", lab.name),
    })?;
    match reached {
        Reached::Published => Ok(text),
        Reached::ByName => reached_at(&text, &cluster.api_server()).map_err(|reason| unreadable(lab, &reason)),
    }
}

fn unreadable(lab: &Lab, reason: &str) -> CliError {
    CliError::Before(StepError::Machine {
        problem: format!("cannot read the kubeconfigs of lab {}: {reason}", lab.name),
        remedy: format!("run `lab up {}`", lab.name),
    })
}

/// Name of the topology's file.
const TOPOLOGY: &str = "topology.json";

/// Writes the topology, and a kubeconfig for each cluster in it, into a directory.
fn write_istio_topology(state: &LabState, lab: &Lab, dir: &Path) -> Result<(), CliError> {
    // Its API servers are known by no names of lab's.
    output::refuse_existing(lab)?;
    if !lab.has_mesh() || lab.meshes().len() > 1 {
        return Err(CliError::Usage {
            problem: format!("lab {} is not one mesh, which is what Istio's tests know", lab.name),
            remedy: "give a lab whose clusters are all in one mesh".to_owned(),
        });
    }
    fs::create_private_dir(dir).map_err(CliError::write(dir.display()))?;
    let dir = fs::canonical(dir);
    let file = |name: &str| -> PathBuf { dir.join(format!("{name}.yaml")) };
    for cluster in lab.istio_clusters() {
        let text = of_cluster(state, lab, cluster, Reached::ByName)?;
        // Tests merge the files of all clusters, so the names in them must differ.
        let named = merge_kubeconfigs(&[(cluster.name.clone(), text)]).map_err(|reason| unreadable(lab, &reason))?;
        let path = file(&cluster.name);
        fs::write_private(&path, &named).map_err(CliError::write(path.display()))?;
    }
    let topology = istio_topology(lab, |cluster| file(&cluster.name).display().to_string());
    let path = dir.join(TOPOLOGY);
    // What is there of that name goes, be it a pipe.
    fs::write_private(&path, &format!("{topology:#}\n")).map_err(CliError::write(path.display()))?;
    output::print_lines([path.display().to_string()])
}
