//! Changes that are refused before anything is touched: of what cannot be changed in place and would lose something if it were made anew.

use futures::future::try_join_all;

use crate::context::StepError;
use crate::plan::render::{self, Images};
use crate::plan::{Lab, LabCluster};
use crate::scenario::App;
use crate::sys::kube::{Cluster, How, KubeError, Manager, Manifest, may_be_refused};
use crate::sys::state::LabState;

/// Refuses a change of the scenario's own objects by which something of the user's would be lost. Clusters that do not run are left out: their
/// steps look again.
///
/// # Errors
/// Such a change is there.
pub async fn refuse(lab: &Lab, state: &LabState) -> Result<(), StepError> {
    try_join_all(lab.data_clusters().map(|cluster| of_cluster(lab, state, cluster))).await.map(|_| ())
}

async fn of_cluster(lab: &Lab, state: &LabState, cluster: &LabCluster) -> Result<(), StepError> {
    // Names of images are no matter here.
    let objects = Manifest::from_values(render::manifests(lab, cluster, &Images::new()))?;
    let (objects, _) = objects.split(may_be_refused);
    let kubeconfig = state.read(&format!("kubeconfigs/{}.yaml", cluster.name))?;
    let Some(kubeconfig) = kubeconfig.filter(|_| !objects.objects.is_empty()) else { return Ok(()) };
    // A kubeconfig that is of no use is written anew by its step.
    let Ok(client) = Cluster::connect(&kubeconfig).await else { return Ok(()) };
    if !client.is_ready().await {
        return Ok(());
    }
    let how = How { manager: Manager::Scenario, yields: false, dry_run: true };
    for (object, live) in objects.objects.iter().zip(client.live_all(&objects).await?) {
        if live.is_none() {
            continue;
        }
        if let Err(KubeError::Fixed { what, fields, loss, delete }) = client.apply_object(object, live, how).await {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            let kind = object.types.as_ref().map_or("", |t| t.kind.as_str());
            let origin = origin(lab, cluster, kind, name).unwrap_or_default();
            let what = format!("{what}{origin} in cluster {}", cluster.name);
            return Err(KubeError::Fixed { what, fields, loss, delete }.into());
        }
    }
    Ok(())
}

/// The app of a cluster that brings an object, and where that is written, as far as a file has been read.
fn origin(lab: &Lab, cluster: &LabCluster, kind: &str, name: &str) -> Option<String> {
    let manifests = lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
    manifests.filter(|m| m.is_in(&cluster.name)).find_map(|m| {
        let at = m.objects.iter().position(|o| o["kind"] == kind && o["metadata"]["name"] == name)?;
        let place = m.places.0.get(at).map_or_else(String::new, |place| format!(" ({place})"));
        Some(format!(" of app `{}`{place}", m.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    #[test]
    fn an_object_is_told_with_its_app_and_where_it_is_written() {
        let text = "name: demo\nclusters: [c1]\napps:\n  - manifests:\n      name: web\n      objects:\n        - { apiVersion: v1, kind: A, metadata: { name: a } }\n        - { apiVersion: v1, kind: B, metadata: { name: b } }\n";
        let mut lab = resolve(&parse(text, "lab.yaml").expect("a scenario")).expect("room");
        let told = |lab: &Lab| origin(lab, &lab.clusters[0], "B", "b");
        assert_eq!(told(&lab).as_deref(), Some(" of app `web` (lab.yaml:8)"));
        let App::Manifests(manifests) = &mut lab.apps[0] else { panic!("{:?}", lab.apps) };
        manifests.places.0.clear();
        assert_eq!(told(&lab).as_deref(), Some(" of app `web`"), "a lab from its state knows no places");
        assert_eq!(origin(&lab, &lab.clusters[0], "C", "b"), None);
    }
}
