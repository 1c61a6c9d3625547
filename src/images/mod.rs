//! What a lab is made of: the pinned stack, its two sources (registry, packages), and the node image with every image in it.
//!
//! ```text
//! stack.yaml ── stack, digests (pure) ──> is the node image there? ── yes ──> Prepared
//!                                          │ no
//!                 resolve: which source ───┤
//!                                          ├─ packages: go, debian, wheel ──> image ──┐
//!                                          └─ registry: pull ─────────────────────────┴─> node (derive) ──> Prepared
//! ```
//!
//! Everything has a digest of its inputs as its name. So what is there is right, two runs do not disturb each other, and an interruption costs
//! no more than the jobs that were under way.

mod alone;
mod archive;
mod brought;
mod bundle;
mod check;
pub mod context;
mod debian;
mod digest;
mod digests;
mod error;
mod gateway_api;
mod go;
mod identity;
mod image;
mod inventory;
pub mod istio;
mod jobs;
pub mod karmada;
mod kubectl;
mod node;
pub mod own;
mod packages;
mod prepare;
mod prune;
pub(crate) mod reference;
mod registry;
mod release;
mod resolve;
mod sources;
mod stack;
mod thin;
mod tools;
mod tree;
mod ways;
mod wheel;
mod workshop;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::scenario::Versions;

pub use alone::{Alone, alone};
pub use brought::for_brought;
pub use bundle::{Trust, check_archive, checksum_beside, export, import};
pub use check::is_sum;
pub(crate) use digest::Inputs;
pub use digest::of_file as file_digest;
pub use error::ImagesError;
pub use gateway_api::{gateway_api, gateway_api_here};
pub use identity::{Identity, identity};
pub use inventory::{Entry, Kind, inventory};
pub use kubectl::{kubectl, kubectl_here};
pub use prepare::{is_prepared, prepare, prepare_stack, push};
pub use prune::{Pruned, prune};
pub use reference::Reference;
pub use resolve::{Choice, having, upstream_digest};
pub use sources::{Asked, SourceFacts, ToolFacts, ToolPlace, sources, tool_facts};
pub use stack::Stack;
pub use thin::{Layers, thin};

/// Label of a derived node image; its value is the digest of all that is in it.
pub const NODE_LABEL: &str = "dev.lab.node";
/// Label of a derived node image with the source of its images.
pub const SOURCE_LABEL: &str = "dev.lab.source";
/// Label of an image built from packages; its value is the digest of all that it is made of.
pub const IMAGE_LABEL: &str = "dev.lab.image";

/// Where images come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Upstream images pulled from their registries.
    Registry,
    /// Images built on this machine from Go modules, Debian packages and a wheel.
    Packages,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Registry => "registry",
            Self::Packages => "packages",
        })
    }
}

/// The version of Kubernetes that nodes run, as `v1.36.3`.
///
/// # Errors
/// The stack is not valid: a mistake in lab.
pub fn kubernetes() -> Result<String, ImagesError> {
    Ok(Stack::embedded()?.kubernetes)
}

/// Which versions of kind and istioctl will do for images of a source, for people.
///
/// # Errors
/// The stack is not valid: a mistake in lab.
pub fn tool_versions(source: Source) -> Result<[(&'static str, String); 2], ImagesError> {
    let stack = Stack::serving(source, Versions::default())?;
    let all = [ways::Wanted::kind(&stack), ways::Wanted::istioctl(&stack, source, None)];
    Ok(all.map(|wanted| (wanted.name, wanted.accepted())))
}

/// Everything that the other steps need from the stack, present on this machine.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Which source served.
    pub source: Source,
    /// The registry (`HOST:PORT`) that nodes pull every image from; `None` when the node image holds them all.
    pub mirror: Option<String>,
    /// Reference of the derived node image from which every cluster starts.
    pub node_image: String,
    /// Reference by key of `images` in `stack/stack.yaml`, as it is named inside a node.
    pub images: BTreeMap<String, String>,
    /// Path of the `kind` binary whose version is the pinned one.
    pub kind: PathBuf,
    /// Path of the `istioctl` binary whose version is the pinned one.
    pub istioctl: PathBuf,
    /// MetalLB's manifest as its module ships it.
    pub metallb_manifest: String,
    /// Istio Helm values that this source's images need.
    pub istio_values: serde_json::Value,
}

impl Prepared {
    /// The source as users are told it.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.mirror {
            Some(mirror) => format!("{} (mirror {mirror})", Source::Registry),
            None => self.source.to_string(),
        }
    }
}

/// Each registry that the lab's images name, with the `hosts.toml` that makes containerd pull from `endpoint` (`HOST:PORT`, plain HTTP, as a
/// node reaches it) instead.
#[must_use]
pub fn mirror_hosts_toml(prepared: &Prepared, endpoint: &str) -> Vec<(String, String)> {
    reference::hosts_toml(prepared.images.values().map(String::as_str), endpoint)
}
