//! Flags of `lab dev`.

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, ValueHint};
use clap_complete::engine::ArgValueCandidates;

use super::super::candidates::{clusters, labs};
use super::Output;

/// What `lab dev --help` says at its end.
pub const DEV_HELP: &str = "\
The directory has a Dockerfile, or --binary names a program in it; nothing outside of it is built from, and .dockerignore is heeded. Manifests are what
is in its directory k8s or manifests, or what --manifests names; those in a directory of theirs that is called as a cluster are for that one alone.
A container whose image has the name of the directory (or --image) gets what was built. Ctrl-C ends the watch, and leaves the app.

With --once the exit code is 0 once all of it runs, 1 if it does not build or run, 2 if a manifest is wrong.";

/// `lab dev`.
#[derive(Debug, ClapArgs)]
pub struct Dev {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// The directory to watch
    #[arg(value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// A cluster that gets it, instead of all that run apps; may be given several times
    #[arg(long = "cluster", value_name = "CLUSTER", add = ArgValueCandidates::new(clusters))]
    pub clusters: Vec<String>,
    /// A command to run in the directory before the image is built; it may build the image itself, under the name in $LAB_IMAGE
    #[arg(long, value_name = "COMMAND")]
    pub build: Option<String>,
    /// A program in the directory that is the whole image, where there is no Dockerfile
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// The image that the program is put on
    #[arg(long, value_name = "IMAGE", requires = "binary", default_value = "scratch")]
    pub base: String,
    /// What the manifests call the image; by default the name of the directory
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,
    /// A manifest, or a directory of them, in the directory; may be given several times
    #[arg(long = "manifests", value_name = "PATH")]
    pub manifests: Vec<String>,
    /// Namespace of objects that name none
    #[arg(long, short, value_name = "NAMESPACE", default_value = crate::plan::render::APP_NAMESPACE)]
    pub namespace: String,
    /// What not to watch, as a line of .dockerignore; may be given several times
    #[arg(long = "ignore", value_name = "PATTERN")]
    pub ignored: Vec<String>,
    /// Do one round, wait until all of it runs, and end
    #[arg(long)]
    pub once: bool,
    /// Show no logs
    #[arg(long = "no-logs", action = ArgAction::SetFalse)]
    pub logs: bool,
    /// Form of what is told on standard output: for programs, each event as a line
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}
