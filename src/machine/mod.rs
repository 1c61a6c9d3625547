//! What judges the machine: whether it can carry a lab.

pub mod doctor;
pub mod preflight;
