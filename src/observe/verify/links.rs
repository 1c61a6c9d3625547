//! What is configured between the clusters of a mesh that somebody else installed: it is looked at, and nothing is called.

use futures::stream::{self, StreamExt};

use super::super::diagnose::{self, configuration};
use crate::context::{LabContext, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::verdict::{Finding, LinkVerdict};

/// Directions that are looked at side by side.
const CONCURRENCY: usize = 4;

/// Every direction between two clusters of the mesh; of one cluster alone, itself.
pub(super) async fn look(ctx: &LabContext, progress: &Progress) -> Vec<LinkVerdict> {
    let all: Vec<&LabCluster> = ctx.lab.data_clusters().collect();
    let is_alone = all.len() == 1;
    let pairs = all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to)));
    let pairs = pairs.filter(|(from, to)| is_alone || from.name != to.name);
    let looks = pairs.map(|(from, to)| async move {
        progress.say(format!("{} -> {}: looking at what is configured", from.name, to.name));
        let mut found = Vec::new();
        let finding = match link(ctx, from, to, &mut found).await {
            Ok(finding) => finding,
            Err(error) => Some(Finding {
                cause: format!("what leads from {} to {} cannot be told", from.name, to.name),
                evidence: error.to_string(),
                remedy: format!("lab status {}", ctx.lab.name),
            }),
        };
        LinkVerdict { from: from.name.clone(), to: to.name.clone(), found: found.join(", "), finding }
    });
    stream::iter(looks).buffered(CONCURRENCY).collect().await
}

/// The first thing that is wrong, in the order in which causes precede each other.
async fn link(
    ctx: &LabContext,
    from: &LabCluster,
    to: &LabCluster,
    found: &mut Vec<String>,
) -> Result<Option<Finding>, StepError> {
    for cluster in [from, to] {
        if let Some(finding) = diagnose::control_plane(ctx, cluster).await? {
            return Ok(Some(finding));
        }
        for looked in [configuration::mesh(ctx, cluster).await?, configuration::objects(ctx, cluster).await?] {
            if looked.is_some() {
                return Ok(looked);
            }
        }
    }
    let host = ctx.lab.control_plane(from);
    found.push(format!("istiod of {} runs", host.name));
    if from.name == to.name {
        return Ok(None);
    }
    match diagnose::trust(ctx, from, to).await? {
        Ok(_) => found.push("one root".to_owned()),
        Err(finding) => return Ok(Some(finding)),
    }
    if let Some(finding) = diagnose::watches(ctx, from, to).await? {
        return Ok(Some(finding));
    }
    if host.name != to.name {
        found.push(format!("it is synchronised with {}", to.name));
    }
    if from.network == to.network {
        found.push(format!("one network, {}", from.network));
        return Ok(None);
    }
    if let Some(finding) = diagnose::gateway(ctx, to).await? {
        return Ok(Some(finding));
    }
    let at = to.east_west_endpoint().map_or_else(String::new, |endpoint| format!(" at {endpoint}"));
    found.push(format!("the gateway of {} runs{at}", to.name));
    Ok(None)
}
