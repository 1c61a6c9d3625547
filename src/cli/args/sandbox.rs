//! Flags of what a developer does with a lab that is up.

use std::ffi::OsString;

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCandidates;

use super::super::candidates::{clusters, labs};
use super::number::lines;

/// `lab open`.
#[derive(Debug, ClapArgs)]
pub struct Open {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Only this cluster
    #[arg(add = ArgValueCandidates::new(clusters))]
    pub cluster: Option<String>,
    /// Print the addresses and start no browser
    #[arg(long)]
    pub print: bool,
}

/// `lab restart`.
#[derive(Debug, ClapArgs)]
pub struct Restart {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Name of the cluster
    #[arg(add = ArgValueCandidates::new(clusters))]
    pub cluster: String,
}

/// `lab exec`.
#[derive(Debug, ClapArgs)]
pub struct Exec {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Name of the cluster
    #[arg(add = ArgValueCandidates::new(clusters))]
    pub cluster: String,
    /// The app: the value of the label `app` of its pods
    pub app: String,
    /// Namespace of the app
    #[arg(long, short, value_name = "NAMESPACE", default_value = crate::plan::render::APP_NAMESPACE)]
    pub namespace: String,
    /// A container other than the app's own
    #[arg(long, short, value_name = "CONTAINER")]
    pub container: Option<String>,
    /// Pass standard input on even when it is a terminal
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `lab run`.
#[derive(Debug, ClapArgs)]
pub struct Run {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `lab load`.
#[derive(Debug, ClapArgs)]
pub struct Load {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Images by name and tag, as `docker images` shows them
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
}

/// `lab logs`.
#[derive(Debug, ClapArgs)]
pub struct Logs {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Only this cluster
    #[arg(add = ArgValueCandidates::new(clusters))]
    pub cluster: Option<String>,
    /// Only istiod, gateway, sidecars, or an app of namespace sample
    pub component: Option<String>,
    /// Keep showing new lines as they are written
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the last lines of each container to show
    #[arg(long, value_name = "LINES", default_value_t = 50, value_parser = lines, allow_negative_numbers = true)]
    pub tail: i64,
}
