//! Reading typed fields out of the tree. Every mistake is recorded, and reading goes on without the field.

use serde_json::{Map, Number, Value as Json};

use super::error::Problems;
use super::problem::Problem;
use super::tree::{Entry, Located, Node, Span, Value};

/// Bytes of the longest word that may be a misspelt one.
const MAX_WORD: usize = 80;

/// So many mistakes are no slips of the pen.
const MANY: usize = 1000;

/// The fields of a mapping whose names have been checked.
pub(super) struct Fields<'n> {
    of: &'static str,
    entries: &'n [Entry],
    span: Span,
    /// Known fields that an unknown one was probably meant to be: one mistake, to be shown once.
    meant: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of a node, which must be a mapping (nothing counts as an empty one); unknown fields are recorded.
    pub(super) fn of(
        node: &'n Node,
        of: &'static str,
        known: &[&'static str],
        example: &'static str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let entries: &[Entry] = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            _ => {
                problems.add(node.span, wrong_type(of, "a mapping", node.kind(), example));
                return None;
            }
        };
        let mut meant = Vec::new();
        for entry in entries.iter().filter(|e| !known.contains(&e.key.value.as_str())) {
            // Comparing words takes time, and after so many mistakes nobody reads what one was meant to be.
            let near = nearest(&entry.key.value, known.iter().copied().filter(|_| problems.count() < MANY));
            let help = suggested(near, known, "its fields are");
            meant.extend(known.iter().copied().find(|k| Some(*k) == near));
            problems.add(entry.key.span, Problem::UnknownField { field: entry.key.value.clone(), of, help });
        }
        Some(Self { of, entries, span: node.span, meant })
    }

    /// The value of a field, unless it is left out or nothing.
    pub(super) fn get(&self, field: &str) -> Option<&'n Node> {
        self.entries.iter().find(|e| e.key.value == field).map(|e| &e.value).filter(|n| !matches!(n.value, Value::Null))
    }

    /// Text out of a field, if it is there.
    pub(super) fn text(&self, field: &str, example: &'static str, problems: &mut Problems) -> Option<Located<String>> {
        text(self.get(field)?, &format!("`{field}`"), example, problems)
    }

    /// `true` or `false` out of a field, if it is there.
    pub(super) fn truth(&self, field: &str, example: &'static str, problems: &mut Problems) -> Option<Located<bool>> {
        let node = self.get(field)?;
        let found = match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => {
                return Some(Located { value: true, span: node.span });
            }
            Value::Scalar { text, plain: true } if text == "false" => {
                return Some(Located { value: false, span: node.span });
            }
            Value::Scalar { text, plain: true } => format!("`{text}`"),
            Value::Scalar { text, .. } => format!("the text \"{text}\""),
            _ => node.kind().to_owned(),
        };
        problems.add(node.span, wrong_type(&format!("`{field}`"), "`true` or `false`", found, example));
        None
    }

    /// Records that a field is missing, unless the user seems to have misspelt it.
    pub(super) fn missing(&self, field: &'static str, example: &'static str, problems: &mut Problems) {
        if !self.meant.contains(&field) {
            let empty = self.entries.iter().find(|e| e.key.value == field).map(|e| e.key.span);
            problems.add(empty.unwrap_or(self.span), Problem::MissingField { field, of: self.of, example });
        }
    }
}

/// The text of a single value.
pub(super) fn text(node: &Node, what: &str, example: &'static str, problems: &mut Problems) -> Option<Located<String>> {
    if let Value::Scalar { text, .. } = &node.value {
        return Some(Located { value: text.clone(), span: node.span });
    }
    problems.add(node.span, wrong_type(what, "text", node.kind(), example));
    None
}

/// A whole number.
pub(super) fn number(node: &Node, what: &str, example: &'static str, problems: &mut Problems) -> Option<Located<u64>> {
    let found = match &node.value {
        Value::Scalar { text, plain: true } => match text.parse() {
            Ok(value) => return Some(Located { value, span: node.span }),
            Err(_) => format!("`{text}`"),
        },
        Value::Scalar { text, .. } => format!("the text \"{text}\""),
        _ => node.kind().to_owned(),
    };
    problems.add(node.span, wrong_type(what, "a whole number, 0 or more", found, example));
    None
}

