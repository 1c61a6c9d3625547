//! The picture of a mesh: rows of networks with cards of clusters in them, and lanes of lines above and below each row.

use std::collections::BTreeMap;

use super::super::drawing::{Area, Direction, Shape};
use super::super::model::{Graph, Group, GroupKind};
use super::super::text_width::text_width;
use super::card::{self, Columns, Ports};
use super::lines::{Net, Nets, nets};
use super::rows::{Block, Row, rows};
use super::{Body, HEADER, MARGIN, px, text};

/// Space between one lane and the next.
const LANE: i32 = 20;
/// Space between lanes and cards.
const APPROACH: i32 = 16;
/// Height of the band with a network's name, of each line below the name, and of the band with a region's name.
const NETWORK_BAND: i32 = 30;
const NETWORK_LINE: i32 = 16;
const REGION_BAND: i32 = 26;
const PAD: i32 = 14;
const REGION_PAD: i32 = 8;
const BETWEEN: i32 = 22;
const LABEL_SIZE: i32 = 12;
const TRUNK: i32 = 12;

/// Where lines may end.
struct Ends<'g> {
    /// Row and place of each node and cluster.
    areas: BTreeMap<&'g str, (usize, Area)>,
    /// Top and bottom of each row, lanes not included.
    rows: Vec<(i32, i32)>,
    /// Left end of the lanes.
    start: i32,
    /// Left end of the cards.
    left: i32,
}

pub(super) fn layout(graph: &Graph) -> Body {
    let rows = rows(graph);
    let Nets { above, below, hues } = nets(graph);
    let mut ports = Ports::new();
    for target in above.iter().chain(&below).flat_map(|n| &n.targets) {
        *ports.entry(target).or_default() += 1;
    }
    let columns = columns(&rows, &ports);
    let labels = above.iter().chain(&below).map(|n| text_width(&n.label, LABEL_SIZE, false)).max();
    let start = MARGIN + labels.map_or(0, |w| w + 10);
    let trunks = if rows.len() > 1 { px(above.len() + below.len()) * TRUNK } else { 0 };
    let left = start + trunks + if labels.is_some() { 14 } else { 0 };
    let mut shapes = Vec::new();
    let mut ends = Ends { areas: BTreeMap::new(), rows: Vec::new(), start, left };
    let right = left + rows.iter().map(|row| row_width(row, columns)).max().unwrap_or_default();
    let mut y = HEADER + MARGIN;
    for (index, row) in rows.iter().enumerate() {
        let lanes = |nets: &[Net<'_>]| {
            let here = nets.iter().filter(|n| in_row(n, row)).count();
            if here > 0 { px(here) * LANE + APPROACH } else { 0 }
        };
        let top = y + lanes(&above);
        // What is outside the mesh stands above the middle of it.
        let outside = row.iter().any(|b| b.group.kind == GroupKind::Outside);
        let x = if outside { left + (right - left - row_width(row, columns)) / 2 } else { left };
        let bottom = draw_row(row, index, (x, top), columns, &ports, &hues, &mut ends, &mut shapes);
        ends.rows.push((top, bottom));
        y = bottom + lanes(&below) + BETWEEN;
    }
    draw_nets(&above, &rows, &ends, Direction::Down, 0, &mut shapes);
    draw_nets(&below, &rows, &ends, Direction::Up, above.len(), &mut shapes);
    Body { shapes, right, bottom: y - BETWEEN }
}

/// Space between the edge of a network and its cards.
fn pad(row: &Row<'_>) -> i32 {
    if row.iter().flat_map(|b| &b.cards).any(|c| c.region.is_some()) { PAD + REGION_PAD } else { PAD }
}

fn block_width(block: &Block<'_>, row: &Row<'_>, columns: Columns) -> i32 {
    let count = px(block.cards.len());
    count * columns.width() + (count - 1) * BETWEEN + 2 * pad(row)
}

fn row_width(row: &Row<'_>, columns: Columns) -> i32 {
    row.iter().map(|b| block_width(b, row, columns) + BETWEEN).sum::<i32>() - BETWEEN
}

