//! Verbs that break a lab for a while, and mend it.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Args as ClapArgs, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::Output;
use super::number::measured;
use crate::cli::candidates::{clusters, labs};
use crate::scenario::{Away, FAULT_LONGEST, FAULT_SHORTEST, FaultKind, FaultProblem, Gateway, Link};

/// Reads a part of a hundred.
fn percent(word: &str) -> Result<u8, String> {
    measured("%", 1..=99)(word).map(|part| u8::try_from(part).unwrap_or(99))
}

/// `lab fault`.
#[derive(Debug, ClapArgs)]
pub struct Fault {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs), value_parser = unmarked)]
    pub name: String,
    /// How long it lasts, in seconds from 5s to 600s
    #[arg(long = "for", value_name = "SECONDS", default_value = "60s", value_parser = lasting, global = true)]
    pub seconds: u32,
    /// Stay until it is over, with calls from every cluster all the while, and judge what they see
    #[arg(long, global = true)]
    pub measure: bool,
    /// Form of what was measured
    #[arg(long, short, value_enum, default_value = "text", global = true)]
    pub output: Output,
    /// What breaks.
    #[command(subcommand)]
    pub kind: FaultVerb,
}

/// The kinds of faults.
#[derive(Debug, Subcommand)]
pub enum FaultVerb {
    /// No packets pass between two clusters or networks; with one named, between it and all others
    Partition {
        /// The sides, each a cluster or a network
        #[arg(required = true, num_args = 1..=2, add = ArgValueCandidates::new(clusters))]
        between: Vec<String>,
        /// Cut only calls from the first to the second
        #[arg(long)]
        one_way: bool,
        /// Refuse connections instead of dropping packets
        #[arg(long)]
        refuse: bool,
    },
    /// Packets between two clusters or networks come late, are lost, or are few
    Network {
        /// The sides, each a cluster or a network
        #[arg(required = true, num_args = 1..=2, add = ArgValueCandidates::new(clusters))]
        between: Vec<String>,
        /// Only what the first sends to the second
        #[arg(long)]
        one_way: bool,
        /// Milliseconds that packets come later, which needs netem in the kernel
        #[arg(long, value_name = "MS", value_parser = measured("ms", 1..=5000))]
        latency: Option<u32>,
        /// Milliseconds by which that varies
        #[arg(long, value_name = "MS", value_parser = measured("ms", 1..=5000))]
        jitter: Option<u32>,
        /// Packets of a hundred that are lost
        #[arg(long, value_name = "PERCENT", value_parser = percent)]
        loss: Option<u8>,
        /// Thousands of bits a second that pass to each node
        #[arg(long, value_name = "KBIT", value_parser = measured("kbit", 8..=1_000_000))]
        bandwidth: Option<u32>,
    },
    /// A gateway's pods are killed and kept away
    Gateway {
        /// The cluster of the gateway
        #[arg(add = ArgValueCandidates::new(clusters))]
        cluster: String,
        /// The ingress gateway, instead of the east-west gateway
        #[arg(long)]
        ingress: bool,
    },
    /// The pods of an istiod are killed and kept away
    Istiod(OfCluster),
    /// Nothing in a cluster reaches an istiod
    Discovery(OfCluster),
    /// An API server is frozen, for at most 90s
    ApiServer(OfCluster),
    /// A node is killed
    Node {
        /// The node, as c1-worker
        node: String,
        /// Freeze it instead
        #[arg(long)]
        paused: bool,
    },
    /// All nodes of a cluster are killed
    Cluster {
        /// The cluster
        #[arg(add = ArgValueCandidates::new(clusters))]
        cluster: String,
        /// Freeze them instead
        #[arg(long)]
        paused: bool,
    },
    /// Programs take the processors and the memory of a node, which are those of the machine
    Pressure {
        /// The node, as c1-worker
        node: String,
        /// How many programs do nothing as fast as they can
        #[arg(long, value_name = "PROGRAMS", value_parser = clap::value_parser!(u32).range(1..=64))]
        cpu: Option<u32>,
        /// How many MiB of memory are taken
        #[arg(long, value_name = "MIB", value_parser = measured("Mi", 1..=1_000_000))]
        memory: Option<u32>,
    },
    /// The pods of a cluster's DNS server are killed and kept away
    Dns(OfCluster),
    /// An istiod loses the remote secret by which it reads another cluster
    RemoteSecret {
        /// The cluster of the istiod
        #[arg(add = ArgValueCandidates::new(clusters))]
        cluster: String,
        /// The cluster that it reads
        #[arg(add = ArgValueCandidates::new(clusters))]
        of: String,
    },
    /// Refused: nodes are containers, and all of them have the one clock of the kernel
    ClockSkew,
}

