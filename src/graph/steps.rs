//! The graph of a plan's steps: a lane for each cluster, and one for what is about all.

use super::federation::deployments;
use super::{Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind, Subject};
use crate::plan::{Action, Lab, Plan, PlannedStep};

/// The steps of a plan, and which comes before which.
#[must_use]
pub fn steps(lab: &Lab, plan: &Plan) -> Graph {
    let lane = |id: String, title: String, cluster: Option<&str>| Group {
        id,
        kind: GroupKind::Lane,
        title,
        lines: Vec::new(),
        groups: Vec::new(),
        nodes: plan.steps.iter().filter(|s| s.action.cluster() == cluster).map(|step| node(lab, step)).collect(),
    };
    let all = lane("lane".to_owned(), "all".to_owned(), None);
    let lanes = lab.clusters.iter().map(|c| lane(format!("lane-{}", c.name), c.name.clone(), Some(&c.name)));
    let groups: Vec<Group> = std::iter::once(all).chain(lanes).filter(|g| !g.nodes.is_empty()).collect();
    let edges = plan.steps.iter().flat_map(|step| {
        step.needs.iter().map(|need| Edge { from: need.0.clone(), to: step.id.0.clone(), kind: EdgeKind::Before })
    });
    Graph {
        subject: Subject::Steps,
        title: format!("lab up {}", lab.name),
        subtitle: format!("{} steps; each starts when those before it have ended", plan.steps.len()),
        groups,
        edges: edges.collect(),
    }
}

fn node(lab: &Lab, step: &PlannedStep) -> Node {
    let detail = match &step.action {
        Action::RemoteSecret { of, .. } => Some(format!("of {of}")),
        Action::Apps { apps, .. } => Some(apps.join(", ")).filter(|apps| !apps.is_empty()),
        Action::Jobs { jobs, .. } => Some(jobs.join(", ")),
        Action::KarmadaMember { cluster } => {
            let member = lab.federation.as_ref().and_then(|f| f.member(cluster));
            member.map(|m| format!("by {}", m.mode.as_str()))
        }
        Action::FederatedApps { .. } => {
            let names = lab.federation.iter().flat_map(deployments).map(|(name, _)| name);
            Some(names.collect::<Vec<_>>().join(", ")).filter(|apps| !apps.is_empty())
        }
        _ => None,
    };
    Node { id: step.id.0.clone(), kind: NodeKind::Step, title: step.action.verb().to_owned(), detail }
}
