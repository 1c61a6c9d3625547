//! From a scenario to a lab with every address known, and to the graph of steps that builds it. No I/O.

mod addresses;
mod again;
mod breaks;
mod change;
mod checks;
mod conflicts;
mod fault;
mod fork;
mod gateway_api;
mod gateways;
mod graph;
mod ipv6;
mod kubeconfig;
mod lab;
mod markdown;
mod meshes;
mod names;
mod protocols;
pub mod render;
mod scenario_yaml;
mod soak;
mod step;
mod transition;
mod upgrade;
mod wait;
mod zones;

pub use addresses::{ResolveError, resolve};
pub use again::resolve_again;
pub use breaks::{Break, Damage, breaks};
pub use change::{FixedError, UnnamedError, refuse_changes, refuse_unnamed};
pub use checks::{Helloworld, checked_clusters, helloworlds};
pub use conflicts::{Origin, origin_of};
pub use fault::{Act, Look, acts};
pub use fork::ForkError;
pub use ipv6::ClusterIpv6;
pub use kubeconfig::{merge_kubeconfigs, reached_at};
pub use lab::{DockerNetwork, Lab, LabCluster};
pub use markdown::plan_markdown;

pub use crate::scenario::Gateway;
pub use protocols::undeclared_ports;
pub use scenario_yaml::scenario_yaml;
pub use soak::Draws;
pub use step::{Action, Plan, PlannedStep, StepId};
pub use upgrade::{Beside, Upgrade, revision_of};
pub use wait::{Wait, object_name};
