//! What can break.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::model::Gateway;

/// How a node, or all nodes of a cluster, are away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Away {
    /// Killed, as when the power goes.
    #[default]
    Stopped,
    /// Frozen: connections stay open, and nothing answers.
    Paused,
}

/// How a network is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Milliseconds that each packet takes longer.
    pub latency: Option<u32>,
    /// Milliseconds by which that varies.
    pub jitter: Option<u32>,
    /// Packets of a hundred that are lost.
    pub loss: Option<u8>,
    /// Thousands of bits a second that pass; what is more is lost.
    pub bandwidth: Option<u32>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jitter = self.jitter.map(|j| format!(", more or less {j} ms")).unwrap_or_default();
        let all = [
            self.latency.map(|l| format!("is {l} ms late{jitter}")),
            self.loss.map(|l| format!("loses {l}%")),
            self.bandwidth.map(|b| format!("carries {b} kbit/s")),
        ];
        f.write_str(&all.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// What breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FaultKind {
    /// No packets pass between clusters.
    Partition {
        /// Two sides, each a cluster or a network; with one side, it and all others.
        between: Vec<String>,
        /// Whether only calls from the first side to the second are cut.
        one_way: bool,
        /// Whether connections are refused, rather than their packets dropped.
        refuse: bool,
    },
    /// Packets between clusters come late, are lost, or are few.
    Network {
        /// Two sides, as of a partition.
        between: Vec<String>,
        /// Whether only what the first side sends to the second is hit.
        one_way: bool,
        /// How.
        link: Link,
    },
    /// A gateway of a cluster has no pods.
    Gateway {
        /// The cluster.
        cluster: String,
        /// Which of its gateways.
        gateway: Gateway,
    },
    /// The istiod of a cluster has no pods.
    Istiod {
        /// The cluster.
        cluster: String,
    },
    /// Nothing in a cluster reaches an istiod.
    Discovery {
        /// The cluster.
        cluster: String,
    },
    /// The API server of a cluster is frozen.
    ApiServer {
        /// The cluster.
        cluster: String,
    },
    /// A node is away.
    Node {
        /// The node, as `c1-worker`.
        node: String,
        /// How.
        away: Away,
    },
    /// All nodes of a cluster are away.
    Cluster {
        /// The cluster.
        cluster: String,
        /// How.
        away: Away,
    },
    /// Programs take the processors and the memory of a node.
    Pressure {
        /// The node, as `c1-worker`.
        node: String,
        /// How many programs run as fast as they can.
        cpu: Option<u32>,
        /// How many MiB are taken.
        memory: Option<u32>,
    },
    /// A cluster has no DNS server.
    Dns {
        /// The cluster.
        cluster: String,
    },
    /// An istiod has lost the credentials by which it reads another cluster.
    RemoteSecret {
        /// The cluster whose istiod it is.
        cluster: String,
        /// The cluster that it reads.
        of: String,
    },
}

impl FaultKind {
    /// All kinds, as the command line has them.
    pub const WORDS: [&str; 11] = [
        "partition",
        "network",
        "gateway",
        "istiod",
        "discovery",
        "api-server",
        "node",
        "cluster",
        "pressure",
        "dns",
        "remote-secret",
    ];

    /// Its kind, as a scenario has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::Network { .. } => "network",
            Self::Gateway { .. } => "gateway",
            Self::Istiod { .. } => "istiod",
            Self::Discovery { .. } => "discovery",
            Self::ApiServer { .. } => "apiServer",
            Self::Node { .. } => "node",
            Self::Cluster { .. } => "cluster",
            Self::Pressure { .. } => "pressure",
            Self::Dns { .. } => "dns",
            Self::RemoteSecret { .. } => "remoteSecret",
        }
    }

    /// Its kind, as the command line has it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::ApiServer { .. } => "api-server",
            Self::RemoteSecret { .. } => "remote-secret",
            other => other.name(),
        }
    }
}

/// What is so while it lasts, as the start of a sentence: `c1 is cut off from c2`.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition { between, one_way, refuse } => {
                let first = between.first().map_or("", String::as_str);
                let second = between.get(1).map_or("all others", String::as_str);
                let how = if *refuse { "refused" } else { "cut" };
                match one_way {
                    true => write!(f, "calls from {first} to {second} are {how}"),
                    false => write!(f, "the network between {first} and {second} is {how}"),
                }
            }
            Self::Network { between, one_way, link } => {
                let first = between.first().map_or("", String::as_str);
                let second = between.get(1).map_or("all others", String::as_str);
                let (from, to) = if *one_way { ("from", "to") } else { ("between", "and") };
                write!(f, "the network {from} {first} {to} {second} {link}")
            }
            Self::Gateway { cluster, gateway } => write!(f, "the {} of {cluster} is gone", gateway.title()),
            Self::Istiod { cluster } => write!(f, "istiod of {cluster} is gone"),
            Self::Discovery { cluster } => write!(f, "nothing in {cluster} reaches an istiod"),
            Self::ApiServer { cluster } => write!(f, "the API server of {cluster} is frozen"),
            Self::Node { node, away: Away::Stopped } => write!(f, "node {node} is stopped"),
            Self::Node { node, away: Away::Paused } => write!(f, "node {node} is paused"),
            Self::Cluster { cluster, away: Away::Stopped } => write!(f, "cluster {cluster} is stopped"),
            Self::Cluster { cluster, away: Away::Paused } => write!(f, "cluster {cluster} is paused"),
            Self::Pressure { node, cpu, memory } => {
                let takes = [cpu.map(|c| format!("{c} busy programs")), memory.map(|m| format!("{m} MiB taken"))];
                write!(f, "node {node} has {}", takes.into_iter().flatten().collect::<Vec<_>>().join(" and "))
            }
            Self::Dns { cluster } => write!(f, "{cluster} has no DNS server"),
            Self::RemoteSecret { cluster, of } => write!(f, "istiod of {cluster} has no remote secret of {of}"),
        }
    }
}
