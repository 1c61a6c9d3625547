//! Flags, as parsed.

mod calls;
mod change;
mod dev;
mod eject;
mod existing;
mod fault;
mod itself;
mod look;
mod mirror;
mod number;
mod outside;
mod prove;
mod reading;
mod sandbox;
mod snapshots;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

use super::candidates::{files, files_and_labs, labs};
use crate::images::Choice;

pub use calls::{Explain, Trace};
pub use change::{Diff, Down};
pub use dev::{DEV_HELP, Dev};
pub use eject::Eject;
pub use existing::{Attach, Inspect};
pub use fault::{Fault, Heal, KeepFault, with_marked_name};
pub use itself::{Completions, Docs, Man, Schema, Version};
pub use look::{Dump, List, Report, Status};
pub use mirror::{MIRROR_HELP, Mirror};
pub use outside::{Kubeconfig, Scenario};
pub use prove::{Prove, Rotate, Soak, Upgrade, Verify};
pub use reading::Reading;
pub use sandbox::{Exec, Load, Logs, Open, Restart, Run};
pub use snapshots::{Restore, Snapshot, Snapshots, SnapshotsVerb};

/// What a new user needs next, and what a script needs to know.
const AFTER_HELP: &str = "\
Start here:
  lab up scenarios/three-network.yaml

Exit codes:
  0    all well
  1    a check failed
  2    the scenario or the command line is wrong
  3    the machine lacks something
  4    building the lab failed
  5    `lab up` would change something (lab diff, lab up --dry-run)
  130  interrupted
`lab exec` and `lab run` end as their commands do.";

