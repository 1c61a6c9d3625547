//! What must be seen while there is a fault, and after it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::super::check::named;
use super::super::error::Problems;
use super::super::form::{
    ANY_TEXT, Fields, Form, LABEL, List, Names, Pairs, Pairwise, Place, Record, Written, raw_names,
};
use super::super::problem::{CheckProblem, FaultProblem};
use super::super::tree::{Located, Node, Value};
use super::effect::Path;
use super::{FaultKind, Ground};

/// Requests a second from each caller.
pub const RATE: u32 = 20;
/// Milliseconds that one request may take. On a busy machine one that goes well may take more than a second.
pub const PATIENCE: u64 = 3000;
/// Longest, in seconds, that is waited until all is as before. A cluster that starts again takes a minute.
pub const BACK: u32 = 180;

/// What must be seen of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultExpect {
    /// How many requests of a cluster may be lost, from the fault until all is as before.
    pub lost: BTreeMap<String, Limit>,
    /// Who must answer a cluster in the end, and nobody else.
    pub answers: BTreeMap<String, Vec<String>>,
    /// Seconds until requests are lost no more, while the fault lasts.
    pub failover_within: Option<u32>,
    /// Seconds from the end of the fault until all is as before.
    pub back_within: Option<u32>,
}

/// How many requests may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u8),
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl std::str::FromStr for Limit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|p| *p <= 100).map(Self::Percent).ok_or(()),
            None => text.parse().map(Self::Count).map_err(|_| ()),
        }
    }
}

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawFaultExpect {
    lost: Option<RawLost>,
    answers: Option<Pairwise<Names>>,
    failover_within: Option<Located<u32>>,
    back_within: Option<Located<u32>>,
}

impl Record for RawFaultExpect {
    const ABOUT: &'static str = "What must be seen of it, beside what Istio promises";

    fn fields(f: &mut Fields<Self>) {
        let lost =
            "Requests that may be lost until all is as before: a number or a share, of every cluster or by cluster";
        let answers = "Who answers a cluster in the end, while it lasts: exactly these clusters";
        let failover = "How long requests may be lost while it lasts, from its begin";
        let back = "How long it may take after its end until all is as before";
        f.field("lost", AnyLost, |r| &mut r.lost, lost).example("{ c1: 5%, c2: 0 }");
        f.field("answers", Pairs(List::whole(LABEL)), |r| &mut r.answers, answers).example("{ c1: [c1] }");
        f.field("failoverWithin", Seconds { least: 1, most: super::LONGEST }, |r| &mut r.failover_within, failover)
            .example("5s");
        f.field("backWithin", Seconds { least: 1, most: BACK }, |r| &mut r.back_within, back).example("30s");
    }
}

/// Whole seconds, as `20s`.
pub(super) struct Seconds {
    pub least: u32,
    pub most: u32,
}

impl Form for Seconds {
    type Value = Located<u32>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<u32>> {
        let text = ANY_TEXT.read(node, place, problems)?;
        let seconds = text.value.strip_suffix('s').and_then(|number| number.parse().ok());
        let seconds = seconds.filter(|s| (self.least..=self.most).contains(s));
        if seconds.is_none() {
            problems.add(text.span, FaultProblem::BadTime { value: text.value, least: self.least, most: self.most });
        }
        seconds.map(|value| Located { value, span: node.span })
    }

    fn write(&self, seconds: Located<u32>) -> Written {
        format!("{}s", seconds.value).into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+s$" })
    }
}

/// A number with its unit, as `100ms`.
pub(super) struct Amount {
    pub unit: &'static str,
    pub least: u32,
    pub most: u32,
    /// What messages call it.
    pub what: &'static str,
    pub example: &'static str,
}

impl Form for Amount {
    type Value = Located<u32>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<u32>> {
        let text = ANY_TEXT.read(node, place, problems)?;
        let amount = text.value.strip_suffix(self.unit).and_then(|number| number.parse().ok());
        let amount = amount.filter(|a| (self.least..=self.most).contains(a));
        if amount.is_none() {
            let problem = FaultProblem::BadAmount { value: text.value, what: self.what, example: self.example };
            problems.add(text.span, problem);
        }
        // Rules go on with one that can be.
        Some(Located { value: amount.unwrap_or(self.least), span: node.span })
    }

    fn write(&self, amount: Located<u32>) -> Written {
        format!("{}{}", amount.value, self.unit).into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": format!("^[0-9]+{}$", self.unit) })
    }
}

/// One limit.
struct OneLimit;

impl Form for OneLimit {
    type Value = Located<Limit>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Located<Limit>> {
        let text = ANY_TEXT.read(node, place, problems)?;
        let limit = text.value.parse().ok();
        if limit.is_none() {
            problems.add(text.span, FaultProblem::BadLimit { value: text.value });
        }
        limit.map(|value| Located { value, span: node.span })
    }

    fn write(&self, limit: Located<Limit>) -> Written {
        match limit.value {
            Limit::Count(count) => Written::Free(count.into()),
            percent @ Limit::Percent(_) => percent.to_string().into(),
        }
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+%$" }] })
    }
}

/// One limit for every cluster, or one for each that is named.
struct AnyLost;

