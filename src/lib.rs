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
//! `scenario`, `plan`, `eject` and `mask` do no I/O; `sys` is the only place that does. `tests/layering.rs` keeps the imports that way.

pub mod cli;
pub mod eject;
pub mod exec;
pub mod graph;
pub mod images;
pub mod mask;
pub mod plan;
pub mod report;
pub mod scenario;
pub mod steps;
pub mod sys;
pub mod verdict;
