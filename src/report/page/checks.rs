//! Checks on the page: a card for each source, tables for the rest.

use maud::{Markup, html};

use crate::report::fault::{COLUMNS, row, title};
use crate::report::histogram::caller;
use crate::verdict::{Cell, FaultVerdict, SourceVerdict, Spread, Way};

/// A card for each source, under the name of its check.
pub(super) fn sources(sources: &[SourceVerdict]) -> Markup {
    html! {
        @for check in sources.chunk_by(|a, b| a.check == b.check) {
            h3 { (check[0].check) }
            div.cards { @for source in check { (card(source)) } }
        }
    }
}

fn card(source: &SourceVerdict) -> Markup {
    let others = source.versions.keys().filter(|v| !source.expected.contains(v));
    let most = source.versions.values().copied().max().unwrap_or(0).max(1);
    html! {
        div.card {
            p {
                strong { (caller(source)) } ": " (mark(source.passed)) ", " (source.requests) " requests, " (source.failures) " failed"
            }
            table.histogram aria-label={ "Answers to calls " (caller(source)) } {
                @for version in source.expected.iter().chain(others) {
                    @let count = source.versions.get(version).copied().unwrap_or(0);
                    tr {
                        th scope="row" { (version) }
                        td.count { (count) }
                        td {
                            @if source.missing.contains(version) { span.wrong { "did not answer" } }
                            @else { span.bar style={ "width: " (count * 100 / most) "%" } {} }
                            @if source.unexpected.contains(version) { span.wrong { "should not be there" } }
                        }
                    }
                }
            }
            @for (what, count) in source.denials.iter().chain(&source.errors) { p { (count) " × " (what) } }
            @for problem in &source.endpoint_problems { p.wrong { "endpoint " (problem) } }
            @for problem in &source.problems { p.wrong { (problem) } }
            @for measure in &source.measures { p.soft { (measure) } }
            @if !source.endpoints.is_empty() {
                details {
                    summary { "Endpoints of its Envoy" }
                    @for endpoint in &source.endpoints {
                        p {
                            (endpoint.address) ", priority " (endpoint.priority) ": " (endpoint.requests) " requests"
                            @if !endpoint.healthy { ", " span.wrong { "not healthy" } }
                        }
                    }
                }
            }
        }
    }
}

fn mark(passed: bool) -> Markup {
    if passed {
        html! { span.well { "passed" } }
    } else {
        html! { span.wrong { "failed" } }
    }
}

/// Where a federation has its replicas.
pub(super) fn spreads(spreads: &[Spread]) -> Markup {
    html! {
        @for spread in spreads {
            h3 { (spread.check) }
            div.card {
                p { (mark(spread.passed())) }
                table.histogram aria-label="Ready replicas" {
                    @for member in &spread.members {
                        tr {
                            th scope="row" { (member.cluster) }
                            td {
                                @match member.found {
                                    Some(found) => { (found) " ready" },
                                    None => { "does not answer" },
                                }
                                ", " (member.expected) " expected "
                                @if !member.passed() { span.wrong { "wrong" } }
                            }
                        }
                    }
                }
                @for problem in &spread.problems { p.wrong { (problem) } }
                @for measure in &spread.measures { p.soft { (measure) } }
            }
        }
    }
}

/// A table for each fault, and what happened when.
pub(super) fn faults(faults: &[FaultVerdict]) -> Markup {
    html! {
        @for fault in faults {
            h3 { (title(fault)) }
            p { (mark(fault.passed())) }
            div.wide tabindex="0" role="group" aria-label={ "What calls saw while " (fault.fault) } {
                table.list {
                    thead { tr { @for column in COLUMNS { th scope="col" { (column) } } } }
                    tbody {
                        @for source in &fault.sources {
                            @let [from, rest @ ..] = row(source);
                            tr { th scope="row" { (from) } @for cell in rest { td { (cell) } } }
                        }
                    }
                }
            }
            table.histogram aria-label={ "What happened while " (fault.fault) } {
                @for event in &fault.timeline {
                    tr {
                        th scope="row" { (format!("{:.2} s", event.at)) }
                        td { (event.what) }
                    }
                }
            }
            @for problem in fault.wrong() { p.wrong { (problem) } }
        }
    }
}

/// A matrix for each way, and the evidence of what is wrong.
pub(super) fn matrices(cells: &[Cell]) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for cell in cells {
        if !names.contains(&cell.from.as_str()) {
            names.push(&cell.from);
        }
    }
    let mut ways: Vec<Way> = cells.iter().map(|c| c.kind).collect();
    ways.dedup();
    let at = |way: Way, from: &str, to: &str| cells.iter().find(|c| c.kind == way && c.from == from && c.to == to);
    html! {
        p.soft { "Who in a row calls who is above." }
        div.matrices {
            @for way in ways {
                div.wide tabindex="0" role="group" aria-label={ "Reachability by " (way) } {
                    table.matrix {
                        caption { "by " (way) }
                        tr { td {} @for to in &names { th scope="col" { (to) } } }
                        @for from in &names {
                            tr {
                                th scope="row" { (from) }
                                @for to in &names { td { @if let Some(cell) = at(way, from, to) { (reached(cell)) } } }
                            }
                        }
                    }
                }
            }
        }
        @for cell in cells.iter().filter(|c| !c.passed()) {
            p.wrong { (cell.from) " to " (cell.to) " by " (cell.kind) ": " (cell.evidence) }
        }
    }
}

fn reached(cell: &Cell) -> Markup {
    let word = if cell.found { "yes" } else { "no" };
    if cell.passed() {
        html! { (word) }
    } else {
        html! { span.wrong { (word) "!" } }
    }
}
