//! What judges the machine: whether it can carry a lab, and whether lab is installed on it whole.

pub mod doctor;
pub mod preflight;
pub mod self_check;