fn columns(rows: &[Row<'_>], ports: &Ports<'_>) -> Columns {
    let blocks = || rows.iter().flatten();
    let cards: Vec<&Group> = blocks().flat_map(|b| b.cards.iter().map(|c| c.cluster)).collect();
    let mut columns = card::columns(&cards, ports);
    // The names of networks and regions stand above the left column, out of the way of lines.
    let kind = |g: &Group| text_width(kind_text(g), LABEL_SIZE, false) + 6;
    for group in blocks().flat_map(|b| b.cards.iter().filter_map(|c| c.region).chain([b.group])) {
        let name = kind(group) + text_width(&group.title, 13, true);
        let lines = group.lines.iter().map(|l| text_width(l, LABEL_SIZE, false)).max().unwrap_or_default();
        columns.left = columns.left.max(name).max(lines);
    }
    columns
}

fn in_row(net: &Net<'_>, row: &Row<'_>) -> bool {
    let ids = row
        .iter()
        .flat_map(|b| &b.cards)
        .flat_map(|c| c.cluster.nodes.iter().map(|n| n.id.as_str()).chain([c.cluster.id.as_str()]));
    ids.into_iter().any(|id| net.sources.contains(&id) || net.targets.contains(&id))
}

/// What a group is, as its label says it.
fn kind_text(group: &Group) -> &'static str {
    match group.kind {
        GroupKind::Network => "network",
        GroupKind::Region => "region",
        GroupKind::Outside | GroupKind::Unmeshed | GroupKind::Cluster | GroupKind::Lane => "",
    }
}

fn label(group: &Group, x: i32, baseline: i32, shapes: &mut Vec<Shape>) {
    let kind = kind_text(group);
    let mut name = x;
    if !kind.is_empty() {
        shapes.push(text(x, baseline, LABEL_SIZE, false, "muted", kind.to_owned()));
        name += text_width(kind, LABEL_SIZE, false) + 6;
    }
    shapes.push(text(name, baseline, 13, true, "", group.title.clone()));
}

/// Draws a row of networks; gives its lower edge.
#[expect(clippy::too_many_arguments, reason = "what a row is drawn from, and what it is drawn into")]
fn draw_row<'g>(
    row: &Row<'g>,
    index: usize,
    (left, top): (i32, i32),
    columns: Columns,
    ports: &Ports<'_>,
    hues: &BTreeMap<&str, usize>,
    ends: &mut Ends<'g>,
    shapes: &mut Vec<Shape>,
) -> i32 {
    let cards = || row.iter().flat_map(|b| &b.cards);
    let height = cards().map(|c| card::height(c.cluster, columns, ports)).max().unwrap_or_default();
    let lines = row.iter().map(|b| px(b.group.lines.len())).max().unwrap_or_default();
    let regions = if cards().any(|c| c.region.is_some()) { REGION_BAND } else { 0 };
    let band = NETWORK_BAND + lines * NETWORK_LINE + regions;
    let pad = pad(row);
    let bottom = top + band + height + pad;
    let mut x = left;
    for block in row {
        let width = block_width(block, row, columns);
        let class = if block.group.kind == GroupKind::Network { "network" } else { "outside" };
        let area = Area { x, y: top, width, height: bottom - top };
        shapes.push(Shape::Box { area, radius: 14, class: class.to_owned() });
        label(block.group, x + PAD, top + 20, shapes);
        for (i, line) in block.group.lines.iter().enumerate() {
            shapes.push(text(x + PAD, top + 36 + px(i) * NETWORK_LINE, LABEL_SIZE, false, "muted", line.clone()));
        }
        let place = |i: usize| Area {
            x: x + pad + px(i) * (columns.width() + BETWEEN),
            y: top + band,
            width: columns.width(),
            height,
        };
        draw_regions(block, &place, shapes);
        for (i, card) in block.cards.iter().enumerate() {
            let area = place(i);
            ends.areas.insert(&card.cluster.id, (index, area));
            let boxes = card::draw(card.cluster, area, columns, ports, hues, shapes);
            ends.areas.extend(boxes.into_iter().map(|(id, area)| (id, (index, area))));
        }
        x += width + BETWEEN;
    }
    bottom
}

