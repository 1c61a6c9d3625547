//! The card of one cluster: who it is on the left, what runs in it on the right. Lines come in on the right from above and below, so they
//! cross no text.

use std::collections::BTreeMap;

use super::super::drawing::{Area, Shape};
use super::super::model::{Group, Node, NodeKind};
use super::super::text_width::text_width;
use super::{centred, px, text};

/// Space between a card's edge and what is in it.
pub(super) const PAD: i32 = 14;
/// Space between the two columns.
const GAP: i32 = 20;
/// Space between boxes.
const BETWEEN: i32 = 10;
const NAME_SIZE: i32 = 18;
const LINE_SIZE: i32 = 12;
const LINE_HEIGHT: i32 = 18;
const TOP_BOX: i32 = 34;
const CHIP: i32 = 24;
const GATEWAY: i32 = 46;
/// Least space between two lines that end at one box.
const PORT: i32 = 12;

/// Sizes that all cards of a picture share.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub left: i32,
    pub right: i32,
}

impl Columns {
    /// Width of a card.
    pub(super) fn width(self) -> i32 {
        PAD + self.left + GAP + self.right + PAD
    }
}

/// How many lines end at each node.
pub(super) type Ports<'g> = BTreeMap<&'g str, usize>;

fn of<'n>(cluster: &'n Group, kinds: &'static [NodeKind]) -> impl Iterator<Item = &'n Node> {
    cluster.nodes.iter().filter(move |n| kinds.contains(&n.kind))
}

const CHIPS: &[NodeKind] = &[NodeKind::App, NodeKind::Objects];
const TOP: &[NodeKind] = &[NodeKind::ControlPlane, NodeKind::ApiServer, NodeKind::Agent];

/// Width of what a box needs for its texts and its lines.
fn box_width(node: &Node, ports: &Ports<'_>) -> i32 {
    let texts = match node.kind {
        NodeKind::App | NodeKind::Objects => text_width(&app_text(node), LINE_SIZE, false) + 18,
        NodeKind::Gateway => {
            let detail = node.detail.as_deref().unwrap_or_default();
            text_width(&node.title, LINE_SIZE, false).max(text_width(detail, LINE_SIZE, true)) + 20
        }
        _ => text_width(&node.title, 13, true) + 22,
    };
    let lines = px(ports.get(node.id.as_str()).copied().unwrap_or_default() + 1) * PORT;
    texts.max(lines)
}

fn app_text(node: &Node) -> String {
    node.detail.as_ref().map_or_else(|| node.title.clone(), |version| format!("{} {version}", node.title))
}

/// Boxes side by side.
fn row_width<'n>(nodes: impl Iterator<Item = &'n Node>, ports: &Ports<'_>) -> i32 {
    nodes.map(|n| box_width(n, ports) + BETWEEN).sum::<i32>() - BETWEEN
}

/// What the widest card needs.
pub(super) fn columns(cards: &[&Group], ports: &Ports<'_>) -> Columns {
    let left = |c: &Group| {
        let lines = c.lines.iter().map(|l| text_width(l, LINE_SIZE, false));
        lines.max().unwrap_or_default().max(text_width(&c.title, NAME_SIZE, true))
    };
    let right = |c: &Group| {
        let chips = of(c, CHIPS).map(|n| box_width(n, ports)).max().unwrap_or_default();
        row_width(of(c, TOP), ports).max(row_width(of(c, &[NodeKind::Gateway]), ports)).max(chips)
    };
    Columns {
        left: cards.iter().map(|c| left(c)).max().unwrap_or_default().max(100),
        right: cards.iter().map(|c| right(c)).max().unwrap_or_default().max(190),
    }
}

/// Rows of chips that fit the width.
fn chip_rows<'n>(cluster: &'n Group, width: i32, ports: &Ports<'_>) -> Vec<Vec<(&'n Node, i32)>> {
    let mut rows: Vec<Vec<(&Node, i32)>> = Vec::new();
    let mut used = 0;
    for node in of(cluster, CHIPS) {
        let needed = box_width(node, ports);
        match rows.last_mut() {
            Some(row) if used + BETWEEN + needed <= width => {
                row.push((node, needed));
                used += BETWEEN + needed;
            }
            _ => {
                rows.push(vec![(node, needed)]);
                used = needed;
            }
        }
    }
    rows
}

