//! A steady stream of calls from every cluster of the mesh, while something is done to it.

use std::time::Instant;

use futures::future::try_join_all;

use super::probe::Probe;
use crate::context::{LabContext, StepError};
use crate::scenario::ServiceUrl;
use crate::verdict::Answer;

/// Calls under way from sleep of every cluster of the mesh. They end when this is dropped.
pub struct Steady {
    probes: Vec<(String, Probe)>,
}

impl Steady {
    /// Begins to call.
    ///
    /// # Errors
    /// A cluster has no caller, or does not answer.
    pub async fn begin(ctx: &LabContext, service: &ServiceUrl) -> Result<Self, StepError> {
        let begin = ctx.lab.data_clusters().map(async |cluster| {
            Ok::<_, StepError>((cluster.name.clone(), Probe::begin(ctx, &cluster.name, service).await?))
        });
        Ok(Self { probes: try_join_all(begin).await? })
    }

    /// Ends the calls. Gives by calling cluster each answer with the time at which it came.
    #[must_use]
    pub fn end(self) -> Vec<(String, Vec<(Instant, Answer)>)> {
        self.probes.into_iter().map(|(cluster, probe)| (cluster, probe.end())).collect()
    }
}
