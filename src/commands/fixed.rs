//! Changes that are refused before anything is touched: of what cannot be changed in place and would lose something if it were made anew.

use futures::future::try_join_all;

use crate::context::StepError;
use crate::plan::render::{self, Images};
use crate::plan::{Lab, LabCluster, Origin, origin_of};
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
            let identity = serde_json::to_value(object).unwrap_or_default();
            let origin = origin_of(lab, cluster, &identity).map_or_else(String::new, told);
            let what = format!("{what}{origin} in cluster {}", cluster.name);
            return Err(KubeError::Fixed { what, fields, loss, delete }.into());
        }
    }
    Ok(())
}

/// The app that brings an object, and where that is written, as far as a file has been read.
fn told(Origin { app, place }: Origin<'_>) -> String {
    let place = place.map_or_else(String::new, |place| format!(" ({place})"));
    format!(" of app `{app}`{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_told_with_its_app_and_where_it_is_written() {
        assert_eq!(told(Origin { app: "web", place: Some("lab.yaml:8") }), " of app `web` (lab.yaml:8)");
        assert_eq!(told(Origin { app: "web", place: None }), " of app `web`", "a lab from its state knows no places");
    }
}
