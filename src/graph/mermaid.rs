//! Mermaid's flowchart language, as GitHub and most wikis draw it.
//!
//! <https://mermaid.js.org/syntax/flowchart.html>

use std::fmt::Write as _;

use super::{EdgeKind, Graph, Group, GroupKind, Node, NodeKind, Subject};

/// The graph as a Mermaid flowchart.
#[must_use]
pub fn mermaid(graph: &Graph) -> String {
    let title = serde_json::Value::from(format!("{}: {}", graph.title, graph.subtitle));
    let direction = if graph.subject == Subject::Topology { "TB" } else { "LR" };
    let mut text = format!("---\ntitle: {title}\n---\nflowchart {direction}\n");
    if graph.subject == Subject::Topology {
        text += "    classDef facts stroke-dasharray:2 3\n";
    }
    for group in &graph.groups {
        write_group(&mut text, group, 1);
    }
    let groups = graph.all_groups();
    for edge in &graph.edges {
        // Mermaid lays groups over each other when an edge starts at a group, so it starts at a caller inside instead.
        let group = groups.iter().find(|g| g.id == edge.from);
        let caller = group.and_then(|g| g.nodes.iter().rfind(|n| n.kind == NodeKind::App).or(g.first_node()));
        let (from, to) = (id(caller.map_or(&edge.from, |n| &n.id)), id(&edge.to));
        let _ = match edge.kind {
            EdgeKind::Watches | EdgeKind::Pulls => writeln!(text, "    {from} -. {} .-> {to}", edge.kind.label()),
            EdgeKind::Configured | EdgeKind::Pushes => writeln!(text, "    {from} == {} ==> {to}", edge.kind.label()),
            EdgeKind::Calls | EdgeKind::Enters => writeln!(text, "    {from} -- {} --> {to}", edge.kind.label()),
            EdgeKind::Before => writeln!(text, "    {from} --> {to}"),
        };
    }
    text
}

fn write_group(text: &mut String, group: &Group, depth: usize) {
    let indent = "    ".repeat(depth);
    let prefix = match group.kind {
        GroupKind::Network => "network ",
        GroupKind::Region => "region ",
        GroupKind::Cluster | GroupKind::Outside | GroupKind::Unmeshed | GroupKind::Lane => "",
    };
    let mut lines = group.lines.iter().map(|line| escape(line));
    let title: Vec<String> =
        std::iter::once(escape(&format!("{prefix}{}", group.title))).chain(lines.by_ref().take(1)).collect();
    let _ = writeln!(text, "{indent}subgraph {}[\"{}\"]", id(&group.id), title.join(" · "));
    // A title has one line, and does not make its group wider.
    let rest: Vec<String> = lines.collect();
    if !rest.is_empty() {
        let _ =
            writeln!(text, "{indent}    {}[\"{}\"]:::facts", id(&format!("{}/facts", group.id)), rest.join("<br/>"));
    }
    for inner in &group.groups {
        write_group(text, inner, depth + 1);
    }
    for node in &group.nodes {
        let _ = writeln!(text, "{indent}    {}", node_text(node));
    }
    let _ = writeln!(text, "{indent}end");
}

fn node_text(node: &Node) -> String {
    let lines: Vec<String> = std::iter::once(&node.title).chain(&node.detail).map(|line| escape(line)).collect();
    let (open, close) = match node.kind {
        NodeKind::ControlPlane | NodeKind::Agent => ("([", "])"),
        NodeKind::ApiServer => ("[(", ")]"),
        NodeKind::Gateway => ("{{", "}}"),
        NodeKind::App | NodeKind::Objects | NodeKind::Step => ("[", "]"),
        NodeKind::Callers => ("((", "))"),
    };
    format!("{}{open}\"{}\"{close}", id(&node.id), lines.join("<br/>"))
}

/// An identifier of letters, digits and underscores. Unique, since a cluster's name has no underscore; the prefix keeps it apart from
/// Mermaid's own words, such as `end`.
fn id(id: &str) -> String {
    let safe: String = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("n_{safe}")
}

/// A text inside quotation marks; Mermaid reads HTML entities there, written with `#` instead of `&`.
fn escape(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
