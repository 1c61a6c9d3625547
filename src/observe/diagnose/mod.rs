//! Why a verdict is red: causes are looked for in the order in which they precede each other, and the first broken one of each pair of
//! clusters is told.

mod call;
pub(super) mod configuration;
mod control_plane;
pub(super) mod federation;
mod found;
mod load_balancer;
mod network;
mod trust;

pub(super) use call::{Failed, Link, explain_command, first_broken, is_denied, suspects};
pub(super) use control_plane::{runs as control_plane, watches};
pub(super) use network::{gateway, routes};
pub(super) use trust::trust;
