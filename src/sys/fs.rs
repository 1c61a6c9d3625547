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

/// Whether a path is free to be made a directory: nothing is there, or an empty directory.
pub fn is_free(path: &Path) -> io::Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(e) => Err(e),
    }
}

/// Writes a text file that is not there yet, with these permissions, making its directory: one that others can read only if they can read the file.
pub fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
    if let Some(parent) = path.parent() {
        let is_private = mode.trailing_zeros() >= 6;
        let mode = if is_private { 0o700 } else { 0o755 };
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(parent)?;
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    // A script stays one whatever the umask takes.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())
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

/// Makes a directory, and those above it, in which only this user may write.
pub fn create_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// The same, which only this user may read as well.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
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

/// Packs a directory into a tar.gz under one top folder, in an order and with times that say nothing about this machine.
pub fn pack(directory: &Path, top: &str, to: &Path) -> io::Result<()> {
    let mut paths = vec![directory.to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        if path.is_dir() {
            for entry in std::fs::read_dir(path)? {
                paths.push(entry?.path());
            }
        }
    }
    // A directory comes before what is in it.
    paths.sort();
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(File::create(to)?, flate2::Compression::fast()));
    for path in paths {
        let name = Path::new(top).join(path.strip_prefix(directory).map_err(io::Error::other)?);
        let mut header = tar::Header::new_gnu();
        if path.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            header.set_mode(0o755);
            archive.append_data(&mut header, name, io::empty())?;
            continue;
        }
        let file = File::open(&path)?;
        header.set_size(file.metadata()?.len());
        header.set_mode(0o644);
        archive.append_data(&mut header, name, file)?;
    }
    archive.into_inner()?.finish().map(|_| ())
}

/// Writes texts into a tar.gz that only this user can read, each with its path in it. What is there of that name is replaced in one step.
pub fn write_archive(to: &Path, files: &[(String, String)]) -> io::Result<()> {
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    let file = NamedTempFile::new_in(parent)?;
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.persist(to).map(|_| ()).map_err(|e| e.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_directory_names_its_directories() {
        let dir = temporary_dir().expect("a directory");
        write(&dir.path().join("in/a/b.yaml"), "b").expect("writes");
        write(&dir.path().join("in/c.yaml"), "c").expect("writes");
        let to = dir.path().join("out");
        pack(&dir.path().join("in"), "crds", &to).expect("packs");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(open(&to).expect("opens")));
        let names = archive.entries().expect("entries").map(|e| e.expect("entry").path().expect("path").into_owned());
        let names: Vec<String> = names.map(|p| p.to_string_lossy().trim_end_matches('/').to_owned()).collect();
        assert_eq!(names, ["crds", "crds/a", "crds/a/b.yaml", "crds/c.yaml"]);
    }
}
