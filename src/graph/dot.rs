//! Graphviz's DOT language.
//!
//! <https://graphviz.org/doc/info/lang.html>

use std::fmt::Write as _;

use super::{Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind, Subject};

/// The graph in the DOT language, for `dot -Tsvg`.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    let direction = if graph.subject == Subject::Topology { "TB" } else { "LR" };
    let mut text = format!("digraph {} {{\n", quoted(&graph.title));
    let label = quoted(&format!("{}\n{}", graph.title, graph.subtitle));
    let _ = writeln!(
        text,
        "    graph [label={label}, labelloc=t, rankdir={direction}, compound=true, fontname=\"sans-serif\"];"
    );
    let _ = writeln!(text, "    node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];");
    let _ = writeln!(text, "    edge [fontname=\"sans-serif\", fontsize=9];");
    for group in &graph.groups {
        write_group(&mut text, group, 1);
    }
    let groups = graph.all_groups();
    for edge in &graph.edges {
        write_edge(&mut text, edge, &groups);
    }
    text + "}\n"
}

fn write_group(text: &mut String, group: &Group, depth: usize) {
    let indent = "    ".repeat(depth);
    let prefix = match group.kind {
        GroupKind::Network => "network ",
        GroupKind::Region => "region ",
        GroupKind::Cluster | GroupKind::Outside | GroupKind::Unmeshed | GroupKind::Lane => "",
    };
    let lines: Vec<String> =
        std::iter::once(format!("{prefix}{}", group.title)).chain(group.lines.iter().cloned()).collect();
    let style = match group.kind {
        GroupKind::Network => "filled,rounded\", fillcolor=\"#f1f5f9\", color=\"#94a3b8",
        GroupKind::Region => "dashed,rounded\", color=\"#64748b",
        GroupKind::Outside | GroupKind::Unmeshed => "dotted,rounded\", color=\"#64748b",
        GroupKind::Cluster | GroupKind::Lane => "filled,rounded\", fillcolor=\"#ffffff\", color=\"#475569",
    };
    let _ = writeln!(text, "{indent}subgraph {} {{", quoted(&format!("cluster {}", group.id)));
    let label = quoted(&lines.join("\n"));
    let _ = writeln!(text, "{indent}    graph [label={label}, style=\"{style}\"];");
    for inner in &group.groups {
        write_group(text, inner, depth + 1);
    }
    for node in &group.nodes {
        let _ = writeln!(text, "{indent}    {};", node_text(node));
    }
    let _ = writeln!(text, "{indent}}}");
}

fn node_text(node: &Node) -> String {
    let lines: Vec<&str> = std::iter::once(&node.title).chain(&node.detail).map(String::as_str).collect();
    let shape = match node.kind {
        NodeKind::ControlPlane | NodeKind::Agent => ", shape=ellipse",
        NodeKind::ApiServer => ", shape=cylinder, style=solid",
        NodeKind::Gateway => ", shape=hexagon, style=solid",
        NodeKind::Callers => ", shape=circle",
        NodeKind::App | NodeKind::Objects | NodeKind::Step => "",
    };
    format!("{} [label={}{shape}]", quoted(&node.id), quoted(&lines.join("\n")))
}

/// An edge of a group is drawn from its border: in DOT it starts at a node inside and is cut off there.
fn write_edge(text: &mut String, edge: &Edge, groups: &[&Group]) {
    let group = groups.iter().find(|g| g.id == edge.from);
    let from = group.and_then(|g| g.first_node()).map_or(&edge.from, |n| &n.id);
    let mut attributes = Vec::new();
    if group.is_some() {
        attributes.push(format!("ltail={}", quoted(&format!("cluster {}", edge.from))));
    }
    match edge.kind {
        EdgeKind::Watches => attributes.push("style=dashed, color=\"#2563eb\"".to_owned()),
        EdgeKind::Configured => attributes.push("penwidth=2, color=\"#7c3aed\"".to_owned()),
        EdgeKind::Pushes => attributes.push("penwidth=2, color=\"#0d9488\"".to_owned()),
        EdgeKind::Pulls => attributes.push("style=dashed, penwidth=2, color=\"#0d9488\"".to_owned()),
        EdgeKind::Calls | EdgeKind::Enters => attributes.push("color=\"#475569\"".to_owned()),
        EdgeKind::Before => {}
    }
    if !edge.kind.label().is_empty() {
        attributes.push(format!("label={}", quoted(edge.kind.label())));
    }
    let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
    let _ = writeln!(text, "    {} -> {}{attributes};", quoted(from), quoted(&edge.to));
}

/// A quoted identifier or label; a line break becomes the one that centres.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{}\"", text.replace(char::is_control, " "))
}
