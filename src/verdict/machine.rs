//! What a machine has, judged against what a lab needs.

use schemars::JsonSchema;
use serde::Serialize;

/// How much a fact about a machine matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// It is as it must be.
    Ok,
    /// It cannot be told from here, and is not held against the machine.
    Unknown,
    /// It may become a problem.
    Warning,
    /// A lab cannot work here.
    Failure,
}

/// A limit of the kernel that is too low, and what it must be at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Its name, as `sysctl` knows it.
    pub limit: &'static str,
    /// The value that is enough.
    pub to: u64,
}

/// One judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// What is judged, in a word or two.
    pub what: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it; none where nothing has to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What mends it without touching anything else.
    #[serde(skip)]
    pub raise: Option<Raise>,
}

impl Judgement {
    fn new(what: &'static str, level: Level, found: impl Into<String>, remedy: Option<String>) -> Self {
        Self { what, level, found: found.into(), remedy, raise: None }
    }

    /// All is well.
    pub fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(what, Level::Ok, found, None)
    }

    /// It cannot be told.
    pub fn unknown(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(what, Level::Unknown, found, None)
    }

    /// It may become a problem.
    pub fn warning(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(what, Level::Warning, found, Some(remedy.into()))
    }

    /// A lab cannot work.
    pub fn failure(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(what, Level::Failure, found, Some(remedy.into()))
    }

    /// The finding and its remedy in one line.
    #[must_use]
    pub fn line(&self) -> String {
        self.remedy.as_ref().map_or_else(|| self.found.clone(), |remedy| format!("{}; {remedy}", self.found))
    }
}

/// Everything that was judged about one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineReport {
    /// For which lab, in words.
    pub judged_for: String,
    /// Whether nothing stands in the way.
    pub passed: bool,
    /// What was changed on the machine, a line each.
    pub fixed: Vec<String>,
    /// The judgements, in the order in which one would look.
    pub findings: Vec<Judgement>,
}

impl MachineReport {
    /// A report of these judgements.
    #[must_use]
    pub fn new(judged_for: String, fixed: Vec<String>, findings: Vec<Judgement>) -> Self {
        let passed = findings.iter().all(|j| j.level != Level::Failure);
        Self { judged_for, passed, fixed, findings }
    }
}
