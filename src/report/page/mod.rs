//! A lab as one page of HTML that needs nothing else: no script, no font, no request.

mod checks;
mod waterfall;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Timeline, summary};
use crate::plan::{Lab, Plan};
use crate::verdict::{Finding, Verdict};

/// What a page shows.
#[derive(Debug)]
pub struct Page<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// Its topology as SVG.
    pub topology: &'a str,
    /// The last verdict, if one was given.
    pub verdict: Option<&'a Verdict>,
    /// The steps of the last `up`, if it came so far.
    pub timeline: Option<&'a Timeline>,
    /// What it is made of.
    pub parts: &'a [Part],
    /// What its clusters warn of.
    pub warnings: &'a Warnings,
    /// When the page is made, RFC 3339 in UTC.
    pub at: &'a str,
}

/// An image or a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the stack.
    pub name: String,
    /// Its version, or its reference in a node.
    pub version: String,
    /// The digest of all that it is made of, if it is known.
    pub digest: String,
}

/// Kubernetes' own warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// The warnings, the latest first.
    pub all: Vec<Warning>,
    /// Clusters that did not answer, with the reason.
    pub silent: Vec<(String, String)>,
}

/// A warning of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The cluster.
    pub cluster: String,
    /// When it was last seen, RFC 3339; empty if nobody says.
    pub at: String,
    /// Kind, namespace and name of what it is about.
    pub about: String,
    /// Kubernetes' reason and message.
    pub message: String,
    /// How often it was seen.
    pub count: i32,
}

/// The page as HTML.
#[must_use]
pub fn page(page: &Page<'_>) -> String {
    let name = &page.lab.name;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "lab " (name) }
                // An icon of its own keeps browsers from asking for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    h1 { "lab " (name) }
                    @match page.verdict {
                        Some(verdict) => p { (badge(verdict)) span.soft { " at " (moment(&verdict.at)) } },
                        None => p.soft { "No verdict has been given yet: `lab verify " (name) "` gives one." },
                    }
                    nav aria-label="Sections" {
                        ul {
                            @for (id, title) in SECTIONS { li { a href={ "#" (id) } { (title) } } }
                        }
                    }
                }
                main #main {
                    (section(0, &html! { div.wide tabindex="0" role="group" aria-label="Picture of the topology" { (PreEscaped(page.topology)) } }))
                    (section(1, &verdict(page)))
                    (section(2, &reachability(page)))
                    (section(3, &steps(page)))
                    (section(4, &parts(page.parts)))
                    (section(5, &warnings(page.warnings)))
                }
                footer { "Made by lab " (env!("CARGO_PKG_VERSION")) " at " (moment(page.at)) "." }
            }
        }
    };
    markup.into_string()
}

const SECTIONS: [(&str, &str); 6] = [
    ("topology", "Topology"),
    ("verdict", "Verdict"),
    ("reachability", "Reachability"),
    ("steps", "Steps"),
    ("parts", "Versions and digests"),
    ("warnings", "Warnings"),
];

fn section(number: usize, content: &Markup) -> Markup {
    let (id, title) = SECTIONS[number];
    html! { section aria-labelledby=(id) { h2 id=(id) { (title) } (content) } }
}

/// A time of RFC 3339 to the second, as people read it.
fn moment(at: &str) -> Markup {
    let seconds = at.split(['.', 'Z']).next().unwrap_or(at).replace('T', " ");
    html! { time datetime=(at) { (seconds) @if !at.is_empty() { " UTC" } } }
}

fn badge(verdict: &Verdict) -> Markup {
    if verdict.passed {
        html! { span.well { "Passed" } }
    } else {
        html! { span.wrong { "Failed" } }
    }
}

fn verdict(page: &Page<'_>) -> Markup {
    let Some(verdict) = page.verdict else { return html! { p.soft { "None yet." } } };
    html! {
        @for finding in &verdict.findings { (found(finding)) }
        p { (summary::sentence(verdict)) }
        (checks::sources(&verdict.sources))
        (checks::spreads(&verdict.federation))
        (checks::faults(&verdict.faults))
    }
}

fn found(finding: &Finding) -> Markup {
    html! {
        div.finding {
            dl {
                dt { "Cause" } dd { strong { (finding.cause) } }
                dt { "Evidence" } dd { (finding.evidence) }
                dt { "Remedy" } dd { (finding.remedy) }
            }
        }
    }
}

fn reachability(page: &Page<'_>) -> Markup {
    match page.verdict.map(|v| &v.reachability[..]) {
        None | Some([]) => {
            html! { p.soft { "The scenario does not ask for the matrix: `checks: [reachability]` does." } }
        }
        Some(cells) => checks::matrices(cells),
    }
}

fn steps(page: &Page<'_>) -> Markup {
    page.timeline.filter(|t| !t.steps.is_empty()).map_or_else(
        || html! { p.soft { "No `lab up` has ended yet." } },
        |timeline| waterfall::waterfall(timeline, &Plan::of(page.lab)),
    )
}

fn parts(parts: &[Part]) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label="Table of versions" {
            table.list {
                thead { tr { th scope="col" { "Part" } th scope="col" { "Version, or name in a node" } th scope="col" { "Digest" } } }
                tbody {
                    @for part in parts { tr { th scope="row" { (part.name) } td { (part.version) } td { code { (part.digest) } } } }
                }
            }
        }
    }
}

fn warnings(warnings: &Warnings) -> Markup {
    html! {
        @for (cluster, reason) in &warnings.silent { p { "Cluster " (cluster) " does not answer: " (reason) } }
        @if warnings.all.is_empty() {
            @if warnings.silent.is_empty() { p { "No cluster warns of anything." } }
        } @else {
            div.wide tabindex="0" role="group" aria-label="Table of warnings" {
                table.list {
                    thead { tr {
                        th scope="col" { "Last seen" } th scope="col" { "Cluster" } th scope="col" { "About" } th scope="col" { "What" }
                        th.number scope="col" { "Times" }
                    } }
                    tbody {
                        @for warning in &warnings.all {
                            tr {
                                td { (moment(&warning.at)) } td { (warning.cluster) } td { (warning.about) } td { (warning.message) }
                                td.number { (warning.count) }
                            }
                        }
                    }
                }
            }
        }
    }
}
