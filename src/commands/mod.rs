//! What the commands of the command line do to a lab, one file a verb.

pub mod attach;
pub mod brought;
pub mod dev;
pub mod diff;
pub mod down;
pub mod eject;
pub mod fixed;
pub mod leave;
pub mod load;
pub mod mirror;
pub mod pause;
pub mod probes;
pub mod prove;
mod restart;
pub mod rotate;
pub mod snapshot;
pub mod soak;
mod under_traffic;
pub mod up;
pub mod upgrade;
