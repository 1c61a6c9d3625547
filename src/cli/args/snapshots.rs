//! Flags of what is about snapshots.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use super::super::candidates::{labs, snapshots};
use super::super::trust::Trusted;
use super::Output;

/// `lab snapshot`.
#[derive(Debug, ClapArgs)]
pub struct Snapshot {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// Name of the snapshot; by default that of the lab
    #[arg(value_name = "AS")]
    pub kept_as: Option<String>,
}

/// `lab restore`.
#[derive(Debug, ClapArgs)]
pub struct Restore {
    /// Name of the snapshot
    #[arg(add = ArgValueCandidates::new(snapshots))]
    pub snapshot: String,
    /// Restore it as a lab of this name, beside the one that it is of: it gets addresses of its own
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Restore the lab without running its checks
    #[arg(long)]
    pub no_verify: bool,
    /// Form of the verdict on standard output
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab snapshots`.
#[derive(Debug, ClapArgs)]
pub struct Snapshots {
    /// The verb.
    #[command(subcommand)]
    pub verb: SnapshotsVerb,
}

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotsVerb {
    /// List the snapshots of this machine, those too that `lab up` keeps by itself, with their labs and sizes
    List(SnapshotsList),
    /// Remove snapshots
    Remove(SnapshotsRemove),
    /// Write a snapshot as one archive, for a machine with the same node image; there are private keys in it
    Export(SnapshotsExport),
    /// Take a snapshot out of an archive that `lab snapshots export` wrote
    Import(SnapshotsImport),
}

/// `lab snapshots list`.
#[derive(Debug, ClapArgs)]
pub struct SnapshotsList {
    /// Form of the list
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// `lab snapshots remove`.
#[derive(Debug, ClapArgs)]
pub struct SnapshotsRemove {
    /// Names of snapshots
    #[arg(required = true, value_name = "SNAPSHOT", add = ArgValueCandidates::new(snapshots))]
    pub snapshots: Vec<String>,
}

/// `lab snapshots export`.
#[derive(Debug, ClapArgs)]
pub struct SnapshotsExport {
    /// Name of the snapshot
    #[arg(add = ArgValueCandidates::new(snapshots))]
    pub snapshot: String,
    /// The archive to write
    pub file: PathBuf,
}

/// `lab snapshots import`.
#[derive(Debug, ClapArgs)]
pub struct SnapshotsImport {
    /// The archive to read
    pub file: PathBuf,
    /// Name of the snapshot
    #[arg(value_name = "AS")]
    pub kept_as: String,
    /// Why it is trusted.
    #[command(flatten)]
    pub trusted: Trusted,
}
