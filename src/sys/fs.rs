//! Files that a user names.

use std::io;
use std::path::Path;

/// Reads a text file.
pub fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
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
