//! How errors are shown: plain text without colour, the same on a terminal and in a CI log.
//!
//! Messages are never wrapped, because a log is searched by line, and `FILE:LINE:COLUMN` is what editors and log viewers turn into
//! a link. Miette's own handlers do neither.

use std::fmt::{self, Write};

use miette::Diagnostic;
use unicode_width::UnicodeWidthStr as _;

use super::error::{ScenarioError, ScenarioErrors};
use super::tree::Span;

/// Most characters of a source line that are shown; longer lines are cut around the place.
const MAX_LINE: usize = 160;
/// Characters that are kept before the place in a line that is cut.
const KEPT_BEFORE: usize = 60;
/// Most characters of a message: it may quote what the file says, however long.
const MAX_MESSAGE: usize = 600;

/// Most errors that are shown: nobody reads more, and the first of them often explain the others.
const MAX_ERRORS: usize = 50;

/// Shows the errors of a scenario, each with its place, its source line and its remedy: the first fifty, and how many there are.
#[must_use]
pub fn render(errors: &ScenarioErrors) -> String {
    let mut out = String::new();
    for (i, error) in errors.errors().iter().take(MAX_ERRORS).enumerate() {
        if i > 0 {
            out.push('\n');
        }
        // Writing to a string cannot fail.
        _ = write_error(&mut out, error);
    }
    if let Some(more) = errors.errors().len().checked_sub(MAX_ERRORS).filter(|more| *more > 0) {
        _ = writeln!(out, "\nand {more} more");
    }
    if errors.errors().len() > 1 {
        _ = writeln!(out, "\n{errors}");
    }
    out
}

/// A place that is marked below its line.
struct Mark {
    line: usize,
    span: Span,
    sign: char,
    label: &'static str,
}

fn write_error(out: &mut String, error: &ScenarioError) -> fmt::Result {
    let (line, column) = error.position();
    let text = error.text();
    let primary = Mark { line, span: error.span(), sign: '^', label: "" };
    let mut marks = vec![primary];
    marks.extend(error.others().iter().map(|(span, label)| Mark {
        line: line_of(text, *span),
        span: *span,
        sign: '-',
        label,
    }));
    marks.sort_by_key(|m| m.line);
    let width = marks.last().map_or(1, |m| m.line.to_string().len());

    writeln!(out, "error: {}", visible(&shortened(&error.to_string())))?;
    writeln!(out, "{:width$}--> {}:{line}:{column}", "", visible(error.file()))?;
    writeln!(out, "{:width$} |", "")?;
    let mut shown = 0;
    for mark in &marks {
        let start = text.get(..mark.span.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let source = text.get(start..).and_then(|rest| rest.split(['\n', '\r']).next()).unwrap_or_default();
        let before = text.get(start..mark.span.start).unwrap_or_default();
        let marked = text.get(mark.span.start..mark.span.end).unwrap_or_default();
        let place = before.chars().count();
        let cut = if source.chars().count() > MAX_LINE { place.saturating_sub(KEPT_BEFORE) } else { 0 };
        // A line that two marks share is shown once, unless it is so long that each mark needs its own part of it.
        if shown != mark.line || cut > 0 {
            if shown != 0 && mark.line > shown + 1 {
                writeln!(out, "{:width$} :", "")?;
            }
            let part: String = source.chars().skip(cut).take(MAX_LINE).collect();
            writeln!(out, "{:>width$} | {}", mark.line, visible(&part).trim_end())?;
        }
        shown = mark.line;
        let room = MAX_LINE.saturating_sub(place - cut).max(1);
        let signs = mark.sign.to_string().repeat(columns(marked, 0, room).max(1));
        let pad = " ".repeat(columns(before, cut, MAX_LINE));
        writeln!(out, "{:width$} | {}", "", format!("{pad}{signs} {}", mark.label).trim_end())?;
    }
    if let Some(help) = error.help() {
        let help = visible(&shortened(&help.to_string())).replace('\n', &format!("\n{:width$}   ", ""));
        writeln!(out, "{:width$} = help: {help}", "")?;
    }
    Ok(())
}

/// Columns of a terminal that `most` characters of a text take, those after the first `from`.
fn columns(text: &str, from: usize, most: usize) -> usize {
    visible(&text.chars().skip(from).take(most).collect::<String>()).width()
}

fn line_of(text: &str, span: Span) -> usize {
    text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
}

fn shortened(message: &str) -> String {
    if message.chars().count() <= MAX_MESSAGE {
        return message.to_owned();
    }
    message.chars().take(MAX_MESSAGE).chain("...".chars()).collect()
}

/// Whether a character turns the order of those that follow round (Unicode Standard Annex 9).
fn turns(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with a sign for whatever a terminal would obey instead of show, one character for one.
fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' => c,
        '\t' => '\u{2192}',
        c if c.is_control() || turns(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    /// The source line and the line of signs below it, for the only mistake of a scenario.
    fn marked(text: &str) -> (String, String) {
        let errors = crate::scenario::parse(text, "lab.yaml").expect_err(text);
        let shown = super::render(&errors);
        let mut lines = shown.lines().skip_while(|line| !line.starts_with(|c: char| c.is_ascii_digit()));
        (lines.next().expect("a source line").to_owned(), lines.next().expect("its signs").to_owned())
    }

    #[test]
    fn signs_stand_below_what_they_mark_however_wide_it_is() {
        for (before, wrong) in [("c1", "oops"), ("日本", "oops"), ("e\u{301}", "oops"), ("日本", "日本語")] {
            let (line, signs) = marked(&format!(
                "name: a\nclusters: [c1]\nmesh: {{ values: {{ pilot: {{ env: {{ key: {before} }} }} }}, {wrong}: 1 }}\n"
            ));
            let (start, _) = line.rsplit_once(wrong).expect("the mistake");
            let (pad, signs) = signs.split_at(signs.find('^').expect("signs"));
            assert_eq!(pad.width(), start.width(), "{line}\n{pad}{signs}");
            assert_eq!(signs.width(), wrong.width(), "{line}\n{pad}{signs}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let filler = "x".repeat(300);
        let text = format!(
            "mesh: {{ id: {filler}, topology: external, trustDomain: {filler} }}\nname: demo\nclusters: [c1]\n"
        );
        let shown = super::render(&crate::scenario::parse(&text, "lab.yaml").expect_err("refused"));
        let lines: Vec<&str> = shown.lines().collect();
        let place = lines.iter().position(|l| l.contains("lab.yaml:1:325")).expect("its place");
        let column = lines[place + 3].find('^').expect("its place");
        assert!(lines[place + 2][column..].starts_with("external"), "{shown}");
        assert!(lines[place + 2].len() < 180, "{shown}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        let shown = super::render(
            &crate::scenario::parse("name: \"\\e[31mred\"\nclusters: [c1]\n", "la\u{1b}b.yaml").expect_err("refused"),
        );
        assert!(
            shown.starts_with("error: lab name `\u{fffd}[31mred` is not a DNS label\n --> la\u{fffd}b.yaml:1:7\n"),
            "{shown}"
        );
    }
}
