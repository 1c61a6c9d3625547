//! What the clusters of a lab warn of: Kubernetes' own events of type Warning.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Event;

use crate::context::{LabContext, StepError};

/// How long a cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The warnings of each cluster, or why it does not answer. All clusters are asked at once.
pub async fn warnings(ctx: &LabContext) -> Vec<(String, Result<Vec<Event>, String>)> {
    join_all(ctx.lab.clusters.iter().map(|cluster| async move {
        let asked = async {
            let events: Vec<Event> = ctx.client(&cluster.name).await?.everywhere().await?;
            let warns = |e: &Event| e.type_.as_deref() == Some("Warning");
            Ok::<_, StepError>(events.into_iter().filter(warns).collect())
        };
        let found = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(found) => found.map_err(|e| e.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        (cluster.name.clone(), found)
    }))
    .await
}
