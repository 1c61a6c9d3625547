//! The page of `lab report`: it needs nothing else, and what clusters say does not become markup.

use lab::plan::resolve;
use lab::report::{Page, Part, Warnings, page};
use lab::scenario::parse;
use lab::verdict::{Finding, SourceVerdict, Verdict};

fn shown(verdict: Option<&Verdict>, warnings: &Warnings) -> String {
    let lab = resolve(&parse("name: demo\nclusters: [c1, c2]\n", "lab.yaml").expect("a scenario")).expect("a lab");
    let parts = [Part { name: "istioctl".into(), version: "1.31".into(), digest: "abc".into() }];
    let at = "2026-01-02T03:04:05.678Z";
    page(&Page { lab: &lab, topology: "<svg></svg>", verdict, timeline: None, parts: &parts, warnings, at })
}

#[test]
fn a_page_asks_for_nothing_and_runs_nothing() {
    let page = shown(None, &Warnings::default());
    for outside in ["<script", "http:", "https:", "url(", "@import", "<img"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("No cluster warns of anything.") && page.contains("2026-01-02 03:04:05 UTC"), "{page}");
}

#[test]
fn what_clusters_say_is_text() {
    let source = SourceVerdict {
        check: "rotation <x>".into(),
        cluster: "c1".into(),
        expected: vec!["v1".into(), "v2".into()],
        missing: vec!["v2".into()],
        ..SourceVerdict::default()
    };
    let finding = Finding { cause: "<b>why</b>".into(), evidence: "\"e\"".into(), remedy: "r".into() };
    let verdict = Verdict {
        lab: "demo".into(),
        passed: false,
        at: String::new(),
        sources: vec![source],
        reachability: Vec::new(),
        links: Vec::new(),
        federation: Vec::new(),
        faults: Vec::new(),
        findings: vec![finding],
    };
    let warnings = Warnings { all: Vec::new(), silent: vec![("c2".into(), "<gone>".into())] };
    let page = shown(Some(&verdict), &warnings);
    assert!(!page.contains("<b>why</b>") && !page.contains("<gone>") && !page.contains("rotation <x>"), "{page}");
    assert!(page.contains("&lt;b&gt;why&lt;/b&gt;") && page.contains("did not answer"), "{page}");
    let (cause, card) = (page.find("why").expect("a cause"), page.find("did not answer").expect("a card"));
    assert!(cause < card, "findings come first");
}
