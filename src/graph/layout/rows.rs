//! Which cluster stands where: rows of boxes, a box for each network, cards in them.

use super::super::model::{Graph, Group, GroupKind};

/// A network, or the part of one that a row takes.
pub(super) struct Block<'g> {
    pub group: &'g Group,
    pub cards: Vec<Card<'g>>,
}

pub(super) struct Card<'g> {
    pub region: Option<&'g Group>,
    pub cluster: &'g Group,
}

pub(super) type Row<'g> = Vec<Block<'g>>;

/// The blocks in rows; what is outside the mesh has a row of its own, above.
pub(super) fn rows(graph: &Graph) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let (outside, networks): (Vec<&Group>, Vec<&Group>) =
        graph.groups.iter().partition(|g| g.kind == GroupKind::Outside);
    let above: Row<'_> = outside.into_iter().map(block).filter(|b| !b.cards.is_empty()).collect();
    if !above.is_empty() {
        rows.push(above);
    }
    let blocks: Vec<Block<'_>> = networks.into_iter().map(block).collect();
    let longest = per_row(blocks.iter().map(|b| b.cards.len()).sum());
    let mut room = 0;
    for mut block in blocks {
        while !block.cards.is_empty() {
            // A network that fits a row is not torn apart.
            let fits = block.cards.len() <= room || (room > 0 && block.cards.len() > longest);
            if !fits {
                rows.push(Vec::new());
                room = longest;
            }
            let rest = block.cards.split_off(block.cards.len().min(room));
            room -= block.cards.len();
            let part = Block { group: block.group, cards: std::mem::replace(&mut block.cards, rest) };
            if let Some(row) = rows.last_mut() {
                row.push(part);
            }
        }
    }
    rows
}

/// How many cards a row has, so that the picture is about as wide as a slide.
fn per_row(cards: usize) -> usize {
    match cards {
        4 => 2,
        0..=9 => 3,
        10..=16 => 4,
        _ => 5,
    }
}

fn block(group: &Group) -> Block<'_> {
    let cards = group.groups.iter().flat_map(|inner| match inner.kind {
        GroupKind::Region => inner.groups.iter().map(|cluster| Card { region: Some(inner), cluster }).collect(),
        _ => vec![Card { region: None, cluster: inner }],
    });
    Block { group, cards: cards.collect() }
}
