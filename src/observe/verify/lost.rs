//! What of a lab will never answer as it is, so that no check need wait for it.

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;

use crate::context::{LabContext, StepError};
use crate::plan::render::{EAST_WEST_GATEWAY, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::sys::docker::LAB_LABEL;

/// Whether there is anything of the kind. What cannot be asked is not lost by that: other looks tell it.
pub(super) async fn is_anything(ctx: &LabContext) -> bool {
    let looks = join_all(ctx.lab.clusters.iter().map(|cluster| of_cluster(ctx, cluster))).await;
    let found: Vec<String> = looks.into_iter().filter_map(Result::ok).flatten().collect();
    if !found.is_empty() {
        tracing::debug!(?found, "will never answer");
    }
    !found.is_empty()
}

async fn of_cluster(ctx: &LabContext, cluster: &LabCluster) -> Result<Vec<String>, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let mut found = client.hopeless(&format!("{LAB_LABEL}={}", ctx.lab.name)).await?;
    for name in wanted(ctx, cluster) {
        let deployment: Option<Deployment> = client.get(ISTIO_NAMESPACE, &name).await?;
        if wants_none(deployment.as_ref()) {
            found.push(format!("{name} of {} has no pods, and gets none", cluster.name));
        }
    }
    Ok(found)
}

/// The Deployments of the mesh that a cluster cannot do without.
fn wanted(ctx: &LabContext, cluster: &LabCluster) -> Vec<String> {
    if !ctx.lab.has_istio(cluster) || ctx.lab.is_host(cluster) {
        return Vec::new();
    }
    if cluster.existing.is_some() {
        return cluster.runs_istiod().then(|| cluster.istiod()).into_iter().collect();
    }
    let all = [
        (cluster.runs_istiod(), cluster.istiod()),
        (cluster.east_west_endpoint().is_some(), EAST_WEST_GATEWAY.to_owned()),
        (cluster.addresses.contains_key(&Gateway::IngressGateway), INGRESS_GATEWAY.to_owned()),
    ];
    all.into_iter().filter_map(|(is_wanted, name)| is_wanted.then_some(name)).collect()
}

/// Whether a Deployment is not there, or has been told to have no pods: nothing but a user changes that.
fn wants_none(deployment: Option<&Deployment>) -> bool {
    deployment.is_none_or(|d| d.spec.replicas == Some(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateway_that_is_gone_or_scaled_to_zero_is_lost() {
        let with = |spec| -> Deployment {
            serde_json::from_value(json!({ "metadata": { "name": "a" }, "spec": spec })).expect("a Deployment")
        };
        assert!(wants_none(None));
        let template = json!({ "selector": {}, "template": {} });
        assert!(!wants_none(Some(&with(template))));
        assert!(wants_none(Some(&with(json!({ "replicas": 0, "selector": {}, "template": {} })))));
        assert!(!wants_none(Some(&with(json!({ "replicas": 1, "selector": {}, "template": {} })))));
    }
}
