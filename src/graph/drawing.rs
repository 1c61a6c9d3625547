//! A picture whose every part has its place, and how it is written as SVG.

use std::fmt::Write as _;

use super::text_width::text_width;

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

impl Area {
    /// The right edge.
    #[must_use]
    pub fn right(self) -> i32 {
        self.x + self.width
    }

    /// The lower edge.
    #[must_use]
    pub fn bottom(self) -> i32 {
        self.y + self.height
    }

    /// Whether two areas share a point; edges may touch.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }

    /// Whether the other one lies in it.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.x <= other.x && self.y <= other.y && other.right() <= self.right() && other.bottom() <= self.bottom()
    }
}

/// Where an arrow points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Upwards.
    Up,
    /// Downwards.
    Down,
    /// To the right.
    Right,
}

/// A part of a picture. Classes are those of the style sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A rectangle.
    Box {
        /// Where.
        area: Area,
        /// Radius of its corners.
        radius: i32,
        /// Classes.
        class: String,
    },
    /// A line of straight pieces with round corners.
    Line {
        /// Its ends and corners.
        points: Vec<(i32, i32)>,
        /// Classes.
        class: String,
    },
    /// A curve that starts and ends level.
    Curve {
        /// Where it starts.
        from: (i32, i32),
        /// Where it ends.
        to: (i32, i32),
        /// Classes.
        class: String,
    },
    /// The head of an arrow.
    Head {
        /// Its tip.
        at: (i32, i32),
        /// Where it points.
        direction: Direction,
        /// Classes.
        class: String,
    },
    /// A dot.
    Dot {
        /// Its centre.
        at: (i32, i32),
        /// Classes.
        class: String,
    },
    /// One line of text.
    Text {
        /// Left end or, if centred, the middle.
        x: i32,
        /// The line that letters stand on.
        baseline: i32,
        /// Font size.
        size: i32,
        /// Whether it is bold.
        bold: bool,
        /// Whether `x` is its middle.
        centred: bool,
        /// Classes.
        class: &'static str,
        /// The text.
        content: String,
    },
}

impl Shape {
    /// The space that a text may take; `None` for other shapes.
    #[must_use]
    pub fn text_area(&self) -> Option<Area> {
        let Self::Text { x, baseline, size, bold, centred, content, .. } = self else { return None };
        let width = text_width(content, *size, *bold);
        let x = if *centred { x - width / 2 } else { *x };
        // Letters rise by less than the font size and hang below the line by a quarter of it.
        Some(Area { x, y: baseline - size, width, height: size + size / 4 })
    }
}

/// A laid-out picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// What it is, for who cannot see it.
    pub title: String,
    /// What it shows, for who cannot see it.
    pub description: String,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// Its parts, from the back to the front.
    pub shapes: Vec<Shape>,
}

/// Radius of the corners of lines.
const CORNER: i32 = 8;

impl Drawing {
    /// The picture as an SVG document that needs nothing else. It follows the light or dark colour scheme of who looks at it.
    #[must_use]
    pub fn svg(&self) -> String {
        let (width, height) = (self.width, self.height);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lab-graph\" role=\"img\" aria-labelledby=\"lab-graph-title lab-graph-desc\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <title id=\"lab-graph-title\">{}</title>\n<desc id=\"lab-graph-desc\">{}</desc>\n<style>\n{}</style>\n\
             <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n",
            escape(&self.title),
            escape(&self.description),
            include_str!("style.css"),
        );
        for shape in &self.shapes {
            write_shape(&mut text, shape);
        }
        text + "</svg>\n"
    }
}

fn write_shape(text: &mut String, shape: &Shape) {
    let _ = match shape {
        Shape::Box { area: Area { x, y, width, height }, radius, class } => writeln!(
            text,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>"
        ),
        Shape::Line { points, class } => writeln!(text, "<path class=\"{class}\" d=\"{}\"/>", line(points)),
        Shape::Curve { from: (x, y), to: (to_x, to_y), class } => {
            let bend = ((to_x - x) / 2).max(CORNER);
            writeln!(
                text,
                "<path class=\"{class}\" d=\"M{x} {y}C{} {y} {} {to_y} {to_x} {to_y}\"/>",
                x + bend,
                to_x - bend
            )
        }
        Shape::Head { at: (x, y), direction, class } => {
            let d = match direction {
                Direction::Up => format!("M{x} {y}l-5 9h10z"),
                Direction::Down => format!("M{x} {y}l-5 -9h10z"),
                Direction::Right => format!("M{x} {y}l-7 -4v8z"),
            };
            writeln!(text, "<path class=\"{class}\" d=\"{d}\"/>")
        }
        Shape::Dot { at: (x, y), class } => writeln!(text, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>"),
        Shape::Text { x, baseline, size, bold, centred, class, content } => {
            let weight = if *bold { " font-weight=\"600\"" } else { "" };
            let anchor = if *centred { " text-anchor=\"middle\"" } else { "" };
            let content = escape(content);
            writeln!(
                text,
                "<text class=\"{class}\" x=\"{x}\" y=\"{baseline}\" font-size=\"{size}\"{weight}{anchor}>{content}</text>"
            )
        }
    };
}

/// A path through the points, its corners rounded.
fn line(points: &[(i32, i32)]) -> String {
    let mut d = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let _ = match (i.checked_sub(1).and_then(|b| points.get(b)), points.get(i + 1)) {
            (None, _) => write!(d, "M{x} {y}"),
            (_, None) => write!(d, "L{x} {y}"),
            (Some(&before), Some(&after)) => {
                let (from_x, from_y) = towards((x, y), before);
                let (to_x, to_y) = towards((x, y), after);
                write!(d, "L{from_x} {from_y}Q{x} {y} {to_x} {to_y}")
            }
        };
    }
    d
}

/// The point at which a corner begins or ends, for level and upright lines.
fn towards((x, y): (i32, i32), (to_x, to_y): (i32, i32)) -> (i32, i32) {
    let part = |from: i32, to: i32| from + (to - from).clamp(-CORNER, CORNER);
    (part(x, to_x), part(y, to_y))
}

/// A text inside an element or an attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No XML document may have these.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