/// What it may be.
pub(super) enum RawLost {
    Every(Located<Limit>),
    Each(Pairwise<Located<Limit>>),
}

impl Form for AnyLost {
    type Value = RawLost;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<RawLost> {
        match &node.value {
            Value::Mapping(_) => Pairs(OneLimit).read(node, place, problems).map(RawLost::Each),
            _ => OneLimit.read(node, place, problems).map(RawLost::Every),
        }
    }

    fn write(&self, lost: RawLost) -> Written {
        match lost {
            RawLost::Every(limit) => OneLimit.write(limit),
            RawLost::Each(limits) => Pairs(OneLimit).write(limits),
        }
    }

    fn schema(&self) -> Json {
        let mut one = OneLimit.schema();
        if let Some(forms) = one["anyOf"].as_array_mut() {
            forms.push(Pairs(OneLimit).schema());
        }
        one
    }
}

/// What the expectations are held against.
pub(super) struct About<'a> {
    pub kind: &'a FaultKind,
    pub ground: &'a Ground,
    pub seconds: u32,
    /// The clusters that can answer at all.
    pub answering: &'a [String],
}

/// The rules.
pub(super) fn check(raw: RawFaultExpect, about: &About<'_>, problems: &mut Problems) -> FaultExpect {
    let callers = about.ground.callers(about.kind);
    let limits: Vec<(Located<String>, Located<Limit>)> = match raw.lost {
        None => Vec::new(),
        Some(RawLost::Each(limits)) => limits.value,
        Some(RawLost::Every(limit)) => {
            about.refuse_vain(&limit, problems);
            callers.iter().map(|c| ((*c).to_owned().into(), limit.clone())).collect()
        }
    };
    let mut lost = BTreeMap::new();
    for (cluster, limit) in limits {
        about.refuse_no_caller("lost", &cluster, &callers, problems);
        // What was given for all has been told once.
        if cluster.span != super::super::tree::Span::default() {
            about.refuse_vain(&limit, problems);
        }
        lost.insert(cluster.value, limit.value);
    }
    let mut answers = BTreeMap::new();
    for (from, names) in raw.answers.map(|a| a.value).unwrap_or_default() {
        about.refuse_no_caller("answers", &from, &callers, problems);
        named("answers", "cluster", "name the clusters that answer", &names, problems);
        for to in &names.value {
            if !about.answering.contains(&to.value) {
                problems.add(to.span, CheckProblem::RunsNothing { field: "answers", cluster: to.value.clone() });
            } else if about.ground.path(about.kind, &from.value, &to.value) == Path::Cut {
                let (from, to_name) = (from.value.clone(), to.value.clone());
                let problem = FaultProblem::CannotAnswer { from, to: to_name, what: about.kind.to_string() };
                problems.add(to.span, problem);
            }
        }
        answers.insert(from.value, names.value.into_iter().map(|n| n.value).collect());
    }
    if let Some(within) = raw.failover_within.as_ref().filter(|w| w.value >= about.seconds) {
        let why = format!("the fault lasts {} s", about.seconds);
        let remedy = "give `failoverWithin` less time than `for`".to_owned();
        problems.add(within.span, CheckProblem::CannotFail { why, remedy });
    }
    FaultExpect {
        lost,
        answers,
        failover_within: raw.failover_within.map(|w| w.value),
        back_within: raw.back_within.map(|w| w.value),
    }
}

impl About<'_> {
    /// Records a limit that cannot be passed.
    fn refuse_vain(&self, limit: &Located<Limit>, problems: &mut Problems) {
        let sent = self.seconds * RATE;
        let why = match limit.value {
            Limit::Percent(100) => "all requests may be lost".to_owned(),
            Limit::Count(count) if count >= sent => {
                format!("no more than {sent} requests are sent in {} s", self.seconds)
            }
            _ => return,
        };
        let remedy = "let fewer be lost, or leave `lost` out".to_owned();
        problems.add(limit.span, CheckProblem::CannotFail { why, remedy });
    }

    fn refuse_no_caller(
        &self,
        field: &'static str,
        cluster: &Located<String>,
        callers: &[&str],
        problems: &mut Problems,
    ) {
        if !callers.contains(&cluster.value.as_str()) {
            let (name, what) = (cluster.value.clone(), self.kind.to_string());
            let help = format!("calls are made from {}", callers.join(", "));
            problems.add(cluster.span, FaultProblem::NotACaller { field, cluster: name, what, help });
        }
    }
}

/// The way back.
pub(super) fn raw(expect: &FaultExpect) -> Option<Located<RawFaultExpect>> {
    let FaultExpect { lost, answers, failover_within, back_within } = expect;
    if *expect == FaultExpect::default() {
        return None;
    }
    let lost: Vec<_> = lost.iter().map(|(cluster, limit)| (cluster.clone().into(), (*limit).into())).collect();
    let answers: Vec<_> = answers.iter().map(|(from, names)| (from.clone().into(), raw_names(names))).collect();
    let raw = RawFaultExpect {
        lost: (!lost.is_empty()).then(|| RawLost::Each(lost.into())),
        answers: (!answers.is_empty()).then(|| answers.into()),
        failover_within: failover_within.map(Into::into),
        back_within: back_within.map(Into::into),
    };
    Some(raw.into())
}
