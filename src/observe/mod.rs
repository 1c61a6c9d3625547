//! What looks at a lab that is there, and changes nothing of it for good.

mod diagnose;
pub mod dump;
pub mod explain;
pub mod inspect;
pub mod logs;
mod observed;
mod probe;
pub mod status;
pub mod steady;
pub mod trace;
mod traffic;
pub mod verify;
mod warnings;

pub use warnings::warnings;
