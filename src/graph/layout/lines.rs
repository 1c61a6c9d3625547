//! Lines between cards. Each has a lane of its own above or below a row of cards, which starts at its label on the left; branches lead from
//! the lane to the boxes. Lanes in several rows are joined by a trunk between the labels and the cards.

use std::collections::BTreeMap;

use super::super::model::{EdgeKind, Graph, NodeKind};

/// Edges that share a lane.
pub(super) struct Net<'g> {
    /// What the lane says.
    pub label: String,
    /// Classes of its colour and stroke.
    pub class: String,
    /// Nodes or groups at which it starts.
    pub sources: Vec<&'g str>,
    /// Nodes at which it ends.
    pub targets: Vec<&'g str>,
}

/// The lanes of a picture.
pub(super) struct Nets<'g> {
    /// Above the cards: which istiod watches whom, and who brings or fetches a federation's work.
    pub above: Vec<Net<'g>>,
    /// Below them: what arrives at gateways.
    pub below: Vec<Net<'g>>,
    /// Number of the colour of each control plane, by the node's identifier.
    pub hues: BTreeMap<&'g str, usize>,
}

pub(super) fn nets(graph: &Graph) -> Nets<'_> {
    let clusters = graph.all_groups();
    let name_of = |node: &str| {
        clusters.iter().find(|g| g.nodes.iter().any(|n| n.id == node)).map_or_else(String::new, |g| g.title.clone())
    };
    let planes = graph.all_nodes().filter(|n| n.kind == NodeKind::ControlPlane);
    let mut hues: BTreeMap<&str, usize> = planes.enumerate().map(|(i, n)| (n.id.as_str(), i)).collect();
    let mut above = by(graph, EdgeKind::Watches, |e| &e.from);
    for net in &mut above {
        let reader = net.sources[0];
        net.label = format!("istiod of {} watches", name_of(reader));
        net.class = format!("h{}", hues.get(reader).copied().unwrap_or_default() % 6);
    }
    let pushes = by(graph, EdgeKind::Pushes, |e| &e.from).into_iter().map(|net| (net.sources[0], net));
    let pulls = by(graph, EdgeKind::Pulls, |e| &e.to).into_iter().map(|net| (net.targets[0], net));
    for (karmada, mut net) in pushes.chain(pulls) {
        let hue = hues.get(karmada).copied().unwrap_or_default();
        let is_pull = net.targets.contains(&karmada);
        net.label = String::from(if is_pull { "agents pull from Karmada" } else { "Karmada pushes to" });
        net.class = format!("h{}{}", hue % 6, if is_pull { " dashed" } else { "" });
        if is_pull {
            hues.extend(net.sources.iter().map(|agent| (*agent, hue)));
        }
        above.push(net);
    }
    let mut below = by(graph, EdgeKind::Configured, |e| &e.to);
    for net in &mut below {
        let name = name_of(net.targets[0]);
        let hue = hues.iter().find(|(node, _)| name_of(node) == name).map_or(0, |(_, hue)| *hue);
        net.label = format!("use istiod of {name}");
        net.class = format!("h{} dashed", hue % 6);
    }
    for kind in [EdgeKind::Calls, EdgeKind::Enters] {
        for mut net in by(graph, kind, |_| "") {
            net.label = match kind {
                EdgeKind::Enters => "calls from outside".to_owned(),
                _ => "calls between networks".to_owned(),
            };
            net.class = if kind == EdgeKind::Enters { "calls dashed".to_owned() } else { "calls".to_owned() };
            below.push(net);
        }
    }
    Nets { above, below, hues }
}

/// The edges of a kind, those of one key together, with each end once.
fn by<'g>(graph: &'g Graph, kind: EdgeKind, key: impl Fn(&'g super::super::Edge) -> &'g str) -> Vec<Net<'g>> {
    let mut nets: Vec<(&str, Net<'_>)> = Vec::new();
    for edge in graph.edges.iter().filter(|e| e.kind == kind) {
        let key = key(edge);
        let index = nets.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            let empty = Net { label: String::new(), class: String::new(), sources: Vec::new(), targets: Vec::new() };
            nets.push((key, empty));
            nets.len() - 1
        });
        let net = &mut nets[index].1;
        if !net.sources.contains(&edge.from.as_str()) {
            net.sources.push(&edge.from);
        }
        if !net.targets.contains(&edge.to.as_str()) {
            net.targets.push(&edge.to);
        }
    }
    nets.into_iter().map(|(_, net)| net).collect()
}
