//! Problems with faults.

use miette::Diagnostic;
use thiserror::Error;

/// A fault that there cannot be, or of which nothing could be learned.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum FaultProblem {
    /// A cluster that does not exist.
    #[error("there is no cluster `{name}`")]
    UnknownCluster {
        /// The name.
        name: String,
        /// The nearest one, or all of them.
        #[help]
        help: String,
    },
    /// Nobody is left who calls while it lasts.
    #[error("while cluster `{cluster}` is lost no other is left that calls, so nothing can be measured")]
    #[diagnostic(help("add a cluster; a fault by hand is not measured: `lab fault NAME`"))]
    NobodyCalls {
        /// The cluster that is lost.
        cluster: String,
    },
    /// A side of a partition that does not exist.
    #[error("there is neither a cluster nor a network `{name}`")]
    UnknownSide {
        /// The name.
        name: String,
        /// The nearest one, or all of them.
        #[help]
        help: String,
    },
    /// A node that does not exist.
    #[error("there is no node `{node}`")]
    UnknownNode {
        /// The name.
        node: String,
        /// The nearest one, or all of them.
        #[help]
        help: String,
    },
    /// A partition with no sides, or more than two.
    #[error("a partition is between two sides, and this names {count}")]
    #[diagnostic(help(
        "write `between: [c1, c2]`, each a cluster or a network, or `between: [c1]` for it and all others"
    ))]
    NotTwoSides {
        /// How many there are.
        count: usize,
    },
    /// A cluster on both sides.
    #[error("cluster `{cluster}` is on both sides of the partition")]
    #[diagnostic(help("name two sides that have no cluster in common"))]
    BothSides {
        /// The cluster.
        cluster: String,
    },
    /// A partition from nothing.
    #[error("there is no cluster on the other side of the partition")]
    #[diagnostic(help("add a cluster, or name two sides"))]
    NothingElse,
    /// A bad network that is as good as ever.
    #[error("nothing is bad about this network")]
    #[diagnostic(help("say at least one of `latency`, `loss` and `bandwidth`"))]
    NothingBad,
    /// A load that is none.
    #[error("nothing is taken of this node")]
    #[diagnostic(help("say at least one of `cpu` and `memory`"))]
    NothingTaken,
    /// Jitter of no latency, or of less.
    #[error("`jitter` needs a `latency` that is at least as long: packets are late by more or less of it")]
    #[diagnostic(help("write `latency: 50ms, jitter: 10ms`"))]
    JitterAlone,
    /// A gateway that a cluster does not have.
    #[error("cluster `{cluster}` has no {gateway}")]
    NoGateway {
        /// The cluster.
        cluster: String,
        /// The gateway, in words.
        gateway: &'static str,
        /// Who has one.
        #[help]
        help: String,
    },
    /// A cluster without an istiod.
    #[error("cluster `{cluster}` runs no istiod")]
    NoIstiod {
        /// The cluster.
        cluster: String,
        /// Who runs one.
        #[help]
        help: String,
    },
    /// A cluster outside the mesh.
    #[error("cluster `{cluster}` is no part of a mesh, so nothing in it calls an istiod")]
    #[diagnostic(help("name a cluster of the mesh"))]
    NotInMesh {
        /// The cluster.
        cluster: String,
    },
    /// An API server that would be started anew before the fault ends.
    #[error("an API server cannot be frozen for {seconds} s")]
    #[diagnostic(help(
        "at most {limit} s: its kubelet ends one that is silent for longer and starts another; `cluster` with `away: paused` freezes all of a cluster"
    ))]
    FrozenTooLong {
        /// How long it would be.
        seconds: u32,
        /// How long it may be.
        limit: u32,
    },
    /// A remote secret that there is not.
    #[error("there is no such remote secret: {why}")]
    #[diagnostic(help("name a cluster with an istiod, and as `of` another cluster of the mesh"))]
    NoRemoteSecret {
        /// Why.
        why: String,
    },
    /// What no lab on kind can have.
    #[error("a fault `{kind}` cannot be had: {why}")]
    #[diagnostic(help("{help}"))]
    CannotBe {
        /// The kind.
        kind: &'static str,
        /// Why.
        why: &'static str,
        /// What there is instead.
        help: &'static str,
    },
    /// Not a time.
    #[error("`{value}` is no time that this can be")]
    #[diagnostic(help("write seconds from {least} to {most}, such as `20s`"))]
    BadTime {
        /// The value.
        value: String,
        /// The shortest, in seconds.
        least: u32,
        /// The longest, in seconds.
        most: u32,
    },
    /// Not an amount of a network.
    #[error("`{value}` is no {what}")]
    #[diagnostic(help("write {example}"))]
    BadAmount {
        /// The value.
        value: String,
        /// What it should be.
        what: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// Not a number of requests.
    #[error("`{value}` is no number of requests, and no share of them")]
    #[diagnostic(help("write a number such as `3`, or a share such as `5%`"))]
    BadLimit {
        /// The value.
        value: String,
    },
    /// A cluster that does not call.
    #[error("`{field}` names cluster `{cluster}`, from which nobody calls while {what}")]
    #[diagnostic(help("{help}"))]
    NotACaller {
        /// The field.
        field: &'static str,
        /// The cluster.
        cluster: String,
        /// The fault.
        what: String,
        /// Who calls.
        help: String,
    },
    /// An answer that the fault makes impossible.
    #[error("{to} cannot answer {from} while {what}")]
    #[diagnostic(help(
        "leave `{to}` out of the answers to `{from}`: that it does not answer is what the fault is about"
    ))]
    CannotAnswer {
        /// Who calls.
        from: String,
        /// Who cannot answer.
        to: String,
        /// The fault.
        what: String,
    },
}

impl FaultProblem {
    /// Why no node of a lab has a clock of its own.
    #[must_use]
    pub fn clock_skew() -> Self {
        Self::CannotBe {
            kind: "clockSkew",
            why: "nodes are containers, and all of them have the one clock of the kernel",
            help: "to try certificates that have expired or are not valid yet, bring your own with `mesh: { ca: ... }`",
        }
    }
}
