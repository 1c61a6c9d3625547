//! What scalars mean, and what misspelt words were meant to be.

use serde_json::{Map, Number, Value as Json};

use super::error::Problems;
use super::problem::Problem;
use super::tree::{Node, Value};

/// Bytes of the longest word that may be a misspelt one.
const MAX_WORD: usize = 80;

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
