//! Why replicas of a federation are not where they must be: Karmada itself, what the scenario gives it, its members, and what it decided.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::configuration::differing;
use crate::context::karmada_api::{self, DEPLOYMENTS};
use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{self, Images, KARMADA_AGENT, KARMADA_NAMESPACE};
use crate::scenario::{Check, FederationCheck, MemberMode};
use crate::sys::kube::{Cluster, Condition, condition};
use crate::verdict::{Finding, MemberReplicas, Spread};

/// What is wrong with the federation of a lab that has one, in the order in which causes precede each other. `spreads` has one entry for each
/// check of a federation, in the scenario's order.
pub(in crate::observe) async fn findings(ctx: &LabContext, spreads: &[Spread]) -> Result<Vec<Finding>, StepError> {
    let Some(federation) = &ctx.lab.federation else { return Ok(Vec::new()) };
    let again = |what: &str| format!("lab up {} ({what})", ctx.lab.name);
    let manager = ctx.cluster(&federation.manager)?;
    if let Err(waiting) = ctx.client(&manager.name).await?.deployments_out(KARMADA_NAMESPACE, DEPLOYMENTS).await? {
        return Ok(vec![Finding {
            cause: format!("Karmada does not run in {}: nothing is spread", manager.name),
            evidence: waiting,
            remedy: again("it starts Karmada again"),
        }]);
    }
    let api = karmada_api::client(ctx).await?;
    let mut findings = Vec::new();
    let planned = render::federated(&ctx.lab, &Images::new()).into_iter();
    let wrong = differing(&api, planned.filter(|o| o.pointer("/spec/template").is_none())).await?;
    if !wrong.is_empty() {
        findings.push(Finding {
            cause: "Karmada does not have what the scenario configures".to_owned(),
            evidence: format!("in Karmada's API, missing or changed: {}", wrong.join(", ")),
            remedy: again("it applies the objects again"),
        });
    }
    for member in &federation.members {
        findings.extend(not_ready(ctx, &api, ctx.cluster(&member.cluster)?, member.mode).await?);
    }
    if findings.is_empty() {
        let checks = ctx.lab.checks.iter().filter_map(|c| if let Check::Federation(c) = c { Some(c) } else { None });
        for (check, spread) in checks.zip(spreads).filter(|(_, spread)| !spread.passed()) {
            findings.extend(decided(ctx, &api, check, spread).await?);
        }
    }
    Ok(findings)
}

/// A member that Karmada does not find ready: nothing is carried there.
async fn not_ready(
    ctx: &LabContext,
    api: &Cluster,
    member: &LabCluster,
    mode: MemberMode,
) -> Result<Option<Finding>, StepError> {
    let name = &member.name;
    let remedy = format!("lab up {} (it starts what stands still, or joins the member)", ctx.lab.name);
    let Some(object) = api.read(&render::karmada_cluster(name)).await? else {
        return Ok(Some(Finding {
            cause: format!("{name} is no member of the federation"),
            evidence: format!("Karmada's API has no Cluster {name}"),
            remedy,
        }));
    };
    let ready = condition(&object, "Ready");
    if ready.as_ref().is_some_and(Condition::is_true) {
        return Ok(None);
    }
    let said = ready.map_or_else(|| "no condition Ready".to_owned(), |c| c.to_string());
    let mut evidence = format!("Karmada's Cluster {name} says: {said}");
    if mode == MemberMode::Pull
        && !ctx.client(name).await?.is_available(KARMADA_NAMESPACE, KARMADA_AGENT).await.unwrap_or(false)
    {
        evidence =
            format!("Deployment {KARMADA_NAMESPACE}/{KARMADA_AGENT} in {name} has no available replica; {evidence}");
    }
    Ok(Some(Finding { cause: format!("Karmada does not find {name} ready"), evidence, remedy }))
}

/// What Karmada decided about a Deployment whose replicas are not where they must be.
async fn decided(
    ctx: &LabContext,
    api: &Cluster,
    check: &FederationCheck,
    spread: &Spread,
) -> Result<Option<Finding>, StepError> {
    let FederationCheck { namespace, deployment: name, .. } = check;
    let binding = json!({
        "apiVersion": "work.karmada.io/v1alpha2",
        "kind": "ResourceBinding",
        // As Karmada names them: the object's name and its kind.
        "metadata": { "name": format!("{name}-deployment"), "namespace": namespace },
    });
    let Some(binding) = api.read(&binding).await? else {
        return Ok(Some(Finding {
            cause: format!("no policy of Karmada is about Deployment {namespace}/{name}"),
            evidence: format!("Karmada's API has no ResourceBinding {namespace}/{name}-deployment"),
            remedy: "name the Deployment in `resourceSelectors` of a PropagationPolicy".to_owned(),
        }));
    };
    if let Some(scheduled) = condition(&binding, "Scheduled").filter(|c| !c.is_true()) {
        return Ok(Some(Finding {
            cause: format!("Karmada finds no place for Deployment {namespace}/{name}"),
            evidence: format!("ResourceBinding {namespace}/{name}-deployment says: {scheduled}"),
            remedy: "change the placement in its PropagationPolicy, or make room in the members".to_owned(),
        }));
    }
    Ok(spread.members.iter().filter(|m| !m.passed()).find_map(|m| member(ctx, (namespace, name), &binding, m)))
}

fn member(
    ctx: &LabContext,
    (namespace, name): (&str, &str),
    binding: &DynamicObject,
    found: &MemberReplicas,
) -> Option<Finding> {
    let ready = found.found?;
    let assigned = assigned(&binding.data, &found.cluster);
    if assigned == found.expected {
        return Some(Finding {
            cause: format!("{namespace}/{name} does not run in {} as Karmada has decided", found.cluster),
            evidence: format!(
                "ResourceBinding {namespace}/{name}-deployment has {assigned} there, and {ready} are ready"
            ),
            remedy: format!(
                "kubectl --context lab-{}-{} -n {namespace} describe deployment {name}",
                ctx.lab.name, found.cluster
            ),
        });
    }
    Some(Finding {
        cause: format!("Karmada has not decided for {namespace}/{name} what the check expects"),
        evidence: format!(
            "ResourceBinding {namespace}/{name}-deployment has {assigned} in {}, expected {}",
            found.cluster, found.expected
        ),
        remedy: format!(
            "change `replicas` of the check or the weights of the policy, or have all spread anew if {} was away: a WorkloadRebalancer",
            found.cluster
        ),
    })
}

/// Replicas that a `ResourceBinding` gives to a member.
fn assigned(binding: &Value, cluster: &str) -> u32 {
    let clusters = binding.pointer("/spec/clusters").and_then(Value::as_array);
    let of = clusters.into_iter().flatten().find(|c| c["name"] == cluster);
    of.and_then(|c| c["replicas"].as_u64()).map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_a_binding_does_not_name_has_none() {
        let binding = json!({ "spec": { "clusters": [{ "name": "eu", "replicas": 2 }, { "name": "ap" }] } });
        assert_eq!([assigned(&binding, "eu"), assigned(&binding, "ap"), assigned(&binding, "us")], [2, 0, 0]);
    }
}
