//! Verbs about one call.

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCandidates;

use super::Output;
use crate::cli::candidates::{clusters, labs};

/// `lab explain`.
#[derive(Debug, ClapArgs)]
pub struct Explain {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// The cluster that calls
    #[arg(add = ArgValueCandidates::new(clusters))]
    pub from: String,
    /// The cluster that must answer, with :PORT for another port of the service; or a host that no Service has, as
    /// http://legacy.example:8080/path
    #[arg(value_name = "TO[:PORT]", add = ArgValueCandidates::new(clusters))]
    pub to: String,
    /// What is called; with grpc:// or ws:// (a WebSocket) before it, or tcp:// and without a path, when that is spoken; by default
    /// lab's own helloworld.sample:5000/hello
    #[arg(long, value_name = "SERVICE.NAMESPACE:PORT/PATH")]
    pub service: Option<String>,
    /// Who calls: an app, or one pod, that has curl; by default lab's own sample/sleep and, in a mesh that lab did not install, any pod with a
    /// sidecar
    #[arg(long, value_name = "NAMESPACE/APP")]
    pub caller: Option<String>,
    /// In a mesh that lab did not install: call by a pod in a namespace lab-probes, which is removed again
    #[arg(long, conflicts_with = "caller")]
    pub probes: bool,
    /// Form of the explanation
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab trace`.
#[derive(Debug, ClapArgs)]
pub struct Trace {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// The cluster that calls
    #[arg(add = ArgValueCandidates::new(clusters))]
    pub from: String,
    /// What is called
    #[arg(value_name = "SERVICE.NAMESPACE:PORT/PATH", default_value = "helloworld.sample:5000/hello")]
    pub service: String,
    /// Who calls: an app whose container has its name, and curl in it
    #[arg(long, value_name = "NAMESPACE/APP", default_value = "sample/sleep")]
    pub caller: String,
    /// A header to send; may be repeated
    #[arg(long, short = 'H', value_name = "NAME:VALUE")]
    pub header: Vec<String>,
    /// Form of the trace
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}
