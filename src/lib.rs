//! `lab` builds a real multicluster Istio mesh from one scenario file and proves that it works.
//!
//! Data flows one way:
//!
//! ```text
//! scenario file ── scenario ──> Scenario ── plan ──> Lab + Plan ── exec + steps ──> events ── report ──> terminal, JSON, JUnit
//!                  (pure)                 (pure)                    │                   (folds events, no I/O of its own)
//!                                                                   └─ sys: Docker, Kubernetes, processes, files
//! ```
//!
//! `context` is what a lab and a run are, `steps` builds, `fault` breaks for a while, `mirror` stands in for a service, `observe` looks, `machine` judges the machine, and `commands` puts them together.
//! `scenario`, `plan`, `eject` and `mask` do no I/O; `sys` is the only place that does. `tests/layering.rs` keeps the imports that way.

pub mod cli;
pub mod commands;
pub mod context;
pub mod eject;
pub mod exec;
pub mod fault;
pub mod graph;
pub mod images;
pub mod machine;
pub mod mask;
pub mod mirror;
pub mod observe;
pub mod plan;
pub mod reference;
pub mod report;
pub mod scenario;
pub mod steps;
pub mod sys;
pub mod verdict;
