//! What a document of a manifest must not do. It is looked for before the document is read, because what an alias stands for would be copied then.

use std::collections::HashMap;

use serde_yaml::granit_parser::{Event, Parser};

use super::tree::MAX_BYTES;

/// A place in a document and what is wrong there.
pub(super) struct Refusal {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    pub message: String,
}

/// Looks for tags that stand for types of some program, and for text that aliases multiply. Whatever is no YAML is for its reader to tell.
pub(super) fn check(document: &str) -> Result<(), Refusal> {
    let mut total = 0;
    let mut of_anchor: HashMap<usize, usize> = HashMap::new();
    // For each collection that has begun: its anchor, and what was counted before it.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for event in Parser::new_from_str(document) {
        let Ok((event, span)) = event else { return Ok(()) };
        let start = span.start;
        let refusal = |message| Refusal { line: start.line(), column: start.col() + 1, message };
        match &event {
            Event::Scalar(.., Some(tag)) | Event::SequenceStart(.., Some(tag)) | Event::MappingStart(.., Some(tag))
                if tag.core_suffix().is_none() && !(tag.handle() == "!" && tag.suffix().is_empty()) =>
            {
                let name = format!("{}{}", tag.original_handle(), tag.suffix());
                let at = span.tag_span().map_or(start, |tag| tag.start);
                let message = format!("the tag `{name}` is for another program: Kubernetes has no such type");
                return Err(Refusal { line: at.line(), column: at.col() + 1, message });
            }
            _ => {}
        }
        // Each value counts with a byte of its own, so that empty ones are bounded as well.
        match event {
            Event::Scalar(text, _, anchor, _) => {
                total += text.len() + 1;
                of_anchor.insert(anchor, text.len() + 1);
            }
            Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) => {
                open.push((anchor, total));
                total += 1;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((anchor, before)) = open.pop() {
                    of_anchor.insert(anchor, total - before);
                }
            }
            Event::Alias(anchor) => total += of_anchor.get(&anchor).copied().unwrap_or(1),
            _ => {}
        }
        if total > MAX_BYTES {
            return Err(refusal(format!("with its aliases written out it is larger than {} MiB", MAX_BYTES >> 20)));
        }
    }
    Ok(())
}
