//! The checks as they are written.

use super::super::error::Problems;
use super::super::read::{Fields, one_key, text, unknown_value, wrong_type};
use super::super::tree::{Located, Node, Span, Value};

#[derive(Debug)]
pub(in crate::scenario) enum RawCheck {
    Rotation { span: Span, service: Option<Located<String>>, from: RawSources },
}

#[derive(Debug)]
pub(in crate::scenario) enum RawSources {
    All,
    Named(Located<Vec<Located<String>>>),
}

/// Reads one entry of `checks`.
pub(super) fn check(node: &Node, problems: &mut Problems) -> Option<RawCheck> {
    let (key, body) = one_key(node, "checks", "check", "rotation", problems)?;
    if key.value != "rotation" {
        problems.add(key.span, unknown_value("check", &key.value, &["rotation"]));
        return None;
    }
    let mut rotation = RawCheck::Rotation { span: key.span, service: None, from: RawSources::All };
    let RawCheck::Rotation { service, from, .. } = &mut rotation;
    if let Some(body) = body {
        let example = "rotation: { service: helloworld.sample:5000/hello, from: all }";
        let fields = Fields::of(body, "`rotation`", &["service", "from"], example, problems)?;
        *service = fields.text("service", "service: helloworld.sample:5000/hello", problems);
        if let Some(node) = fields.get("from") {
            *from = sources(node, problems)?;
        }
    }
    Some(rotation)
}

fn sources(node: &Node, problems: &mut Problems) -> Option<RawSources> {
    const EXAMPLE: &str = "from: [c1, c2]";
    match &node.value {
        Value::Scalar { text, .. } if text == "all" => Some(RawSources::All),
        Value::Sequence(items) => {
            let names: Vec<Option<_>> =
                items.iter().map(|n| text(n, "a cluster in `from`", EXAMPLE, problems)).collect();
            let names = names.into_iter().collect::<Option<_>>()?;
            Some(RawSources::Named(Located { value: names, span: node.span }))
        }
        _ => {
            let found = match &node.value {
                Value::Scalar { text, .. } => format!("`{text}`"),
                _ => node.kind().to_owned(),
            };
            problems.add(node.span, wrong_type("`from`", "`all` or a list of clusters", found, EXAMPLE));
            None
        }
    }
}
