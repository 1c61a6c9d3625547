//! Rules for clusters and a mesh that lab did not make.

mod brought;

use std::collections::HashMap;

use super::{Draft, Located, Problems};
use crate::scenario::check::RawCheck;
use crate::scenario::form::{OrWord, TruthOr};
use crate::scenario::model::{Existing, FoundGateway};
use crate::scenario::problem::ExistingProblem;
use crate::scenario::raw::{RawCluster, RawExisting, RawFoundGateway, RawScenario};
use crate::scenario::tree::Span;

/// Whether the mesh is there already. Then the fields that say what lab makes are mistakes; and those that lab cannot make where only the clusters are there.
pub(super) fn read_mesh(raw: &RawScenario, problems: &mut Problems) -> bool {
    let mesh = if let Some(OrWord::Value(mesh)) = &raw.mesh { Some(mesh) } else { None };
    let is_existing = mesh.and_then(|mesh| mesh.value.existing.as_ref()).is_some_and(|existing| existing.value);
    if is_existing {
        refuse_own(raw, problems);
    } else if raw.clusters.iter().flat_map(|all| &all.value).any(|cluster| cluster.value.existing.is_some()) {
        brought::refuse(raw, problems);
    }
    is_existing
}

/// Records the fields of the scenario that say what lab makes, where it makes nothing.
fn refuse_own(raw: &RawScenario, problems: &mut Problems) {
    let mut all: Vec<(&'static str, Option<Span>)> = vec![
        ("ipFamily", raw.ip_family.as_ref().map(|f| f.span)),
        ("dockerNetwork", raw.docker_network.as_ref().map(|n| n.span)),
        ("images", raw.images.as_ref().map(|i| i.span)),
        ("versions", raw.versions.as_ref().map(|v| v.span)),
        ("apps", raw.apps.as_ref().filter(|a| !a.value.is_empty()).map(|a| a.span)),
        ("federation", raw.federation.as_ref().map(|f| f.span)),
        ("faults", raw.faults.as_ref().filter(|f| !f.value.is_empty()).map(|f| f.span)),
    ];
    if let Some(OrWord::Value(mesh)) = &raw.mesh {
        let values = mesh.value.values.as_ref();
        let values = values.filter(|v| v.value.as_object().is_none_or(|map| !map.is_empty()));
        all.push(("ca", mesh.value.ca.as_ref().map(|ca| ca.span)));
        all.push(("values", values.map(|v| v.span)));
        let ingress = mesh.value.ingress_gateway.as_ref();
        all.push(("ingressGateway", ingress.filter(|i| !matches!(i, TruthOr::Truth(false))).map(|_| mesh.span)));
    }
    // These are about lab's own apps.
    all.extend(raw.checks.iter().flat_map(|checks| &checks.value).map(|check| {
        let of_apps = match check.value {
            RawCheck::Request(_) => return ("", None),
            RawCheck::Rotation(_) => "rotation",
            RawCheck::Failover(_) => "failover",
            RawCheck::Reachability(_) => "reachability",
            RawCheck::Federation(_) => "federation",
        };
        (of_apps, Some(check.span))
    }));
    for (field, span) in all {
        if let Some(span) = span {
            problems.add(span, ExistingProblem::NotOurs { field });
        }
    }
}

/// How a cluster is reached that lab did not make, and where the file says so. Then the fields that say what lab makes are mistakes.
pub(super) fn of_cluster(
    raw: &mut RawCluster,
    is_existing: bool,
    problems: &mut Problems,
) -> (Option<Existing>, Option<Span>) {
    let Some(existing) = raw.existing.take() else { return (None, None) };
    if is_existing {
        refuse_made(raw, problems);
        let server = existing.value.server.as_ref().map(|server| server.span);
        _ = server.map(|span| problems.add(span, ExistingProblem::NotOurs { field: "server" }));
    } else {
        brought::refuse_of_cluster(raw, &existing.value, problems);
    }
    (read(existing.value, problems), Some(existing.span))
}

/// Records the fields of a cluster that say what lab makes.
fn refuse_made(raw: &RawCluster, problems: &mut Problems) {
    let balancer = raw.load_balancer.as_ref().map(|balancer| match balancer {
        OrWord::Word(span) => *span,
        OrWord::Value(balancer) => balancer.span,
    });
    let all = [
        ("mesh", raw.mesh.as_ref().map(|m| m.span)),
        ("podSubnet", raw.pod_subnet.as_ref().map(|s| s.span)),
        ("serviceSubnet", raw.service_subnet.as_ref().map(|s| s.span)),
        ("nodes", raw.nodes.as_ref().map(|n| n.span)),
        ("versions", raw.versions.as_ref().map(|v| v.span)),
        ("loadBalancer", balancer),
    ];
    for (field, span) in all {
        if let Some(span) = span {
            problems.add(span, ExistingProblem::NotOurs { field });
        }
    }
}

