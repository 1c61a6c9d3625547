//! Who calls in a mesh that somebody else installed.

use crate::context::{LabContext, StepError};
use crate::observe::traffic;
use crate::scenario::CallerPod;

/// That no pod of a cluster can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCaller;

/// A pod of a cluster with a sidecar and, if any has it, curl.
///
/// # Errors
/// The pods cannot be listed.
pub async fn caller_of(ctx: &LabContext, cluster: &str) -> Result<Result<CallerPod, NoCaller>, StepError> {
    let found = traffic::any_caller(ctx, ctx.cluster(cluster)?).await?;
    Ok(found.map(|(caller, _)| caller).ok_or(NoCaller))
}
