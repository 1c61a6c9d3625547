//! A YAML document as a tree in which every node knows where it is written.
//!
//! serde stops at the first mistake, and a scenario must show all of them; so the wire types are read from this tree and not
//! through serde. Scalars stay text until a field says what it wants: `version: 1.10` is the text `1.10`, and no country code
//! turns into `false`.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span as YamlSpan};

use super::error::Problems;
use super::problem::Problem;

/// Deeper nesting than any scenario needs; it bounds every recursion over the tree.
const MAX_DEPTH: usize = 64;
/// More nodes than any scenario needs; it bounds what aliases can multiply.
const MAX_NODES: usize = 200_000;
/// More bytes of text than any document needs, what aliases stand for counted each time.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Where something is written: bytes from the start of the file, the end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub value: T,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `~`, `null` or nothing at all.
    Null,
    /// Any other scalar. `plain` is false when it is quoted, and then it is text whatever it looks like.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Located<String>,
    pub value: Node,
}

impl Node {
    /// What the node is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// What it is, all below included.
    fn size(&self) -> Size {
        let mut size = Size { nodes: 1, bytes: 0, depth: 0 };
        match &self.value {
            Value::Null => {}
            Value::Scalar { text, .. } => size.bytes = text.len(),
            Value::Sequence(items) => items.iter().for_each(|n| size.add(n.size())),
            Value::Mapping(entries) => {
                for Entry { key, value } in entries {
                    size.add(Size { nodes: 1, bytes: key.value.len(), depth: 0 });
                    size.add(value.size());
                }
            }
        }
        size.depth += 1;
        size
    }
}

/// How much a node is with all below it.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    nodes: usize,
    /// Of text.
    bytes: usize,
    /// Levels.
    depth: usize,
}

impl Size {
    /// Puts another beside what is there.
    fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
        self.depth = self.depth.max(other.depth);
    }
}

/// Reads the one document of a file. `None` when it has none that can be read; the reason is then among the problems.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let mut builder =
        Builder { text, problems, frames: Vec::new(), anchors: HashMap::new(), all: Size::default(), root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        match event {
            Err(error) => {
                let (span, problem) = syntax_problem(text, &error);
                builder.problems.add(span, problem);
                return None;
            }
            Ok((Event::DocumentStart(..), span)) => {
                documents += 1;
                if documents > 1 {
                    let span = builder.span(span);
                    builder.problems.add(span, Problem::SeveralDocuments);
                    return builder.root;
                }
            }
            Ok((event, span)) => {
                if !builder.event(event, span) {
                    return None;
                }
            }
        }
    }
    match builder.root {
        None | Some(Node { value: Value::Null, .. }) => {
            problems.add(Span::default(), Problem::Empty);
            None
        }
        root => root,
    }
}

/// A collection that has begun and not ended.
struct Frame {
    start: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, key: Option<Located<String>>, seen: HashMap<String, Span> },
}

struct Builder<'t, 'p> {
    text: &'t str,
    problems: &'p mut Problems,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    /// Nodes and bytes so far; those of an anchor count once more, since they are kept for its aliases.
    all: Size,
    root: Option<Node>,
}

