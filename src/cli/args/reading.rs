//! How scenario files are read.

use clap::Args as ClapArgs;

use crate::scenario::{Minor, Versions};

/// How a scenario file is read, with the files that it names.
#[derive(Clone, Copy, Debug, Default, ClapArgs)]
pub struct Reading {
    /// Let kustomizations fetch their bases from the network, each time that they are built
    #[arg(long)]
    pub remote_bases: bool,
    /// Run this minor version of Kubernetes, as 1.35, in every cluster for which the scenario does not fix another
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<Minor>,
    /// Run this minor version of Istio, as 1.31, in every cluster for which the scenario does not fix another
    #[arg(long, value_name = "VERSION")]
    pub istio: Option<Minor>,
}

impl Reading {
    /// The versions that are asked for.
    #[must_use]
    pub fn versions(&self) -> Versions {
        Versions { kubernetes: self.kubernetes, istio: self.istio }
    }
}
