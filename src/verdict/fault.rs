//! What callers saw while something was broken for a while, held against what Istio promises and what the scenario expects.

mod told;

use std::collections::{BTreeMap, BTreeSet};

pub use told::{FaultEvent, FaultSource, FaultVerdict};

use super::{Answer, Measure, Moment};
use crate::plan::{Lab, helloworlds};
use crate::scenario::{Check, FAULT_BACK, FAULT_PATIENCE, Fault, FaultKind, Gateway, Ground, Limit, Path, Through};

/// The calls of one cluster, or those that come in there.
#[derive(Clone, Debug, Default)]
pub struct FaultCalls {
    /// The cluster.
    pub from: String,
    /// Whether they come from outside, through its ingress gateway.
    pub is_outside: bool,
    /// The latest calls before anything happened.
    pub before: Vec<Moment>,
    /// Milliseconds from when the fault was begun until it was there.
    pub there: u64,
    /// Calls since the fault was begun.
    pub away: Vec<Moment>,
    /// Calls since its end was begun.
    pub back: Vec<Moment>,
    /// Microseconds within which 95 of 100 answers came before the fault, and while it lasted.
    pub within: [Option<u64>; 2],
}

/// What a fault is judged by.
#[derive(Debug)]
pub struct FaultJudge<'a> {
    fault: &'a Fault,
    ground: Ground,
    /// The clusters at which helloworld is called from outside.
    entered: BTreeSet<String>,
    /// The cluster of each version of helloworld.
    clusters: BTreeMap<String, String>,
    /// Whether sidecars answer DNS queries themselves.
    captures_dns: bool,
}

impl<'a> FaultJudge<'a> {
    /// What a fault of a lab is judged by.
    #[must_use]
    pub fn of(lab: &Lab, fault: &'a Fault) -> Self {
        let entered = lab.checks.iter().filter_map(|check| match check {
            Check::Rotation { service, from, through: Through::Ingress } if *service == fault.service => Some(from),
            _ => None,
        });
        Self {
            fault,
            ground: lab.ground(),
            entered: entered.flatten().cloned().collect(),
            clusters: helloworlds(lab).map(|h| (h.version, h.cluster.to_owned())).collect(),
            captures_dns: lab.mesh.dns_capture,
        }
    }

    /// The clusters that call meanwhile.
    #[must_use]
    pub fn callers(&self) -> Vec<&str> {
        self.ground.callers(&self.fault.kind)
    }

    /// The clusters at whose ingress gateways is called from outside meanwhile.
    #[must_use]
    pub fn entrances(&self) -> Vec<&str> {
        self.callers().into_iter().filter(|cluster| self.entered.contains(*cluster)).collect()
    }

    /// What becomes of calls to a cluster.
    fn path(&self, calls: &FaultCalls, to: &str) -> Path {
        if self.is_shut(calls) { Path::Cut } else { self.ground.path(&self.fault.kind, &calls.from, to) }
    }

    /// Whether nobody comes in.
    fn is_shut(&self, calls: &FaultCalls) -> bool {
        calls.is_outside
            && matches!(&self.fault.kind, FaultKind::Gateway { cluster, gateway: Gateway::IngressGateway } if *cluster == calls.from)
    }

    /// Whether all is as before: the latest calls were all answered, and by everybody who answered before.
    #[must_use]
    pub fn is_back(&self, back: &[Moment], before: &[Moment]) -> bool {
        super::is_as_before(back, before)
    }

    /// Judges what was seen. `healed` is when the fault was over, in seconds since its begin.
    #[must_use]
    pub fn judge(&self, calls: &[FaultCalls], healed: f64) -> FaultVerdict {
        let Fault { kind, seconds, service, .. } = self.fault;
        let mut timeline = vec![FaultEvent { at: 0.0, what: kind.to_string() }];
        let sources: Vec<FaultSource> = calls.iter().map(|calls| self.source(calls, healed, &mut timeline)).collect();
        timeline.push(FaultEvent { at: healed, what: "it ends".to_owned() });
        timeline.sort_by(|a, b| a.at.total_cmp(&b.at));
        let problems = if sources.is_empty() { vec!["nobody could call".to_owned()] } else { Vec::new() };
        FaultVerdict {
            fault: kind.to_string(),
            kind: kind.name().to_owned(),
            service: service.to_string(),
            seconds: *seconds,
            sources,
            timeline,
            problems,
        }
    }

