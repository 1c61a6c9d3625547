//! The only place that does I/O: Docker, Kubernetes, processes, files.

pub mod docker;
pub mod fs;
pub mod kube;
pub mod routes;
pub mod state;
pub mod process;
pub mod cache;
pub mod docker_fill;
pub mod docker_images;
pub mod http;
pub mod pipe;
