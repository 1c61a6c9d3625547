//! The only place that does I/O: Docker, Kubernetes, processes, files.

pub mod docker;
pub mod fs;
pub mod kube;
pub mod routes;
pub mod state;
pub mod process;
