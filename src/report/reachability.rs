//! The reachability matrix for a person: a small table for each way.

use std::fmt::Write as _;

use crate::verdict::{Cell, Way};

/// The tables, a legend if anything is wrong, and the evidence of what is.
pub(super) fn matrix(cells: &[Cell]) -> String {
    if cells.is_empty() {
        return String::new();
    }
    let mut text = "reachability: each row calls each column\n\n".to_owned();
    let mut ways: Vec<Way> = cells.iter().map(|c| c.kind).collect();
    ways.dedup();
    for way in ways {
        let of_way: Vec<&Cell> = cells.iter().filter(|c| c.kind == way).collect();
        write_table(&mut text, way, &of_way);
    }
    let wrong: Vec<&Cell> = cells.iter().filter(|c| !c.passed()).collect();
    if !wrong.is_empty() {
        text.push_str("no! must be reached and is not, yes! must not be reached and is:\n");
        for Cell { from, to, kind, evidence, .. } in wrong {
            let _ = writeln!(text, "  {from} to {to} by {kind}: {evidence}");
        }
        text.push('\n');
    }
    text
}

fn write_table(text: &mut String, way: Way, cells: &[&Cell]) {
    let mut rows: Vec<&str> = Vec::new();
    let mut columns: Vec<&str> = Vec::new();
    for cell in cells {
        for (names, name) in [(&mut rows, &cell.from), (&mut columns, &cell.to)] {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let heading = format!("by {way}");
    let first = rows.iter().map(|r| r.len() + 2).chain([heading.len()]).max().unwrap_or(0);
    let mut lines = vec![format!("{heading:<first$}")];
    lines.extend(rows.iter().map(|row| format!("{:<first$}", format!("  {row}"))));
    for column in columns {
        let entry = |row: &&str| {
            let cell = cells.iter().find(|c| c.from == *row && c.to == column);
            cell.map_or("-", |c| match (c.found, c.passed()) {
                (true, true) => "yes",
                (false, true) => "no",
                (true, false) => "yes!",
                (false, false) => "no!",
            })
        };
        let entries: Vec<&str> = std::iter::once(column).chain(rows.iter().map(entry)).collect();
        let width = entries.iter().map(|e| e.len()).max().unwrap_or(0);
        for (line, entry) in lines.iter_mut().zip(entries) {
            let _ = write!(line, "  {entry:<width$}");
        }
    }
    for line in lines {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(kind: Way, from: &str, to: &str, expected: bool, found: bool) -> Cell {
        let evidence = format!("what {to} said to {from}");
        Cell { from: from.into(), to: to.into(), kind, expected, found, evidence }
    }

    #[test]
    fn a_table_for_each_way_and_evidence_for_what_is_wrong() {
        let cells = [
            cell(Way::Mesh, "c1", "c1", true, true),
            cell(Way::Mesh, "c1", "cluster-two", true, true),
            cell(Way::Mesh, "cluster-two", "c1", true, false),
            cell(Way::Mesh, "cluster-two", "cluster-two", true, true),
            cell(Way::NodePort, "c1", "cluster-two", false, true),
            cell(Way::NodePort, "cluster-two", "c1", false, false),
        ];
        insta::assert_snapshot!(matrix(&cells));
        let well: Vec<Cell> = cells.iter().filter(|c| c.passed()).cloned().collect();
        assert!(!matrix(&well).contains('!'));
    }
}