impl Builder<'_, '_> {
    /// Takes one event in. `false` when the rest of the file cannot be made sense of.
    fn event(&mut self, event: Event<'_>, span: YamlSpan) -> bool {
        let tagged = matches!(
            &event,
            Event::Scalar(.., Some(_)) | Event::SequenceStart(.., Some(_)) | Event::MappingStart(.., Some(_))
        );
        let at = self.span(span);
        if tagged {
            let tag = span.tag_span().map_or(at, |tag| self.span(tag));
            self.problems.add(tag, Problem::Tag);
        }
        match event {
            Event::Scalar(text, style, anchor, _) => self.complete(scalar(text, style, at), anchor),
            Event::SequenceStart(_, anchor, _) => self.begin(at, anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.begin(at, anchor, Content::Mapping { entries: Vec::new(), key: None, seen: HashMap::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.frames.pop() else {
                    return false;
                };
                let value = match frame.content {
                    Content::Sequence(items) => Value::Sequence(items),
                    Content::Mapping { entries, .. } => Value::Mapping(entries),
                };
                let whole = first_line(self.text, frame.start.start, at.end);
                self.complete(Node { value, span: whole }, frame.anchor)
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else {
                    self.problems.add(at, Problem::Alias);
                    return false;
                };
                let size = node.size();
                // Nothing is copied that does not fit.
                if !self.count(size, at) {
                    return false;
                }
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return false;
                };
                self.place(node)
            }
            _ => true,
        }
    }

    fn begin(&mut self, start: Span, anchor: usize, content: Content) -> bool {
        self.frames.push(Frame { start, anchor, content });
        self.count(Size::default(), start)
    }

    /// Counts what is about to be kept. `false` when it is too much.
    fn count(&mut self, size: Size, at: Span) -> bool {
        self.all.nodes += size.nodes;
        self.all.bytes += size.bytes;
        let within =
            self.all.nodes <= MAX_NODES && self.all.bytes <= MAX_BYTES && self.frames.len() + size.depth <= MAX_DEPTH;
        if !within {
            self.problems.add(at, Problem::TooMuch);
        }
        within
    }

    /// Takes a node that is finished.
    fn complete(&mut self, node: Node, anchor: usize) -> bool {
        let bytes = if let Value::Scalar { text, .. } = &node.value { text.len() } else { 0 };
        if !self.count(Size { nodes: 1, bytes, depth: 0 }, node.span) {
            return false;
        }
        if anchor != 0 {
            if !self.count(Size { depth: 0, ..node.size() }, node.span) {
                return false;
            }
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    /// Hands a node to the collection that it is in.
    fn place(&mut self, node: Node) -> bool {
        match self.frames.last_mut().map(|f| &mut f.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { key, .. }) if key.is_none() => {
                let found = node.kind();
                let Value::Scalar { text, .. } = node.value else {
                    self.problems.add(node.span, Problem::KeyNotText { found });
                    return false;
                };
                *key = Some(Located { value: text, span: node.span });
            }
            Some(Content::Mapping { entries, key, seen }) => {
                let Some(key) = key.take() else { return false };
                if let Some(first) = seen.get(&key.value) {
                    let problem = Problem::DuplicateKey { key: key.value };
                    self.problems.add(key.span, problem).also(*first, "first given here");
                } else {
                    seen.insert(key.value.clone(), key.span);
                    // Nothing has no place of its own: the field that says nothing is where to point.
                    let span = if matches!(node.value, Value::Null) { key.span } else { node.span };
                    entries.push(Entry { key, value: Node { span, ..node } });
                }
            }
        }
        true
    }

    fn span(&self, span: YamlSpan) -> Span {
        let start = span.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = span.end.byte_offset().unwrap_or(start).min(self.text.len());
        first_line(self.text, start, end)
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, span: Span) -> Node {
    let plain = style == ScalarStyle::Plain;
    let value = if plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Scalar { text: text.into_owned(), plain }
    };
    Node { value, span }
}

/// The part of a span that is on its first line: a caret under one line is easier to read than a bracket around twenty.
fn first_line(text: &str, start: usize, end: usize) -> Span {
    let end = end.max(start);
    let end = text.get(start..end).and_then(|s| s.find(['\n', '\r'])).map_or(end, |length| start + length);
    Span { start, end }
}

/// What the parser could not read, and where.
fn syntax_problem(text: &str, error: &ScanError) -> (Span, Problem) {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let message = error.kind().to_string();
    if message.contains("tab")
        && let Some(tab) = first_indenting_tab(text, at)
    {
        return (Span { start: tab, end: tab + 1 }, Problem::Tab);
    }
    let character = text.get(at..).and_then(|rest| rest.chars().next()).filter(|c| !matches!(c, '\n' | '\r'));
    let span = Span { start: at, end: at + character.map_or(0, char::len_utf8) };
    (span, Problem::Syntax { message: plain_words(error.kind(), message) })
}

/// The first tab in an indentation on the line of that place or below: the parser notices some only when a value goes on.
fn first_indenting_tab(text: &str, at: usize) -> Option<usize> {
    let mut start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    for line in text.get(start..)?.split_inclusive('\n') {
        let indentation = &line[..line.len() - line.trim_start().len()];
        if let Some(tab) = indentation.find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// The parser's message for the mistakes that people make most, in words that need no YAML specification.
fn plain_words(kind: &ErrorKind, message: String) -> String {
    let words = match kind {
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => "a quote is not closed",
        ErrorKind::MappingValueNotAllowed => "there is a `:` too many here, or this line is indented too far",
        ErrorKind::SimpleKeyExpected => "a `:` is missing after the name of a field",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            "this line does not line up with the fields above it"
        }
        ErrorKind::ExpectedFlowMappingSeparator => "a `,` or `}` is missing",
        ErrorKind::ExpectedFlowSequenceSeparator => "a `,` or `]` is missing",
        ErrorKind::UnknownAnchor => "this alias names an anchor that is not defined above it",
        _ => return message,
    };
    words.to_owned()
}
