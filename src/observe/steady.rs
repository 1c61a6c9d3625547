//! A steady stream of calls from every cluster of the mesh, while something is done to it.

use std::time::Instant;

use futures::future::try_join_all;
use tokio::sync::mpsc::UnboundedReceiver;

use super::traffic::{Call, Caller};
use crate::context::{LabContext, StepError};
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::ServiceUrl;
use crate::verdict::Answer;

/// Requests a second from each caller.
const RATE: &str = "20/s";

/// Calls under way from sleep of every cluster of the mesh. They end when this is dropped.
pub struct Steady {
    streams: Vec<(String, UnboundedReceiver<(Instant, Answer)>)>,
}

impl Steady {
    /// Begins to call.
    ///
    /// # Errors
    /// A cluster has no caller, or does not answer.
    pub async fn begin(ctx: &LabContext, service: &ServiceUrl) -> Result<Self, StepError> {
        let begin = ctx.lab.data_clusters().map(async |cluster| {
            let caller = Caller::find(ctx, &cluster.name, APP_NAMESPACE, "sleep").await?;
            let answers = caller.stream(&Call::get(format!("http://{service}")), RATE).await?;
            Ok::<_, StepError>((cluster.name.clone(), answers))
        });
        Ok(Self { streams: try_join_all(begin).await? })
    }

    /// Ends the calls. Gives by calling cluster each answer with the time at which it came.
    #[must_use]
    pub fn end(self) -> Vec<(String, Vec<(Instant, Answer)>)> {
        let all = |mut answers: UnboundedReceiver<_>| std::iter::from_fn(|| answers.try_recv().ok()).collect();
        self.streams.into_iter().map(|(cluster, answers)| (cluster, all(answers))).collect()
    }
}
