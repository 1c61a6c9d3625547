//! What breaks in a lab for a while, and what must be seen of it. `raw` has the fields, `entry` the list, `ground` the rules, which the command line keeps too.

mod effect;
mod entry;
mod expect;
mod ground;
mod kind;
mod raw;

pub use effect::Path;
pub use expect::{BACK, FaultExpect, Limit, PATIENCE, RATE};
pub use ground::{Ground, GroundCluster};
pub use kind::{Away, FaultKind, Link};

pub(super) use entry::{RawFault, read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::ServiceUrl;

/// Shortest that a fault lasts, in seconds: who answers instead takes a moment.
pub const SHORTEST: u32 = 5;
/// Longest that a fault lasts, in seconds: as long as a person waits for a lab.
pub const LONGEST: u32 = 600;
/// Longest that an API server may be frozen, in seconds. Its kubelet asks it every ten seconds, waits fifteen for an answer, and starts it anew after the
/// eighth in vain.
pub const LONGEST_FROZEN: u32 = 90;
/// How long a fault lasts when nothing is said, in seconds.
pub const DEFAULT: u32 = 20;

/// A fault of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What breaks.
    pub kind: FaultKind,
    /// How long, in seconds.
    pub seconds: u32,
    /// What every cluster calls meanwhile.
    pub service: ServiceUrl,
    /// What must be seen, beside what Istio promises.
    pub expect: FaultExpect,
}
