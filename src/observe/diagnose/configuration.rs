//! Whether what the scenario itself configures is there: the user's own objects, and the rules that keep networks apart.

use serde_json::Value;

use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render;
use crate::steps::node_network;
use crate::sys::kube::{Cluster, Manifest};
use crate::verdict::{Cell, Finding};

/// Objects of the scenario that are missing or changed, for each cluster. What runs is not compared: its images depend on where they came
/// from, and whether it runs is seen elsewhere.
pub(in crate::observe) async fn objects(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<Finding>, StepError> {
    let planned = render::manifests(&ctx.lab, cluster, &render::Images::new()).into_iter();
    let configured = planned.filter(|o| o.pointer("/spec/template").is_none());
    let configured = configured.chain(render::request_balance(&ctx.lab, cluster));
    let wrong = differing(&ctx.client(&cluster.name).await?, configured).await?;
    if wrong.is_empty() {
        return Ok(None);
    }
    Ok(Some(Finding {
        cause: format!("{} does not have what the scenario configures", cluster.name),
        evidence: format!("missing or changed: {}", wrong.join(", ")),
        remedy: format!("lab up {} (it applies the objects again)", ctx.lab.name),
    }))
}

/// Of these objects, those that are missing or changed: kind, namespace and name.
pub(in crate::observe) async fn differing(
    client: &Cluster,
    objects: impl IntoIterator<Item = Value>,
) -> Result<Vec<String>, StepError> {
    let mut differing = Vec::new();
    for value in objects {
        let manifest = Manifest::from_values([value])?;
        let Some(object) = manifest.objects.first() else { continue };
        if client.has(&manifest).await? {
            continue;
        }
        let kind = object.types.as_ref().map_or("", |t| t.kind.as_str());
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let namespace = object.metadata.namespace.as_ref().map_or_else(String::new, |n| format!("{n}/"));
        differing.push(format!("{kind} {namespace}{name}"));
    }
    Ok(differing)
}

/// Clusters that are reached by a way that their network must not have, and whose nodes do not have the rules for that.
pub(in crate::observe) async fn separation(ctx: &LabContext, cells: &[Cell]) -> Result<Vec<Finding>, StepError> {
    let mut findings = Vec::new();
    for cluster in ctx.lab.data_clusters() {
        let open = cells.iter().find(|c| !c.expected && c.found && c.to == cluster.name);
        if let Some(cell) = open
            && let Some(difference) = node_network::difference(ctx, cluster).await?
        {
            findings.push(Finding {
                cause: format!("the nodes of {} do not keep other networks away from it", cluster.name),
                evidence: format!("{} reached it by {}; {difference}", cell.from, cell.kind),
                remedy: format!("lab up {} (it sets the rules again)", ctx.lab.name),
            });
        }
    }
    Ok(findings)
}