/// A frame around neighbours of one region.
fn draw_regions(block: &Block<'_>, place: &impl Fn(usize) -> Area, shapes: &mut Vec<Shape>) {
    let mut start = 0;
    for run in block.cards.chunk_by(|a, b| a.region.map(|r| &r.id) == b.region.map(|r| &r.id)) {
        let (first, last) = (place(start), place(start + run.len() - 1));
        start += run.len();
        let Some(region) = run.first().and_then(|c| c.region) else { continue };
        let area = Area {
            x: first.x - REGION_PAD,
            y: first.y - REGION_BAND,
            width: last.right() - first.x + 2 * REGION_PAD,
            height: first.height + REGION_BAND + REGION_PAD,
        };
        shapes.push(Shape::Box { area, radius: 12, class: "region".to_owned() });
        label(region, first.x + 4, first.y - 9, shapes);
    }
}

/// Draws lanes and branches. They arrive downwards from above a row, or upwards from below it.
fn draw_nets(
    nets: &[Net<'_>],
    rows: &[Row<'_>],
    ends: &Ends<'_>,
    arrival: Direction,
    trunks: usize,
    shapes: &mut Vec<Shape>,
) {
    let mut ports: BTreeMap<&str, usize> = BTreeMap::new();
    let leaves_upwards = |net: &Net<'_>, id: &&str| arrival == Direction::Down && net.sources.contains(id);
    let all = |id: &str| nets.iter().filter(|n| n.targets.contains(&id) || leaves_upwards(n, &id)).count();
    let leaving = nets.len();
    for (number, net) in nets.iter().enumerate() {
        let here: Vec<usize> = (0..rows.len()).filter(|r| in_row(net, &rows[*r])).collect();
        let lane = |row: usize| {
            let before = px(nets[..number].iter().filter(|n| in_row(n, &rows[row])).count());
            let (top, bottom) = ends.rows[row];
            match arrival {
                Direction::Down => {
                    let count = px(nets.iter().filter(|n| in_row(n, &rows[row])).count());
                    top - APPROACH - (count - 1 - before) * LANE
                }
                _ => bottom + APPROACH + before * LANE,
            }
        };
        let trunk = ends.left - px(trunks + number + 1) * TRUNK - 4;
        let class = format!("line {}", net.class);
        let tip = format!("tip {}", net.class);
        let Some(&first) = here.first() else { continue };
        let mut branches: Vec<(usize, i32, i32, bool)> = Vec::new();
        for source in &net.sources {
            let Some((row, area)) = ends.areas.get(source) else { continue };
            let (x, y) = match arrival {
                Direction::Down => {
                    let nth = ports.entry(source).or_default();
                    *nth += 1;
                    (area.x + area.width * px(*nth) / px(all(source) + 1), area.y)
                }
                // Out of the left column, which no gateway is below.
                _ => (area.x + card::PAD + 8 + px(number) * px(80 / leaving.max(1)).min(16), area.bottom()),
            };
            branches.push((*row, x, y, false));
        }
        for target in &net.targets {
            let Some((row, area)) = ends.areas.get(target) else { continue };
            let nth = ports.entry(target).or_default();
            *nth += 1;
            let x = area.x + area.width * px(*nth) / px(all(target) + 1);
            branches.push((*row, x, if arrival == Direction::Down { area.y } else { area.bottom() }, true));
        }
        for &row in &here {
            let y = lane(row);
            let end = branches.iter().filter(|b| b.0 == row).map(|b| b.1 - 8).max().unwrap_or(ends.start);
            let points = if row == first {
                vec![(ends.start, y), (end, y)]
            } else {
                vec![(trunk - 8, lane(first)), (trunk, lane(first)), (trunk, y), (end, y)]
            };
            shapes.push(Shape::Line { points, class: class.clone() });
        }
        shapes.push(text(MARGIN, lane(first) + 4, LABEL_SIZE, false, "muted", net.label.clone()));
        for (row, x, y, is_target) in branches {
            let lane = lane(row);
            let end = match (is_target, arrival) {
                (false, _) => y,
                (_, Direction::Down) => y - 7,
                _ => y + 7,
            };
            shapes.push(Shape::Line { points: vec![(x - 8, lane), (x, lane), (x, end)], class: class.clone() });
            shapes.push(if is_target {
                Shape::Head { at: (x, y), direction: arrival, class: tip.clone() }
            } else {
                Shape::Dot { at: (x, y), class: tip.clone() }
            });
        }
    }
}