/// One file, one command, a real multicluster Istio mesh on kind, and a verdict that can be trusted.
#[derive(Debug, Parser)]
#[command(name = "lab", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Args {
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the lab of a scenario file and prove that it works; on a running lab, repair what is not as it should be
    #[command(after_help = "What is no longer in the file is removed, and what was there before lab is restored.")]
    Up(Up),
    /// Remove labs: their clusters, networks, images and state
    #[command(after_help = "A lab that does not exist is no error: a clean-up may run after nothing was made.")]
    Down(Down),
    /// Show what `lab up` would change in a lab, object by object, and change nothing
    #[command(after_help = "Fields are shown one by one. The exit code is 5 if something would change.")]
    Diff(Diff),
    /// Run the checks of a running lab again, and make the faults of its scenario
    Verify(Verify),
    /// Break a running lab in every way that its plan knows, one at a time, and see whether the checks notice, name the cause, and turn green again
    #[command(after_help = "What is broken is mended as `lab up` does. It takes half a minute a break.")]
    Prove(Prove),
    /// Break a running lab at random, one fault after the other, with calls from every cluster all the while and a verdict after each fault
    #[command(after_help = "Each fault ends within 20 s. The seed repeats them.")]
    Soak(Soak),
    /// Replace what clusters trust each other by, while every cluster calls every other, and count what is lost
    #[command(
        after_help = "Pods are restarted, so that they take the new certificates. One that was interrupted goes on."
    )]
    Rotate(Rotate),
    /// Have a lab run another version of Istio, while every cluster calls every other, and count what is lost
    #[command(
        after_help = "The new istiod comes beside the old one, and is made the one that pods get, cluster by cluster: gateways, then apps by namespace. \
        When all is over and well, the old ones go. One that was interrupted or stopped goes on, and the old version goes back."
    )]
    Upgrade(Upgrade),
    /// Look at a mesh that somebody else installed, and write its scenario
    #[command(after_help = "It only reads. What it cannot tell is a comment of the scenario, and a warning.")]
    Inspect(Inspect),
    /// Make a lab of the mesh of such a scenario, at which lab only looks: verify, explain, status, dump
    #[command(after_help = "`lab down` forgets it, and changes nothing in the clusters.")]
    Attach(Attach),
    /// Walk one call hop by hop and stop at what is broken: why does only the local version answer?
    Explain(Explain),
    /// Send one request and follow it through caller, gateway and callee, by what their proxies write of it
    #[command(after_help = "The scenario must say `mesh: { accessLogs: true }`.")]
    Trace(Trace),
    /// Check whether this machine can carry a lab, and say what to do if it cannot
    Doctor(Doctor),
    /// Show the addresses and the steps of a scenario file; needs no Docker
    Plan(Plan),
    /// Draw the topology of a scenario file or of a lab; needs no Docker
    Graph(Graph),
    /// Write one page of HTML about a lab: topology, verdict, steps, versions and warnings
    #[command(after_help = "The page needs nothing else. The steps are a waterfall with the critical path.")]
    Report(Report),
    /// List the labs of this machine
    List(List),
    /// Show the nodes, gateways, control planes, proxies, apps and last verdict of a lab
    #[command(
        after_help = "Also what control planes watch, updates that proxies rejected, and members of a federation."
    )]
    Status(Status),
    /// Write one archive for a bug report: objects, logs, configuration and state of a lab, without secrets
    #[command(after_help = "`lab up` and `lab verify` write it by themselves when they fail and CI is set.")]
    Dump(Dump),
    /// Write a lab as plain kind configurations, manifests and one script: to leave lab, or to learn what it does
    Eject(Eject),
    /// Print one kubeconfig for all clusters of a lab, with contexts lab-NAME-CLUSTER
    Kubeconfig(Kubeconfig),
    /// Show the logs of istiod, the gateways and the sidecars of a lab
    #[command(after_help = "The lines of all clusters are shown together, each with its cluster in front.")]
    Logs(Logs),
    /// Run a command in the newest pod of an app; its exit code is that of the command
    Exec(Exec),
    /// Run a command of this machine that reaches the clusters by the names that they have among each other, as in `lab run NAME -- istioctl ...`
    #[command(
        after_help = "KUBECONFIG has the clusters' names as contexts. istioctl is lab's own where PATH has none."
    )]
    Run(Run),
    /// Put images of the local Docker engine into every node of a lab
    Load(Load),
    /// Run what is in a directory in clusters of a lab, and again after each edit: build, load, apply, restart, logs
    #[command(after_help = DEV_HELP)]
    Dev(Dev),
    /// Have calls to a service of a lab reach a process of this machine, and its calls go out through the mesh
    #[command(after_help = MIRROR_HELP)]
    Mirror(Mirror),
    /// Start a shell with KUBECONFIG set, whose contexts are the clusters' names
    Shell(Named),
    /// Print shell commands that set KUBECONFIG for a lab, as in `eval "$(lab env NAME)"`
    Env(Named),
    /// Pause the nodes of a lab: they keep their memory and use no CPU
    Pause(Named),
    /// Resume a paused lab, and wait until calls reach every version again
    Resume(Named),
    /// Break something in a lab for a while: a network, a gateway, a control plane, a node, a cluster
    #[command(
        after_help = "It ends by itself when its time is over, whatever becomes of lab, and before by `lab heal`."
    )]
    Fault(Fault),
    /// End the faults of a lab before their time, and its mirrors
    Heal(Heal),
    /// Wait for the end of a fault's time and end it, as `lab fault` has it done
    #[command(hide = true)]
    KeepFault(KeepFault),
    /// Wait for the end of the process that carries a mirror and undo it, as `lab mirror` has it done
    #[command(hide = true)]
    KeepMirror(KeepFault),
    /// Open the addresses of a lab that can be called from outside in a browser, and print them
    Open(Open),
    /// Stop and start the nodes of one cluster, and judge the lab again
    Restart(Restart),
    /// Keep a whole lab as it is, with what its pods keep on volumes: `lab restore` brings it back
    #[command(
        after_help = "All nodes stand still for the seconds that it takes. There are private keys in a snapshot."
    )]
    Snapshot(Snapshot),
    /// Bring the lab of a snapshot back, and prove that it works
    #[command(after_help = "It has the name and the addresses that it had, so the lab itself must be down.")]
    Restore(Restore),
    /// List, remove, export or import snapshots
    Snapshots(Snapshots),
    /// List, build, export, import or push what a lab is made of
    Images(super::images::Images),
    /// Print a scenario made of a file by which Istio's own tests know their clusters
    Scenario(Scenario),
    /// Print the JSON schema of scenario files, for editors, or of what a verb prints, for scripts
    Schema(Schema),
    /// Print a completion script for a shell, as in `source <(lab completions bash)`
    Completions(Completions),
    /// Print the manual page of lab, or write that of every verb into a directory
    Man(Man),
    /// Print the version and commit of lab, and what its labs are made of
    Version(Version),
    /// Check whether this installation of lab is complete
    SelfCheck(Version),
    /// Write the generated pages of the documentation into a directory, as `./dev docs` does
    #[command(hide = true)]
    Docs(Docs),
}

