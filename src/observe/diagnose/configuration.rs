//! Whether what the scenario itself configures is there: the user's own objects, the mesh configuration, and the rules that keep networks apart.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::found;
use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{self, ISTIO_NAMESPACE};
use crate::steps::node_network;
use crate::sys::kube::{Cluster, Manifest, covers};
use crate::verdict::{Cell, Finding};

/// Objects of the scenario that are missing or changed, for each cluster. What runs must be there, and is not compared: its images depend on where they
/// came from.
pub(in crate::observe) async fn objects(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<Finding>, StepError> {
    if cluster.existing.is_some() {
        return found::network(ctx, cluster).await;
    }
    let planned = render::manifests(&ctx.lab, cluster, &render::Images::new()).into_iter();
    let configured = planned.map(|o| if o.pointer("/spec/template").is_some() { identity(&o) } else { o });
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

/// What names an object, and nothing of what it is.
fn identity(object: &Value) -> Value {
    let (kind, named) = (&object["kind"], &object["metadata"]);
    let named = serde_json::json!({ "name": named["name"], "namespace": named["namespace"] });
    serde_json::json!({ "apiVersion": object["apiVersion"], "kind": kind, "metadata": named })
}

/// Whether the cluster's istiod has the mesh configuration that the scenario gives it. What istioctl adds is not compared, and a cluster whose istiod is
/// elsewhere has none.
pub(in crate::observe) async fn mesh(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<Finding>, StepError> {
    if cluster.existing.is_some() {
        return found::mesh(ctx, cluster).await;
    }
    let revision = cluster.revision.as_ref().map_or_else(String::new, |revision| format!("-{revision}"));
    let name = format!("istio{revision}");
    let map: Option<ConfigMap> = ctx.client(&cluster.name).await?.get(ISTIO_NAMESPACE, &name).await?;
    let Some(text) = map.and_then(|map| map.data).and_then(|mut data| data.remove("mesh")) else { return Ok(None) };
    let found: Value = serde_yaml::from_str(&text).unwrap_or_default();
    let planned = render::istio_operator(&ctx.lab, cluster, &render::Images::new(), &Value::Null);
    let wrong = lacking(&found, &[&planned["spec"]["meshConfig"], &planned["spec"]["values"]["meshConfig"]]);
    Ok((!wrong.is_empty()).then(|| Finding {
        cause: format!("istiod of {} does not have the mesh configuration of the scenario", cluster.name),
        evidence: format!(
            "ConfigMap {ISTIO_NAMESPACE}/{name} in {}: missing or changed: {}",
            cluster.name,
            wrong.join(", ")
        ),
        remedy: format!("lab up {} (it applies the ConfigMap again)", ctx.lab.name),
    }))
}

/// Names of the fields of which `found` does not have all that one of `wanted` has.
fn lacking(found: &Value, wanted: &[&Value]) -> Vec<String> {
    let fields = wanted.iter().filter_map(|wanted| wanted.as_object()).flatten();
    fields.filter(|(field, value)| !covers(&found[field.as_str()], value)).map(|(field, _)| field.clone()).collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_the_mesh_configuration_that_are_gone_or_changed_are_named() {
        let own = json!({ "serviceSettings": [{ "settings": { "clusterLocal": true }, "hosts": ["a.b"] }] });
        let labs = json!({ "trustDomain": "cluster.local" });
        let found = json!({ "trustDomain": "cluster.local", "defaultConfig": { "discoveryAddress": "x" },
            "serviceSettings": [{ "settings": { "clusterLocal": true }, "hosts": ["a.b"] }] });
        assert_eq!(lacking(&found, &[&labs, &own, &Value::Null]), [""; 0]);
        let mut changed = found.clone();
        changed["serviceSettings"][0]["settings"]["clusterLocal"] = json!(false);
        assert_eq!(lacking(&changed, &[&labs, &own]), ["serviceSettings"]);
        assert_eq!(lacking(&Value::Null, &[&labs, &own]), ["trustDomain", "serviceSettings"]);
    }
}
