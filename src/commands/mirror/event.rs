//! What `lab mirror` tells, a record each.

use schemars::JsonSchema;
use serde::Serialize;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MirrorHappened {
    /// From now on calls to the service in a cluster reach this machine.
    Mirrored,
    /// A connection from a cluster was handed on to the process of this machine. One may carry many requests.
    In,
    /// A connection of this machine was taken into a cluster.
    Out,
    /// A connection could not be handed on.
    Failed,
    /// All is as it was before.
    Ended,
}

/// One thing that happened in `lab mirror`. Fields that say nothing of it are left out.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MirrorEvent {
    /// What happened.
    pub event: MirrorHappened,
    /// When: in seconds since lab began.
    pub after: f64,
    /// The cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What is called: `helloworld.sample:5000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The port of this machine's loopback that calls reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u16>,
    /// Where lab takes them, at an address that nodes reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The HTTP proxy of this machine by which its calls go out into the mesh in that cluster, with its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The Deployments that have no pods meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<String>,
    /// The connection's number: those of each direction are counted from 1, in all clusters together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// How many connections were handed on to this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_in: Option<u64>,
    /// How many connections of this machine were taken into clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_out: Option<u64>,
    /// How many connections could not be handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_failed: Option<u64>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl MirrorEvent {
    /// An event of which nothing else is said.
    #[must_use]
    pub fn of(event: MirrorHappened) -> Self {
        Self {
            event,
            after: 0.0,
            cluster: None,
            service: None,
            to: None,
            at: None,
            proxy: None,
            stopped: Vec::new(),
            connection: None,
            connections_in: None,
            connections_out: None,
            connections_failed: None,
            problem: None,
        }
    }
}