/// The items of a list.
pub(super) fn list<'n>(
    node: &'n Node,
    what: &str,
    example: &'static str,
    problems: &mut Problems,
) -> Option<&'n [Node]> {
    if let Value::Sequence(items) = &node.value {
        return Some(items);
    }
    problems.add(node.span, wrong_type(what, "a list", node.kind(), example));
    None
}

/// The one key of an entry that names what it is: `sleep`, `sleep:` or `sleep: {}`.
pub(super) fn one_key<'n>(
    node: &'n Node,
    list: &'static str,
    thing: &'static str,
    example: &'static str,
    problems: &mut Problems,
) -> Option<(Located<String>, Option<&'n Node>)> {
    match &node.value {
        Value::Scalar { text, .. } => Some((Located { value: text.clone(), span: node.span }, None)),
        Value::Mapping(entries) if entries.len() == 1 => Some((entries[0].key.clone(), Some(&entries[0].value))),
        Value::Mapping(entries) => {
            problems.add(node.span, Problem::NotOneKey { list, thing, count: entries.len(), example });
            None
        }
        Value::Null | Value::Sequence(_) => {
            problems.add(node.span, Problem::NotOneKey { list, thing, count: 0, example });
            None
        }
    }
}

/// A free-form value as JSON, by YAML's core schema.
pub(super) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar { text, plain: false } => Json::String(text.clone()),
        Value::Scalar { text, plain: true } => plain_json(text),
        Value::Sequence(items) => items.iter().map(json).collect(),
        Value::Mapping(entries) => {
            Json::Object(entries.iter().map(|e| (e.key.value.clone(), json(&e.value))).collect::<Map<_, _>>())
        }
    }
}

/// The JSON that some YAML stands for; null when it is none.
pub(super) fn as_json(yaml: &str) -> Json {
    super::tree::parse(yaml, &mut Problems::default()).as_ref().map_or(Json::Null, json)
}

/// A truth value of YAML 1.2's core schema.
pub(super) fn core_truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// What an unquoted scalar means: null, truth values and decimal numbers as in YAML 1.2's core schema; anything else is text.
fn plain_json(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        _ => {}
    }
    if let Some(truth) = core_truth(text) {
        return Json::Bool(truth);
    }
    // Rust's parser also takes `inf`, `nan` and `infinity`, which are words here.
    let numeric = text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    if !numeric {
        return Json::String(text.to_owned());
    }
    let number = text
        .parse::<i64>()
        .map(Number::from)
        .or_else(|_| text.parse::<u64>().map(Number::from))
        .ok()
        .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    number.map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

/// The nearest of some names, if one is nearer than the others and near enough to have been meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing that is so long was meant to be one of them, and comparing it would take its length times theirs.
    if name.len() > MAX_WORD {
        return None;
    }
    let lower = name.to_lowercase();
    let mut by_distance: Vec<(usize, &str)> =
        known.into_iter().map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k)).collect();
    by_distance.sort_by_key(|(distance, _)| *distance);
    let (distance, near) = *by_distance.first()?;
    let alone = by_distance.get(1).is_none_or(|(next, _)| *next > distance);
    let meant = distance <= (near.chars().count().max(3) / 3).min(3);
    (alone && meant).then_some(near)
}

/// Help for a word that is none of those allowed: the nearest, or all of them after `introduction`.
pub(super) fn suggestion(word: &str, allowed: &[&str], introduction: &str) -> String {
    suggested(nearest(word, allowed.iter().copied()), allowed, introduction)
}

pub(super) fn suggested(near: Option<&str>, allowed: &[&str], introduction: &str) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{introduction} {}", quoted_list(allowed)),
    }
}

/// A value out of a fixed set that is none of it.
pub(super) fn unknown_value(what: &'static str, value: &str, allowed: &[&str]) -> Problem {
    let introduction = if allowed.len() == 1 { "it can only be" } else { "it knows" };
    Problem::UnknownValue { what, value: value.to_owned(), help: suggestion(value, allowed, introduction) }
}

/// `` `a`, `b` and `c` ``.
fn quoted_list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// A value of another type than the field has.
pub(super) fn wrong_type(
    what: &str,
    expected: &'static str,
    found: impl Into<String>,
    example: impl Into<String>,
) -> Problem {
    Problem::WrongType { what: what.to_owned(), expected, found: found.into(), example: example.into() }
}
