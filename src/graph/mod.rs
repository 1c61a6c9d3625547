//! Pictures: a lab's topology and the steps that build it, as Mermaid, DOT and SVG. No I/O.
//!
//! [`topology`] and [`steps`] make one kind of [`Graph`]; every form is written from that. Mermaid and DOT leave the layout to who reads
//! them. The SVG is laid out here (`layout`), into a [`Drawing`] whose texts and lines have places that tests can measure.

mod dot;
mod drawing;
mod federation;
mod layout;
mod mermaid;
mod model;
mod steps;
mod text_width;
mod topology;

pub use dot::dot;
pub use drawing::{Area, Direction, Drawing, Shape};
pub use layout::layout;
pub use mermaid::mermaid;
pub use model::{Edge, EdgeKind, Graph, Group, GroupKind, Node, NodeKind, Subject};
pub use steps::steps;
pub use topology::topology;
