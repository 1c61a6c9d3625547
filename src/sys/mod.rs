//! The only place that does I/O: Docker, Kubernetes, processes, files.

pub mod attended;
pub mod cache;
pub mod detached;
pub mod docker;
pub mod fs;
pub mod home;
pub mod host;
pub mod http;
pub mod input;
pub mod keeper;
pub mod kube;
pub mod listing;
mod lock;
pub mod marked;
pub mod name_proxy;
pub mod pipe;
pub mod poll;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod routes;
pub mod state;
pub mod sum;
pub mod unfinished;
pub mod watch;
pub mod websocket;
pub mod words;
