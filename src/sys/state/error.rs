//! Why the state of a lab, or a snapshot, cannot be used.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use super::LAB_FILE;
use crate::sys::words::Io;

/// The state cannot be read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum StateError {
    /// There is no home directory, or it is not an absolute path.
    #[error("cannot tell where to keep state: {0}")]
    #[diagnostic(help("set HOME or XDG_STATE_HOME to an absolute path"))]
    NoHome(&'static str),
    /// A file or directory cannot be used.
    #[error("cannot {what} {}", path.display())]
    #[diagnostic(help("check the permissions and the free space of that directory"))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Io,
    },
    /// A file is not what lab wrote.
    #[error("cannot read {}: {reason}", path.display())]
    #[diagnostic(help("{}", remedy(path)))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No lab of that name.
    #[error("there is no lab named {name}{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    #[diagnostic(help("`lab list` shows the labs of this machine; `lab up FILE` makes one"))]
    Unknown {
        /// The name given.
        name: String,
        /// The existing name that is nearest.
        nearest: Option<String>,
    },
    /// No snapshot of that name.
    #[error("there is no snapshot named {name}{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    #[diagnostic(help("`lab snapshots list` shows the snapshots of this machine; `lab snapshot LAB` takes one"))]
    NoSnapshot {
        /// The name given.
        name: String,
        /// The existing name that is nearest.
        nearest: Option<String>,
    },
    /// A snapshot has that name already.
    #[error("there is a snapshot named {name} already")]
    #[diagnostic(help("choose another name, or remove it first: `lab snapshots remove {name}`"))]
    SnapshotTaken {
        /// The name.
        name: String,
    },
    /// An archive of a snapshot is not the one that was exported.
    #[error("{file} is not the archive that was exported: its SHA-256 is {found}, not {wanted}")]
    #[diagnostic(help(
        "do not use this one: copy the archive again from where `lab snapshots export` wrote it, and give the checksum that it printed"
    ))]
    OtherArchive {
        /// The archive.
        file: String,
        /// The checksum that it should have.
        wanted: String,
        /// The one that it has.
        found: String,
    },
    /// A snapshot is not what lab wrote.
    #[error("snapshot {name} is spoiled: {reason}")]
    #[diagnostic(help("{}", of_spoiled(name)))]
    Spoiled {
        /// The snapshot, or the archive.
        name: String,
        /// How.
        reason: String,
    },
}

/// What to do about a snapshot that is not what lab wrote; a name with a dot or a slash is that of an archive.
fn of_spoiled(name: &str) -> String {
    if name.contains(['.', '/']) {
        return "nothing of it was kept: import another copy of what `lab snapshots export` wrote".to_owned();
    }
    format!("remove it with `lab snapshots remove {name}`, and take another, or import it again")
}

/// What to do about a file that cannot be read.
fn remedy(path: &Path) -> String {
    if path.file_name().is_some_and(|name| name == LAB_FILE) {
        let lab = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        return format!("remove the lab with `lab down {lab}`, which does not need this file, and bring it up again");
    }
    "remove this file: `lab up` makes it again".to_owned()
}