/// Reads how a cluster is reached.
fn read(raw: RawExisting, problems: &mut Problems) -> Option<Existing> {
    let mut text = |field, value: Option<Located<String>>| {
        let value = value?;
        if value.value.trim().is_empty() {
            problems.add(value.span, ExistingProblem::Empty { field });
            return None;
        }
        Some(value.value)
    };
    let kubeconfig = text("kubeconfig", raw.kubeconfig);
    let context = text("context", raw.context);
    let server = text("server", raw.server);
    let (cluster_id, revision) = (text("clusterId", raw.cluster_id), text("revision", raw.revision));
    let mut gateway = |found: Option<Located<RawFoundGateway>>| {
        let RawFoundGateway { service, address } = found?.value;
        let service = service?;
        if !service.value.split_once('/').is_some_and(|(n, s)| !n.is_empty() && !s.is_empty() && !s.contains('/')) {
            problems.add(service.span, ExistingProblem::NoService { value: service.value });
            return None;
        }
        Some(FoundGateway { service: service.value, address: address.map(|a| a.value) })
    };
    let (east_west_gateway, ingress_gateway) = (gateway(raw.east_west), gateway(raw.ingress));
    Some(Existing {
        kubeconfig: kubeconfig?,
        context: context?,
        server,
        cluster_id,
        revision,
        east_west_gateway,
        ingress_gateway,
    })
}

/// Checks that either lab makes all of it or somebody else has.
pub(super) fn check(is_existing: bool, drafts: &[Draft], problems: &mut Problems) {
    let is_brought = !is_existing && drafts.iter().any(|draft| draft.existing_at.is_some());
    let mut contexts: HashMap<(&str, &str), &str> = HashMap::new();
    for draft in drafts {
        let cluster = draft.name.value.clone();
        if draft.existing_at.is_none() && is_existing {
            problems.add(draft.name.span, ExistingProblem::Where { cluster });
        } else if draft.existing_at.is_none() && is_brought {
            problems.add(draft.name.span, ExistingProblem::Mixed { cluster });
        }
        if let (Some(existing), Some(span)) = (&draft.existing, draft.existing_at) {
            let place = (existing.kubeconfig.as_str(), existing.context.as_str());
            if let Some(other) = contexts.insert(place, &draft.name.value) {
                let (cluster, other) = (draft.name.value.clone(), other.to_owned());
                problems.add(span, ExistingProblem::Twice { cluster, other });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::{parse, render};

    fn refused(text: &str) -> String {
        let errors = parse(&format!("name: demo\n{text}"), "lab.yaml").expect_err(text);
        format!("{text}\n{}", render(&errors))
    }

    #[test]
    fn what_is_there_and_what_lab_makes_are_not_mixed() {
        let all = [
            "mesh: { existing: true }\nclusters: [{ name: c1, existing: { kubeconfig: a, context: b } }, c2]\n",
            "mesh: { existing: true, ca: { files: { rootCert: a, rootKey: b } }, values: { a: b }, ingressGateway: true }\nipFamily: dual\ndockerNetwork: { mtu: 1400 }\nversions: { istio: \"1.31\" }\napps: [sleep]\nfaults: [partition: { between: [c1, c2] }]\nclusters: [{ name: c1, podSubnet: 10.1.0.0/16, nodes: { workers: 1 }, loadBalancer: none, existing: { kubeconfig: a, context: b } }]\n",
            "mesh: { existing: true }\nclusters: [{ name: c1, existing: { kubeconfig: a, context: b } }, { name: c2, existing: { kubeconfig: a, context: b } }, { name: c3, existing: { kubeconfig: \"\", context: c, eastWestGateway: { service: gateway } } }]\n",
            "mesh: { existing: true }\nclusters: [{ name: c1, existing: { context: b } }]\n",
        ];
        insta::assert_snapshot!(all.map(refused).join("\n========================================\n"));
    }

    #[test]
    fn a_mesh_that_is_there_says_only_where_it_is() {
        let text = "name: demo\nmesh: { existing: true, dnsCapture: true }\nclusters: [{ name: c1, existing: { kubeconfig: a, context: b, revision: 1-31, eastWestGateway: { service: a/b, address: 10.0.0.1 } } }]\n";
        let scenario = parse(text, "lab.yaml").expect("valid");
        assert!(scenario.apps.is_empty() && scenario.checks.is_empty() && scenario.mesh.existing);
        let existing = scenario.clusters[0].existing.as_ref().expect("existing");
        assert_eq!((existing.context.as_str(), existing.revision.as_deref()), ("b", Some("1-31")));
    }
}
