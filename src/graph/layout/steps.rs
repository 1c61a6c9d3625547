//! The picture of a plan: time goes from left to right, and each cluster has a lane.

use std::collections::BTreeMap;

use super::super::drawing::{Area, Direction, Shape};
use super::super::model::{Graph, Node};
use super::super::text_width::text_width;
use super::{Body, HEADER, MARGIN, centred, px, text};

const STEP: i32 = 40;
const BETWEEN: i32 = 10;
/// Space between columns, for the curves.
const CHANNEL: i32 = 56;
const PAD: i32 = 14;
const SIZE: i32 = 12;

pub(super) fn layout(graph: &Graph) -> Body {
    let columns = &columns(graph);
    let count = columns.values().max().map_or(0, |last| last + 1);
    let widths: Vec<i32> = (0..count)
        .map(|c| graph.all_nodes().filter(|n| columns[n.id.as_str()] == c).map(width).max().unwrap_or_default())
        .collect();
    let names = graph.groups.iter().map(|g| text_width(&g.title, 14, true)).max().unwrap_or_default();
    let left = MARGIN + PAD + names + 24;
    let right = left + widths.iter().sum::<i32>() + px(count.saturating_sub(1)) * CHANNEL + PAD;
    let mut lanes = Vec::new();
    let mut boxes = Vec::new();
    let mut areas: BTreeMap<&str, Area> = BTreeMap::new();
    let mut y = HEADER + MARGIN;
    for group in &graph.groups {
        let column = |c: usize| group.nodes.iter().filter(move |n| columns[n.id.as_str()] == c);
        let most = (0..count).map(|c| column(c).count()).max().unwrap_or_default();
        let height = px(most) * (STEP + BETWEEN) - BETWEEN + 2 * PAD;
        let area = Area { x: MARGIN, y, width: right - MARGIN, height };
        lanes.push(Shape::Box { area, radius: 12, class: "network".to_owned() });
        boxes.push(text(MARGIN + PAD, y + PAD + 24, 14, true, "", group.title.clone()));
        let mut x = left;
        for (c, width) in widths.iter().enumerate() {
            for (i, node) in column(c).enumerate() {
                let area = Area { x, y: y + PAD + px(i) * (STEP + BETWEEN), width: *width, height: STEP };
                areas.insert(&node.id, area);
                draw(node, area, &mut boxes);
            }
            x += width + CHANNEL;
        }
        y += height + BETWEEN;
    }
    let mut shapes = lanes;
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (areas.get(edge.from.as_str()), areas.get(edge.to.as_str())) else { continue };
        let from = (from.right(), from.y + from.height / 2);
        let to = (to.x, to.y + to.height / 2);
        shapes.push(Shape::Curve { from, to: (to.0 - 6, to.1), class: "line thin calls".to_owned() });
        shapes.push(Shape::Head { at: to, direction: Direction::Right, class: "tip calls".to_owned() });
    }
    // In front of the curves, which pass behind steps.
    shapes.extend(boxes);
    Body { shapes, right, bottom: y - BETWEEN }
}

fn width(node: &Node) -> i32 {
    let detail = node.detail.as_ref().map_or(0, |d| text_width(d, 11, false));
    text_width(&node.title, SIZE, true).max(detail) + 22
}

fn draw(node: &Node, area: Area, shapes: &mut Vec<Shape>) {
    shapes.push(Shape::Box { area, radius: 8, class: "step".to_owned() });
    let middle = area.x + area.width / 2;
    let baseline = if node.detail.is_some() { area.y + 17 } else { area.y + 24 };
    shapes.push(centred(middle, baseline, SIZE, true, "", node.title.clone()));
    if let Some(detail) = &node.detail {
        shapes.push(centred(middle, area.y + 32, 11, false, "muted", detail.clone()));
    }
}

/// The column of each step: one more than the last of those before it. Steps come in an order in which those before them come first.
fn columns(graph: &Graph) -> BTreeMap<&str, usize> {
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in &graph.edges {
        before.entry(&edge.to).or_default().push(&edge.from);
    }
    let mut columns: BTreeMap<&str, usize> = graph.all_nodes().map(|n| (n.id.as_str(), 0)).collect();
    // The longest way has no more steps than there are; each round gets every way one step further.
    for _ in 0..columns.len() {
        let next: BTreeMap<&str, usize> = columns
            .keys()
            .map(|id| {
                let needs = before.get(id).into_iter().flatten();
                (*id, needs.filter_map(|n| columns.get(n)).map(|c| c + 1).max().unwrap_or_default())
            })
            .collect();
        if next == columns {
            break;
        }
        columns = next;
    }
    columns
}