/// Height that the card needs.
pub(super) fn height(cluster: &Group, columns: Columns, ports: &Ports<'_>) -> i32 {
    let left = NAME_SIZE + 8 + px(cluster.lines.len()) * LINE_HEIGHT;
    let chips = px(chip_rows(cluster, columns.right, ports).len()) * (CHIP + 6);
    let gateways = if of(cluster, &[NodeKind::Gateway]).next().is_some() { GATEWAY + 8 } else { 0 };
    left.max(TOP_BOX + 8 + chips + gateways) + 2 * PAD
}

/// Draws the card, and notes where its boxes are.
pub(super) fn draw<'g>(
    cluster: &'g Group,
    area: Area,
    columns: Columns,
    ports: &Ports<'_>,
    hues: &BTreeMap<&str, usize>,
    shapes: &mut Vec<Shape>,
) -> Vec<(&'g str, Area)> {
    shapes.push(Shape::Box { area, radius: 10, class: "card".to_owned() });
    let x = area.x + PAD;
    let mut baseline = area.y + PAD + NAME_SIZE - 2;
    shapes.push(text(x, baseline, NAME_SIZE, true, "", cluster.title.clone()));
    baseline += 6;
    for line in &cluster.lines {
        baseline += LINE_HEIGHT;
        shapes.push(text(x, baseline, LINE_SIZE, false, "muted", line.clone()));
    }
    let x = area.x + PAD + columns.left + GAP;
    let divider = x - GAP / 2;
    shapes.push(Shape::Line {
        points: vec![(divider, area.y + PAD), (divider, area.bottom() - PAD)],
        class: "divider".to_owned(),
    });
    let mut placed = Vec::new();
    let top: Vec<&Node> = of(cluster, TOP).collect();
    for (node, area) in spread(&top, Area { x, y: area.y + PAD, width: columns.right, height: TOP_BOX }, ports) {
        let class = match hues.get(node.id.as_str()) {
            Some(hue) => format!("istiod h{}", hue % 6),
            None if node.kind == NodeKind::ControlPlane => "istiod h0".to_owned(),
            None => "api".to_owned(),
        };
        let radius = if node.kind == NodeKind::ApiServer { 6 } else { TOP_BOX / 2 };
        shapes.push(Shape::Box { area, radius, class });
        shapes.push(centred(area.x + area.width / 2, area.y + 22, 13, true, "", node.title.clone()));
        placed.push((node.id.as_str(), area));
    }
    let mut y = area.y + PAD + TOP_BOX + 10;
    for row in chip_rows(cluster, columns.right, ports) {
        let mut chip_x = x;
        for (node, width) in row {
            let area = Area { x: chip_x, y, width, height: CHIP };
            shapes.push(Shape::Box { area, radius: CHIP / 2, class: "chip".to_owned() });
            shapes.push(centred(chip_x + width / 2, y + 16, LINE_SIZE, false, "", app_text(node)));
            chip_x += width + BETWEEN;
        }
        y += CHIP + 6;
    }
    let gateways: Vec<&Node> = of(cluster, &[NodeKind::Gateway]).collect();
    let bottom = Area { x, y: area.bottom() - PAD - GATEWAY, width: columns.right, height: GATEWAY };
    for (node, area) in spread(&gateways, bottom, ports) {
        shapes.push(Shape::Box { area, radius: 6, class: "gateway".to_owned() });
        let middle = area.x + area.width / 2;
        shapes.push(centred(middle, area.y + 18, LINE_SIZE, false, "muted", node.title.clone()));
        shapes.push(centred(middle, area.y + 36, LINE_SIZE, true, "", node.detail.clone().unwrap_or_default()));
        placed.push((node.id.as_str(), area));
    }
    placed
}

/// Boxes side by side over the whole width; what they do not need is dealt out evenly.
fn spread<'n>(nodes: &[&'n Node], area: Area, ports: &Ports<'_>) -> Vec<(&'n Node, Area)> {
    let spare = (area.width - row_width(nodes.iter().copied(), ports)) / px(nodes.len().max(1));
    let mut x = area.x;
    let mut placed = Vec::new();
    for node in nodes {
        let width = box_width(node, ports) + spare;
        placed.push((*node, Area { x, width, ..area }));
        x += width + BETWEEN;
    }
    placed
}
