//! What a federation adds to the graph of a lab: its manager, the agents of its members, and who carries work where.

use super::topology::{cluster_group, inner, node};
use super::{Edge, EdgeKind, Group, GroupKind, Node, NodeKind};
use crate::plan::{Lab, LabCluster};
use crate::scenario::{Federation, MemberMode};

/// The group around the manager.
pub(super) fn manager(lab: &Lab, federation: &Federation) -> Option<Group> {
    let line = match federation.failover {
        Some(failover) => format!("failover after {} s", failover.toleration_seconds),
        None => "no failover".to_owned(),
    };
    Some(Group {
        id: "manager".to_owned(),
        kind: GroupKind::Outside,
        title: "federation".to_owned(),
        lines: vec![line],
        groups: vec![cluster_group(lab, lab.cluster(&federation.manager)?)],
        nodes: Vec::new(),
    })
}

/// Karmada itself, in its manager.
pub(super) fn karmada(lab: &Lab, cluster: &LabCluster) -> Option<Node> {
    let karmada = || node(inner(cluster, "karmada"), NodeKind::ControlPlane, "Karmada".to_owned(), None);
    lab.is_manager(cluster).then(karmada)
}

/// What else of the federation is in a cluster: in the manager what Karmada is given, in a member the agent that fetches it.
pub(super) fn nodes(lab: &Lab, cluster: &LabCluster) -> Vec<Node> {
    let Some(federation) = &lab.federation else { return Vec::new() };
    if lab.is_manager(cluster) {
        return workloads(federation, cluster).collect();
    }
    let pulls = federation.member(&cluster.name).is_some_and(|m| m.mode == MemberMode::Pull);
    let agent = pulls.then(|| node(agent_id(&cluster.name), NodeKind::Agent, "agent".to_owned(), None));
    agent.into_iter().collect()
}

/// The Deployments that Karmada is given.
pub(super) fn deployments(federation: &Federation) -> impl Iterator<Item = (&str, Option<u64>)> {
    let deployments = federation.objects.iter().filter(|o| o["kind"] == "Deployment");
    deployments.filter_map(|o| Some((o["metadata"]["name"].as_str()?, o["spec"]["replicas"].as_u64())))
}

fn workloads(federation: &Federation, cluster: &LabCluster) -> impl Iterator<Item = Node> {
    deployments(federation).enumerate().map(|(i, (name, replicas))| {
        let id = inner(cluster, &format!("federated-{}", i + 1));
        node(id, NodeKind::App, name.to_owned(), replicas.map(|count| format!("×{count}")))
    })
}

/// Karmada calls members, or their agents call it.
pub(super) fn edges(lab: &Lab) -> impl Iterator<Item = Edge> {
    lab.federation.iter().flat_map(|federation| {
        let karmada = format!("{}/karmada", federation.manager);
        federation.members.iter().map(move |member| match member.mode {
            MemberMode::Push => {
                Edge { from: karmada.clone(), to: format!("{}/api-server", member.cluster), kind: EdgeKind::Pushes }
            }
            MemberMode::Pull => Edge { from: agent_id(&member.cluster), to: karmada.clone(), kind: EdgeKind::Pulls },
        })
    })
}

fn agent_id(cluster: &str) -> String {
    format!("{cluster}/karmada-agent")
}
