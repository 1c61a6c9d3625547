//! Values as YAML text.

use std::fmt::Write;

use serde_json::Value as Json;

/// A value about to be written.
pub(in crate::scenario) enum Written {
    /// A single value, or anything free-form.
    Free(Json),
    List(Vec<Written>),
    Mapping {
        fields: Vec<(String, Written)>,
        /// Whether it is on one line, all that is in it included.
        inline: bool,
    },
}

impl From<String> for Written {
    fn from(text: String) -> Self {
        Self::Free(Json::String(text))
    }
}

impl Written {
    /// The text of a file with these fields at its top.
    pub(in crate::scenario) fn document(self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        _ = self.below(&mut out, 0, false);
        let mut out = out.trim_start().to_owned();
        out.push('\n');
        out
    }

    fn is_inline(&self) -> bool {
        match self {
            Self::Free(json) => !matches!(json, Json::Object(_) | Json::Array(_)),
            Self::List(items) => items.iter().all(Self::is_inline),
            Self::Mapping { fields, inline } => *inline || fields.is_empty(),
        }
    }

    /// Writes it after its key or hyphen: on the same line, or below and indented if it has parts.
    fn below(&self, out: &mut String, indent: usize, in_list: bool) -> std::fmt::Result {
        if self.is_inline() {
            out.push(' ');
            return self.inline(out);
        }
        match self {
            Self::Free(json) => free(out, json, indent),
            Self::List(items) => items.iter().try_for_each(|item| {
                write!(out, "\n{:indent$}-", "")?;
                item.below(out, indent + 2, true)
            }),
            Self::Mapping { fields, .. } => fields.iter().enumerate().try_for_each(|(i, (key, value))| {
                // The first field of an item stands beside the hyphen.
                if in_list && i == 0 {
                    write!(out, " {}:", text(key))?;
                } else {
                    write!(out, "\n{:indent$}{}:", "", text(key))?;
                }
                value.below(out, indent + 2, false)
            }),
        }
    }

    fn inline(&self, out: &mut String) -> std::fmt::Result {
        let comma = |i| if i == 0 { "" } else { ", " };
        match self {
            Self::Free(json) => out.write_str(&single(json)),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(comma(i));
                    item.inline(out)?;
                }
                out.write_char(']')
            }
            Self::Mapping { fields, .. } if fields.is_empty() => out.write_str("{}"),
            Self::Mapping { fields, .. } => {
                out.push_str("{ ");
                for (i, (key, value)) in fields.iter().enumerate() {
                    write!(out, "{}{}: ", comma(i), text(key))?;
                    value.inline(out)?;
                }
                out.write_str(" }")
            }
        }
    }
}

/// Writes a free-form value after its key or hyphen.
fn free(out: &mut String, value: &Json, indent: usize) -> std::fmt::Result {
    match value {
        Json::Object(fields) if !fields.is_empty() => fields.iter().try_for_each(|(key, value)| {
            write!(out, "\n{:indent$}{}:", "", text(key))?;
            free(out, value, indent + 2)
        }),
        Json::Array(items) if !items.is_empty() => items.iter().try_for_each(|item| {
            write!(out, "\n{:indent$}-", "")?;
            free(out, item, indent + 2)
        }),
        other => write!(out, " {}", single(other)),
    }
}

/// A value on one line that has no parts.
fn single(value: &Json) -> String {
    match value {
        Json::String(string) => text(string),
        other => other.to_string(),
    }
}

/// Text as a scalar, quoted wherever any YAML reader might take it for something else.
fn text(text: &str) -> String {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(':')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    // Addresses, ranges of them and subnets: no number has three dots.
    let address = text.starts_with(|c: char| c.is_ascii_digit())
        && text.matches('.').count() >= 3
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '/' | '-'));
    if word || address { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            // Printable in every YAML version; anything else has an escape, so that it survives editors too.
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{2030}'..='\u{d7ff}' => c.to_string(),
            _ => format!("\\U{:08X}", u32::from(c)),
        })
        .collect();
    format!("\"{escaped}\"")
}
