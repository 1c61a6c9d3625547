//! The sentence that counts, at the end of a verdict.

use crate::verdict::{CallCheck, Cell, FAILED_MEANWHILE, OUTSIDE, SourceVerdict, Verdict};

/// PASSED, FAILED or NO CHECKS, and what was proved by it.
pub(super) fn sentence(verdict: &Verdict) -> String {
    let has_none = verdict.sources.is_empty() && verdict.reachability.is_empty() && verdict.federation.is_empty();
    let has_none = has_none && verdict.faults.is_empty() && verdict.links.is_empty();
    if has_none && verdict.passed {
        return format!("NO CHECKS  {}: the scenario asks for none, so nothing is proved", verdict.lab);
    }
    if verdict.passed { passed(verdict) } else { failed(verdict) }
}

fn passed(verdict: &Verdict) -> String {
    let mut said = Vec::new();
    if !verdict.links.is_empty() {
        let none = if verdict.sources.is_empty() { "; no call was made (`--probes` makes some)" } else { "" };
        said.push(format!("what is configured lets every cluster call every other{none}"));
    }
    if !verdict.sources.is_empty() {
        let only_rotations = verdict.sources.iter().all(|s| s.kind == CallCheck::Rotation && s.caller != OUTSIDE);
        let are = if only_rotations { "reach every version" } else { "are as expected" };
        said.push(format!("calls {} {are}", places(&verdict.sources, |_| true)));
        said.push(counts(&verdict.sources));
    }
    let cells = verdict.reachability.len();
    if cells > 0 {
        said.push(format!("all {cells} cells of the reachability matrix are as expected"));
    }
    if !verdict.federation.is_empty() {
        said.push("all replicas are where they must be".to_owned());
    }
    match verdict.faults.len() {
        0 => {}
        1 => said.push("a fault is borne as Istio promises".to_owned()),
        many => said.push(format!("{many} faults are borne as Istio promises")),
    }
    format!("PASSED  {}: {}", verdict.lab, said.join("; "))
}

fn failed(verdict: &Verdict) -> String {
    let red = places(&verdict.sources, |s| !s.passed);
    let is_red = |s: &SourceVerdict| {
        verdict.sources.iter().any(|o| !o.passed && o.cluster == s.cluster && outside(o) == outside(s))
    };
    let well = places(&verdict.sources, |s| !is_red(s));
    let mut said = Vec::new();
    if !red.is_empty() {
        said.push(format!("calls {red} are not as expected"));
    }
    let (links, broken) = (verdict.links.len(), verdict.links.iter().filter(|l| !l.passed()).count());
    if broken > 0 {
        let are = if broken == 1 { "is" } else { "are" };
        said.push(format!("{broken} of {links} ways between clusters {are} not configured as they must be"));
    }
    let (cells, wrong) = (verdict.reachability.len(), verdict.reachability.iter().filter(|c| !c.passed()).count());
    if wrong > 0 {
        let are = if wrong == 1 { "is" } else { "are" };
        said.push(format!("{wrong} of {cells} cells of the reachability matrix {are} wrong"));
    }
    let astray = verdict.federation.iter().filter(|s| !s.passed()).map(|s| s.check.as_str());
    said.extend(astray.map(|check| format!("{check} is not as expected")));
    let unborne = verdict.faults.iter().filter(|f| !f.passed());
    said.extend(unborne.map(|f| format!("it is not borne as it must be that {}", f.fault)));
    if !well.is_empty() {
        said.push(format!("all is well {well}"));
    }
    if cells > 0 && verdict.reachability.iter().all(Cell::passed) {
        said.push(format!("all {cells} cells of the reachability matrix are as expected"));
    }
    if said.is_empty() {
        said.extend(verdict.findings.iter().map(|finding| finding.cause.clone()));
    }
    format!("FAILED  {}: {}", verdict.lab, said.join("; "))
}

fn outside(source: &SourceVerdict) -> bool {
    source.caller == OUTSIDE
}

/// "from c1, c2", and "from outside into c1" for calls through gateways; each cluster once, though it may call in every check.
fn places(sources: &[SourceVerdict], which: impl Fn(&SourceVerdict) -> bool) -> String {
    let (mut inside, mut into): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for source in sources.iter().filter(|s| which(s)) {
        let names = if outside(source) { &mut into } else { &mut inside };
        if !names.contains(&source.cluster.as_str()) {
            names.push(&source.cluster);
        }
    }
    let mut said = Vec::new();
    if !inside.is_empty() {
        said.push(format!("from {}", inside.join(", ")));
    }
    if !into.is_empty() {
        said.push(format!("from outside into {}", into.join(", ")));
    }
    said.join(" and ")
}

/// How many requests there were, and what became of those that were not answered as usual.
fn counts(sources: &[SourceVerdict]) -> String {
    let requests: u32 = sources.iter().map(|s| s.requests).sum();
    let denied: u32 = sources.iter().flat_map(|s| s.denials.values()).sum();
    let failures: u32 = sources.iter().map(|s| s.failures).sum();
    let meanwhile: f64 =
        sources.iter().flat_map(|s| &s.measures).filter(|m| m.what == FAILED_MEANWHILE).map(|m| m.value).sum();
    let mut said = vec![format!("{requests} requests")];
    if denied > 0 {
        said.push(format!("{denied} denied as expected"));
    }
    said.push(match failures {
        0 => "none failed".to_owned(),
        some => format!("{some} failed, as allowed"),
    });
    if meanwhile > 0.0 {
        said.push(format!("besides {meanwhile} during failovers"));
    }
    said.join(", ")
}