    fn source(&self, calls: &FaultCalls, healed: f64, timeline: &mut Vec<FaultEvent>) -> FaultSource {
        let FaultCalls { from: _, is_outside, before, there: _, away, back, within } = calls;
        let mut source = FaultSource { cluster: calls.from.clone(), is_outside: *is_outside, ..FaultSource::default() };
        let from = &source.caller();
        if !super::is_settled(before) {
            source.problems.push(format!(
                "calls from {from} were not all answered, or by others each time, before anything was broken"
            ));
            return source;
        }
        for moment in away {
            match &moment.answer {
                Answer::Version(version) => *source.answers.entry(self.who(version)).or_default() += 1,
                Answer::Failure(_) => {}
            }
        }
        let returned = returned(back, before);
        let until = returned.map_or(back.len(), |(index, _)| index);
        let counted = away.iter().chain(&back[..until]);
        source.sent = count(counted.clone());
        for moment in counted.filter(|m| is_lost(m)) {
            if let Answer::Failure(error) = &moment.answer {
                *source.errors.entry(error.clone()).or_default() += 1;
                source.lost += 1;
            }
        }
        let first_loss = away.iter().position(is_lost);
        let last_loss = away.iter().rposition(is_lost);
        let mut tell = |millis: u64, what: String| timeline.push(FaultEvent { at: seconds(millis), what });
        if let Some(first) = first_loss {
            tell(away[first].millis, format!("{from}: the first request is lost"));
            if let Some(answered) = away[first..].iter().find(|m| !is_lost(m)) {
                source.first_answer = Some(seconds(answered.millis));
                tell(answered.millis, format!("{from}: {} answers again", self.whose(answered)));
            }
        }
        source.failover = match last_loss {
            None => (!away.is_empty()).then_some(0.0),
            Some(last) => away.get(last + 1).filter(|_| away.len() > last + CALM).map(|m| seconds(m.millis)),
        };
        if let (Some(at), Some(last)) = (source.failover, last_loss)
            && source.first_answer != Some(at)
        {
            tell(away[last + 1].millis, format!("{from}: no more requests are lost"));
        }
        source.back = returned.map(|(_, millis)| seconds(millis));
        if let Some(at) = source.back {
            timeline.push(FaultEvent { at: hundredths(healed + at), what: format!("{from}: all is as before") });
        }
        source.within = within.map(|micros| micros.map(|micros| Measure::rounded(micros, 1000)));
        self.promises(calls, &mut source);
        self.expectations(calls, &mut source);
        source
    }

    /// What Istio promises, and that the fault was one.
    fn promises(&self, calls: &FaultCalls, source: &mut FaultSource) {
        let kind = &self.fault.kind;
        let from = &source.caller();
        let late = self.late(calls);
        let half = self.judged();
        if late.is_empty() {
            source.problems.push(format!("no call from {from} ended in the last {half} s"));
            return;
        }
        let answered = self.answered(&late);
        let answering: BTreeSet<&String> = self.clusters.values().collect();
        for to in &answering {
            if self.path(calls, to) == Path::Cut
                && let Some(count) = answered.get(*to)
            {
                source
                    .problems
                    .push(format!("{to} answered {from} {count} times in the last {half} s, although {kind}"));
            }
        }
        let open: Vec<&str> =
            answering.iter().filter(|to| self.path(calls, to) == Path::Untouched).map(|to| to.as_str()).collect();
        if !open.is_empty() && answered.is_empty() {
            source.problems.push(format!(
                "nobody answered {from} in the last {half} s, although the way to {} is open",
                open.join(", ")
            ));
        }
        let is_promised = self.ground.loses_nothing(kind, &calls.from)
            || (self.captures_dns && matches!(kind, FaultKind::Dns { cluster } if *cluster == calls.from));
        if is_promised && !self.is_shut(calls) && source.lost > 0 {
            source.problems.push(format!(
                "{} of {} requests from {from} were lost, although {kind}, which none of them needs",
                source.lost, source.sent
            ));
        }
        if source.back.is_none() {
            let latest = &calls.back[calls.back.len().saturating_sub(super::WINDOW)..];
            source.problems.push(format!(
                "{FAULT_BACK} s after its end not all is as before for {from}: {} answered then, and {} in the end",
                names(&self.answered(&calls.before.iter().collect::<Vec<_>>())),
                names(&self.answered(&latest.iter().collect::<Vec<_>>()))
            ));
        }
    }

