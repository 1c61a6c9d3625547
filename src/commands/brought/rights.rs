//! The rights that lab needs in a cluster that it did not make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kube::api::DynamicObject;

use crate::context::StepError;
use crate::sys::kube::{Cluster, Right};

/// What is done with objects that lab applies.
const APPLYING: [&str; 7] = ["get", "list", "watch", "create", "patch", "update", "delete"];

/// What lab needs besides, to wait, to look and to call: group, resource, verbs.
const BESIDES: [(&str, &str, &[&str]); 9] = [
    ("", "pods", &["get", "list", "watch", "create", "patch", "delete"]),
    ("", "pods/exec", &["create", "get"]),
    ("", "pods/portforward", &["create", "get"]),
    ("", "pods/log", &["get"]),
    ("", "nodes", &["list"]),
    ("", "events", &["list"]),
    ("", "secrets", &["get", "list", "watch"]),
    ("apps", "replicasets", &["get", "list"]),
    ("apps", "statefulsets", &["get", "list"]),
];

/// The rights of roles that lab's Istio needs: whoever gives rights that he does not have must be let.
const GIVING: [(&str, &str); 4] =
    [("clusterroles", "escalate"), ("roles", "escalate"), ("clusterroles", "bind"), ("roles", "bind")];

/// The group of roles.
const RBAC: &str = "rbac.authorization.k8s.io";

/// The rights that are missing to apply these objects, and to do what lab does besides.
pub(super) async fn missing(client: &Cluster, objects: &[DynamicObject]) -> Result<BTreeSet<Right>, StepError> {
    let all = Right { group: "*".to_owned(), resource: "*".to_owned(), verb: "*" };
    if client.may(&all).await? {
        return Ok(BTreeSet::new());
    }
    let mut wanted: BTreeSet<Right> = BTreeSet::new();
    for (group, resource) in kinds(client, objects).await? {
        wanted.extend(APPLYING.map(|verb| Right { group: group.clone(), resource: resource.clone(), verb }));
    }
    for (group, resource, verbs) in BESIDES {
        wanted.extend(verbs.iter().map(|verb| Right { group: group.to_owned(), resource: resource.to_owned(), verb }));
    }
    let wanted: Vec<Right> = wanted.into_iter().collect();
    let may =
        client.side_by_side::<_, StepError>(wanted.iter().map(|right| async { Ok(client.may(right).await?) })).await?;
    let mut missing: BTreeSet<Right> =
        wanted.into_iter().zip(may).filter(|(_, may)| !may).map(|(right, _)| right).collect();
    // Who has all that he gives needs no leave for it, so that alone is no reason to refuse; a dry run tells.
    if !missing.is_empty() {
        let giving =
            GIVING.map(|(resource, verb)| Right { group: RBAC.to_owned(), resource: resource.to_owned(), verb });
        missing.extend(giving);
    }
    Ok(missing)
}

/// Groups and plural names of the objects' kinds. Of a kind that comes with them its definition tells.
async fn kinds(client: &Cluster, objects: &[DynamicObject]) -> Result<BTreeSet<(String, String)>, StepError> {
    let mut defined: BTreeMap<(String, String), String> = BTreeMap::new();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    for object in objects.iter().filter(|o| o.types.as_ref().is_some_and(|t| t.kind == "CustomResourceDefinition")) {
        let spec = &object.data["spec"];
        defined.insert((text(&spec["group"]), text(&spec["names"]["kind"])), text(&spec["names"]["plural"]));
    }
    let mut seen = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for object in objects {
        let types = object.types.clone().unwrap_or_default();
        if !seen.insert((types.api_version.clone(), types.kind.clone())) {
            continue;
        }
        let group = types.api_version.rsplit_once('/').map(|(group, _)| group.to_owned()).unwrap_or_default();
        match defined.get(&(group.clone(), types.kind.clone())) {
            Some(plural) => _ = kinds.insert((group, plural.clone())),
            None => kinds.extend(client.plural(object).await?),
        }
    }
    Ok(kinds)
}

/// A role with these rights, as YAML to apply.
#[must_use]
pub fn role(lab: &str, rights: &BTreeSet<Right>) -> String {
    // Resources of one group with the same verbs are one rule.
    let mut verbs: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for right in rights {
        verbs.entry((&right.group, &right.resource)).or_default().push(right.verb);
    }
    let mut rules: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in verbs {
        rules.entry((group, verbs)).or_default().push(resource);
    }
    let mut text =
        format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: lab-{lab}\nrules:\n");
    for ((group, verbs), resources) in rules {
        let _ = write!(
            text,
            "  - apiGroups: [\"{group}\"]\n    resources: [{}]\n    verbs: [{}]\n",
            resources.join(", "),
            verbs.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_one_rule_for_what_has_the_same_verbs() {
        let right =
            |group: &str, resource: &str, verb| Right { group: group.to_owned(), resource: resource.to_owned(), verb };
        let rights = [
            right("apps", "deployments", "get"),
            right("apps", "deployments", "patch"),
            right("apps", "daemonsets", "get"),
            right("apps", "daemonsets", "patch"),
            right("", "pods/exec", "create"),
        ];
        assert_eq!(
            role("demo", &rights.into()),
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: lab-demo\nrules:\n  - apiGroups: [\"\"]\n    resources: [pods/exec]\n    verbs: [create]\n  - apiGroups: [\"apps\"]\n    resources: [daemonsets, deployments]\n    verbs: [get, patch]\n"
        );
    }
}