/// What is about one cluster.
#[derive(Debug, ClapArgs)]
pub struct OfCluster {
    /// The cluster
    #[arg(add = ArgValueCandidates::new(clusters))]
    pub cluster: String,
}

impl TryFrom<FaultVerb> for FaultKind {
    type Error = FaultProblem;

    fn try_from(verb: FaultVerb) -> Result<Self, FaultProblem> {
        let away = |paused| if paused { Away::Paused } else { Away::Stopped };
        Ok(match verb {
            FaultVerb::Partition { between, one_way, refuse } => Self::Partition { between, one_way, refuse },
            FaultVerb::Network { between, one_way, latency, jitter, loss, bandwidth } => {
                Self::Network { between, one_way, link: Link { latency, jitter, loss, bandwidth } }
            }
            FaultVerb::Gateway { cluster, ingress } => {
                let gateway = if ingress { Gateway::IngressGateway } else { Gateway::EastWestGateway };
                Self::Gateway { cluster, gateway }
            }
            FaultVerb::Istiod(OfCluster { cluster }) => Self::Istiod { cluster },
            FaultVerb::Discovery(OfCluster { cluster }) => Self::Discovery { cluster },
            FaultVerb::ApiServer(OfCluster { cluster }) => Self::ApiServer { cluster },
            FaultVerb::Node { node, paused } => Self::Node { node, away: away(paused) },
            FaultVerb::Cluster { cluster, paused } => Self::Cluster { cluster, away: away(paused) },
            FaultVerb::Pressure { node, cpu, memory } => Self::Pressure { node, cpu, memory },
            FaultVerb::Dns(OfCluster { cluster }) => Self::Dns { cluster },
            FaultVerb::RemoteSecret { cluster, of } => Self::RemoteSecret { cluster, of },
            FaultVerb::ClockSkew => return Err(FaultProblem::clock_skew()),
        })
    }
}

/// `lab heal`.
#[derive(Debug, ClapArgs)]
pub struct Heal {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Faults of this kind only
    #[arg(value_parser = PossibleValuesParser::new(FaultKind::WORDS))]
    pub kind: Option<String>,
}

/// The process that ends a fault in time, or a mirror.
#[derive(Debug, ClapArgs)]
pub struct KeepFault {
    /// Name of the lab
    pub name: String,
    /// Which fault, or mirror
    pub id: String,
}

/// The name of a lab, without its mark.
fn unmarked(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.strip_prefix(MARK).unwrap_or(text).to_owned())
}

/// Before the name of a lab that is called like a kind of fault; no name begins so.
const MARK: &str = "name=";

/// The words of a command line, where the name of a lab after `fault` is not taken for a kind. Labs may be called `partition` or `gateway`: where two kinds
/// follow each other, the first is the lab.
#[must_use]
pub fn with_marked_name(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    let is_kind = |at: usize| words.get(at).and_then(|w| w.to_str()).is_some_and(|w| FaultKind::WORDS.contains(&w));
    if words.get(1).is_some_and(|word| word == "fault") && is_kind(2) && is_kind(3) {
        let mut marked = OsString::from(MARK);
        marked.push(&words[2]);
        words[2] = marked;
    }
    words
}

/// Reads `20s`.
fn lasting(text: &str) -> Result<u32, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok();
    let fits = |s: &u32| (FAULT_SHORTEST..=FAULT_LONGEST).contains(s);
    seconds.filter(fits).ok_or_else(|| format!("give seconds from {FAULT_SHORTEST} to {FAULT_LONGEST}, such as 60s"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Args, Command};

    #[test]
    fn a_lab_may_be_called_like_a_kind() {
        let name = |words: &str| {
            let words = with_marked_name(words.split(' ').map(OsString::from));
            match Args::try_parse_from(words).map(|args| args.command) {
                Ok(Command::Fault(fault)) => Some(fault.name),
                _ => None,
            }
        };
        assert_eq!(name("lab fault partition gateway c2 --for 300s").as_deref(), Some("partition"));
        assert_eq!(name("lab fault gateway partition c1 c2").as_deref(), Some("gateway"));
        assert_eq!(name("lab fault demo gateway c2").as_deref(), Some("demo"));
        assert_eq!(name("lab fault gateway c2"), None, "no lab is named");
    }
}
