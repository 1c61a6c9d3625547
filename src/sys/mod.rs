//! The only place that does I/O: Docker, Kubernetes, processes, files.

pub mod cache;
pub mod docker;
mod docker_answer;
mod docker_dial;
pub mod docker_exec;
pub mod docker_files;
pub mod docker_fill;
pub mod docker_host;
pub mod docker_images;
pub mod docker_info;
pub mod docker_login;
pub mod docker_probe;
pub mod fs;
pub mod host;
pub mod http;
pub mod input;
pub mod keeper;
pub mod kube;
pub mod marked;
pub mod pipe;
pub mod poll;
pub mod process;
pub mod routes;
pub mod state;