/// How data is written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How a plan is written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Three tables for a document: clusters, mesh, and networks with every address.
    Markdown,
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// A picture that every browser shows.
    Svg,
    /// Mermaid's language, which GitHub draws.
    Mermaid,
    /// Graphviz's language.
    Dot,
}

/// `lab up`.
#[derive(Debug, ClapArgs)]
pub struct Up {
    /// A scenario file, a directory with a scenario.yaml in it, or the name of a lab of this machine
    #[arg(add = ArgValueCompleter::new(files_and_labs))]
    pub scenario: PathBuf,
    /// Name of the lab, instead of the one in the scenario
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where images come from
    #[arg(long, value_enum, default_value = "auto")]
    pub images: Choice,
    /// Build the lab from nothing, although the same was built before and kept; forget that, and keep nothing
    #[arg(long)]
    pub fresh: bool,
    /// Remove the clusters of the lab that the scenario no longer has, with all that is in them, once the others do without
    #[arg(long)]
    pub remove: bool,
    /// Build the lab without running its checks
    #[arg(long, conflicts_with = "junit")]
    pub no_verify: bool,
    /// In clusters that lab did not make, change objects that exist and are not lab's; `lab down` gives them back what they were
    #[arg(long)]
    pub adopt: bool,
    /// Install into clusters that lab did not make although others seem to use them, without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Only show what would change, as `lab diff` does
    #[arg(long, conflicts_with_all = ["junit", "no_verify", "fresh"])]
    pub dry_run: bool,
    /// Write the verdict as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Form of the verdict on standard output
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

impl Up {
    /// `lab up NAME` for a lab that is there.
    #[must_use]
    pub fn again(lab: PathBuf) -> Self {
        Self {
            scenario: lab,
            name: None,
            images: Choice::Auto,
            fresh: false,
            remove: false,
            no_verify: false,
            adopt: false,
            yes: false,
            dry_run: false,
            junit: None,
            output: Output::Text,
            reading: Reading::default(),
        }
    }
}

/// A verb about one lab.
#[derive(Debug, ClapArgs)]
pub struct Named {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
}

/// `lab doctor`.
#[derive(Debug, ClapArgs)]
pub struct Doctor {
    /// The scenario file of the lab, or a directory with a scenario.yaml in it; by default any lab of two clusters
    #[arg(add = ArgValueCompleter::new(files))]
    pub scenario: Option<PathBuf>,
    /// Name of that lab, instead of the one in the scenario
    #[arg(long, value_name = "NAME", requires = "scenario")]
    pub name: Option<String>,
    /// As root, raise inotify limits that are too low; nothing else on the machine is changed
    #[arg(long)]
    pub fix: bool,
    /// Form of the report
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `lab plan`.
#[derive(Debug, ClapArgs)]
pub struct Plan {
    /// A scenario file, or a directory with a scenario.yaml in it
    #[arg(add = ArgValueCompleter::new(files))]
    pub scenario: PathBuf,
    /// Name of the lab, instead of the one in the scenario
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Form of the plan
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: PlanOutput,
    /// Draw the steps in this form instead
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "output")]
    pub graph: Option<Picture>,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `lab graph`.
#[derive(Debug, ClapArgs)]
pub struct Graph {
    /// A scenario file, a directory with a scenario.yaml in it, or the name of a lab of this machine
    #[arg(add = ArgValueCompleter::new(files_and_labs))]
    pub scenario: PathBuf,
    /// Form of the picture; by default what the name of FILE ends in, or SVG
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<Picture>,
    /// Write it to this file instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}
