//! Files, by path. What labs remember is in `state`, what is built once is in `cache`.

use std::io;
use std::path::{Path, PathBuf};

pub use std::fs::{File, Permissions};

use tempfile::{NamedTempFile, TempDir};

/// Reads a text file.
pub fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// Opens a file for reading.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Writes a text file, making its directory.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, text)
}

/// Whether something is there that can be read: a file, or a pipe as in `lab up <(generate)`.
#[must_use]
pub fn is_readable(path: &Path) -> bool {
    path.exists() && !path.is_dir()
}

/// Whether a file is there.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Whether a directory is there.
#[must_use]
pub fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// The files of a directory, by name; directories in it are left out.
pub fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether anything is there.
#[must_use]
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// Bytes of a file; none where there is none.
#[must_use]
pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// A new file in a directory, gone when it is dropped unless it is given a name.
pub fn temporary_file(dir: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(dir)
}

/// A new directory, gone with all that is in it when it is dropped.
pub fn temporary_dir() -> io::Result<TempDir> {
    tempfile::tempdir()
}