    /// What the scenario says.
    fn expectations(&self, calls: &FaultCalls, source: &mut FaultSource) {
        let expect = &self.fault.expect;
        let from = &calls.from;
        // They say what clusters of the mesh see.
        if calls.is_outside {
            return;
        }
        if let Some(limit) = expect.lost.get(from) {
            let most = match limit {
                Limit::Count(most) => *most,
                Limit::Percent(percent) => source.sent * u32::from(*percent) / 100,
            };
            if source.lost > most {
                source.problems.push(format!(
                    "{} of {} requests from {from} were lost, and {limit} may be",
                    source.lost, source.sent
                ));
            }
        }
        if let Some(expected) = expect.answers.get(from) {
            let late = self.answered(&self.late(calls));
            let found: BTreeSet<&str> = late.keys().map(String::as_str).collect();
            if found != expected.iter().map(String::as_str).collect() {
                let half = self.judged();
                source.problems.push(format!(
                    "{from} was answered by {} in the last {half} s, and {} must",
                    names(&late),
                    expected.join(", ")
                ));
            }
        }
        if let Some(within) = expect.failover_within
            && source.failover.is_none_or(|at| at > f64::from(within))
        {
            let found = source.failover.map_or("to the end".to_owned(), |at| format!("until {at} s after its begin"));
            source.problems.push(format!("requests from {from} were lost {found}, and {within} s are allowed"));
        }
        if let (Some(within), Some(back)) = (expect.back_within, source.back)
            && back > f64::from(within)
        {
            source
                .problems
                .push(format!("all was as before for {from} {back} s after its end, and {within} s are allowed"));
        }
    }

    /// How long it takes from when the fault is there until who answers tells something: its first half, by when who answers instead has been found, and at
    /// least as long as a call may take that was under way. Milliseconds.
    fn settling(&self) -> u64 {
        (u64::from(self.fault.seconds) * 500).max(FAULT_PATIENCE)
    }

    /// For so many seconds at its end it is looked at who answers.
    fn judged(&self) -> f64 {
        seconds((u64::from(self.fault.seconds) * 1000).saturating_sub(self.settling()))
    }

    /// The calls that ended then.
    fn late<'m>(&self, calls: &'m FaultCalls) -> Vec<&'m Moment> {
        let from = calls.there + self.settling();
        calls.away.iter().filter(|m| m.millis >= from).collect()
    }

    /// How often each cluster answered.
    fn answered(&self, moments: &[&Moment]) -> BTreeMap<String, u32> {
        let mut all = BTreeMap::new();
        for moment in moments.iter().filter(|m| !is_lost(m)) {
            *all.entry(self.whose(moment)).or_default() += 1;
        }
        all
    }

    /// The cluster that an answer is from; the version, where no helloworld of lab's has it.
    fn who(&self, version: &str) -> String {
        self.clusters.get(version).cloned().unwrap_or_else(|| version.to_owned())
    }

    fn whose(&self, moment: &Moment) -> String {
        match &moment.answer {
            Answer::Version(version) => self.who(version),
            Answer::Failure(_) => String::new(),
        }
    }
}

/// So many calls that are answered one after the other show that no more are lost.
const CALM: usize = 20;

fn is_lost(moment: &Moment) -> bool {
    matches!(moment.answer, Answer::Failure(_))
}

/// The first call from which on all is as before: none is lost, only those answer who did, and all of them have. Gives its place, and when the last of
/// them had answered.
fn returned(back: &[Moment], before: &[Moment]) -> Option<(usize, u64)> {
    let version = |m: &Moment| if let Answer::Version(v) = &m.answer { Some(v.clone()) } else { None };
    let all: BTreeSet<String> = before.iter().filter_map(version).collect();
    let is_as_before = |m: &Moment| version(m).is_some_and(|v| all.contains(&v));
    let start = back.iter().rposition(|m| !is_as_before(m)).map_or(0, |last| last + 1);
    let first = |wanted: &String| back[start..].iter().find(|m| version(m).as_ref() == Some(wanted)).map(|m| m.millis);
    let latest = all.iter().map(first).collect::<Option<Vec<u64>>>()?.into_iter().max()?;
    (back.len() - start >= CALM).then_some((start, latest))
}

fn count<'m>(moments: impl Iterator<Item = &'m Moment>) -> u32 {
    u32::try_from(moments.count()).unwrap_or(u32::MAX)
}

/// Seconds with two decimals.
fn hundredths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn seconds(millis: u64) -> f64 {
    Measure::rounded(millis, 1000)
}

fn names(answered: &BTreeMap<String, u32>) -> String {
    if answered.is_empty() {
        return "nobody".to_owned();
    }
    answered.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
