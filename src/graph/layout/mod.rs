//! Where everything of a picture goes. Whole pixels, and the same graph always gives the same picture.

mod card;
mod lines;
mod rows;
mod steps;
mod topology;

use super::drawing::{Drawing, Shape};
use super::model::{Graph, Subject};
use super::text_width::text_width;

/// Space around everything.
const MARGIN: i32 = 28;
/// Font size of the headline and of the line below it.
const TITLE_SIZE: i32 = 22;
const SUBTITLE_SIZE: i32 = 13;
/// Height of the two together, with the space below them.
const HEADER: i32 = 68;

/// Lays a graph out.
#[must_use]
pub fn layout(graph: &Graph) -> Drawing {
    let body = match graph.subject {
        Subject::Topology => topology::layout(graph),
        Subject::Steps => steps::layout(graph),
    };
    let mut shapes = vec![
        text(MARGIN, MARGIN + 20, TITLE_SIZE, true, "", graph.title.clone()),
        text(MARGIN, MARGIN + 44, SUBTITLE_SIZE, false, "muted", graph.subtitle.clone()),
    ];
    let header = text_width(&graph.title, TITLE_SIZE, true).max(text_width(&graph.subtitle, SUBTITLE_SIZE, false));
    shapes.extend(body.shapes);
    Drawing {
        title: graph.title.clone(),
        description: description(graph),
        width: body.right.max(MARGIN + header) + MARGIN,
        height: body.bottom + MARGIN,
        shapes,
    }
}

/// What a layout gives: shapes, and how far they reach.
struct Body {
    shapes: Vec<Shape>,
    right: i32,
    bottom: i32,
}

/// What the picture shows, in words: the groups, what is in them, and how much they have to do with each other.
fn description(graph: &Graph) -> String {
    let sentence = |group: &super::Group| {
        let inside: Vec<String> = group
            .nodes
            .iter()
            .map(|n| n.detail.as_ref().map_or_else(|| n.title.clone(), |detail| format!("{} {detail}", n.title)))
            .collect();
        let lines = std::iter::once(&group.title).chain(&group.lines).cloned().collect::<Vec<_>>().join(", ");
        if inside.is_empty() { format!("{lines}.") } else { format!("{lines}: {}.", inside.join(", ")) }
    };
    let groups: Vec<String> = graph.all_groups().into_iter().map(sentence).collect();
    format!("{}. {} {} connections.", graph.subtitle, groups.join(" "), graph.edges.len())
}

/// A text that starts at `x`.
fn text(x: i32, baseline: i32, size: i32, bold: bool, class: &'static str, content: String) -> Shape {
    Shape::Text { x, baseline, size, bold, centred: false, class, content }
}

/// A text around `x`.
fn centred(x: i32, baseline: i32, size: i32, bold: bool, class: &'static str, content: String) -> Shape {
    Shape::Text { x, baseline, size, bold, centred: true, class, content }
}

/// A number of things as a number of pixels. No lab has so many that this would not hold.
fn px(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
