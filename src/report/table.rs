//! Tables for people: columns without a frame.

use comfy_table::{Table, presets};

/// An empty table with these headers.
#[must_use]
pub fn table<const COLUMNS: usize>(headers: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headers);
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
}

/// The table's lines, without blanks at their ends.
#[must_use]
pub fn table_text(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
