//! What is configured between clusters, for a person.

use std::fmt::Write as _;

use crate::verdict::LinkVerdict;

/// A line a direction; nothing where none was looked at.
pub(super) fn links_text(links: &[LinkVerdict]) -> String {
    if links.is_empty() {
        return String::new();
    }
    let mut text = "what is configured\n\n".to_owned();
    for LinkVerdict { from, to, found, finding } in links {
        let said = finding.as_ref().map_or(found, |f| &f.cause);
        let is = if finding.is_none() { "ok " } else { "red" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {from} -> {to}  {is}  {said}");
    }
    text.push('\n');
    text
}
