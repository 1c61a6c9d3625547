//! What `lab dev` tells, a record each.

use schemars::JsonSchema;
use serde::Serialize;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Happened {
    /// A round begins: files of the directory have changed, or it is the first.
    Edited,
    /// The build command, or a step of the Dockerfile, printed a line.
    Printed,
    /// There is an image of what is in the directory.
    Built,
    /// The nodes have it.
    Loaded,
    /// An object was created, changed or deleted in some clusters.
    Applied,
    /// All pods run what is in the directory, and are ready, in all clusters.
    Live,
    /// Nothing of what runs has changed.
    Unchanged,
    /// The round ended without that: what ran before goes on.
    Failed,
    /// A container of the app wrote a line.
    Log,
}

/// One thing that happened in `lab dev`. Fields that say nothing of it are left out.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DevEvent {
    /// What happened.
    pub event: Happened,
    /// When: in seconds since the last of the edited files was written, in the first round since lab began. None for a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<f64>,
    /// The files that were edited, in the directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The clusters that it happened in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// The image, by the name that pods have it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Bytes that each node was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The object: kind, namespace and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What was done to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
    /// The pod that wrote the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// At what a round failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl DevEvent {
    /// An event of which nothing else is said.
    #[must_use]
    pub fn of(event: Happened) -> Self {
        Self {
            event,
            after: None,
            files: Vec::new(),
            clusters: Vec::new(),
            image: None,
            bytes: None,
            object: None,
            done: None,
            pod: None,
            container: None,
            line: None,
            phase: None,
            problem: None,
            remedy: None,
        }
    }
}

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Done {
    /// It was not there before.
    Created,
    /// It was there, and has changed.
    Changed,
    /// The manifests no longer have it.
    Deleted,
}

/// A part of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The build command, or the image.
    Build,
    /// The manifests, before anything was applied.
    Manifests,
    /// Nodes did not take the image.
    Load,
    /// An API server did not take an object.
    Apply,
    /// It was applied, and does not run.
    Live,
}

/// Why a round ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// At what.
    pub phase: Phase,
    /// What went wrong, with its place.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Failure {
    /// The exit code of a single round that ended so: 2 for what the user wrote down wrongly, 3 for the machine, 1 for what does not build or run.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.phase {
            Phase::Build | Phase::Live => 1,
            Phase::Manifests | Phase::Apply => 2,
            Phase::Load => 3,
        }
    }
}
