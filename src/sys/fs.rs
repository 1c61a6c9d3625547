//! Files, by path. What labs remember is in `state`, what is built once is in `cache`.

use std::io;
use std::path::{Path, PathBuf};

pub use std::fs::{File, Permissions};

use super::unfinished;

/// Reads a text file.
pub fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// Opens a file for reading.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes an empty file, to be written.
pub fn create(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Writes a text file under a name that a user gave. What was there is replaced in one step, so that a full disk costs nobody the file of before; what is
/// no file, such as a pipe, is written into.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    if path.metadata().is_ok_and(|m| !m.is_file()) {
        return std::fs::write(path, text);
    }
    let target = target(path)?;
    let mut file = match unfinished::shared_file_in(folder(&target)) {
        // The file may be the user's where the directory is not.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied && target.exists() => {
            return std::fs::write(target, text);
        }
        file => file?,
    };
    if let Ok(meta) = target.metadata() {
        file.as_file().set_permissions(meta.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.persist(&target)
}

/// Sees whether a file can be written under a name that a user gave, before the work that it takes to make it.
///
/// # Errors
/// Its directory is not there, or the name is a directory's.
pub fn can_be_written(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    match folder(path).metadata() {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::new(e.kind(), format!("there is no directory {}", folder(path).display())))
        }
        Err(e) => Err(e),
    }
}

/// The same for what is written beside its place first, as archives are: only a file gives way to another.
///
/// # Errors
/// As [`can_be_written`], or something else than a file has the name.
pub fn can_be_replaced(path: &Path) -> io::Result<()> {
    can_be_written(path)?;
    target(path).map(|_| ())
}

/// The file that a name leads to, through symbolic links: it is replaced, and they stay.
pub fn target(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Ok(target) if target.is_file() => Ok(target),
        Ok(_) => Err(io::Error::other("it exists and is not a file")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(e) => Err(e),
    }
}

/// The directory of a file.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
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

/// Writes a text file that only this user can read, in the place of the one that was there.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => write_new(path, text, 0o600),
    }
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

/// All that is in a directory, by name.
pub fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// Whether a symbolic link is there, wherever it leads.
#[must_use]
pub fn is_link(path: &Path) -> bool {
    path.is_symlink()
}

/// The same path without links and `..`; itself if nothing is there.
#[must_use]
pub fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Whether anything is there.
#[must_use]
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// When a file was last written, or put in its place, if it is there.
#[must_use]
pub fn changed(path: &Path) -> Option<std::time::SystemTime> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = path.symlink_metadata().ok()?;
    let since = std::time::Duration::new(meta.ctime().try_into().ok()?, meta.ctime_nsec().try_into().ok()?);
    std::time::UNIX_EPOCH.checked_add(since)
}

/// Bytes of a file; none where there is none.
#[must_use]
pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
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
    let to = target(to)?;
    let mut file = unfinished::file_in(folder(&to))?;
    let zipped = flate2::write::GzEncoder::new(file.as_file_mut(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(zipped);
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    archive.into_inner()?.finish()?;
    file.persist(&to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_is_replaced_and_links_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let (file, link) = (dir.path().join("a.svg"), dir.path().join("link.svg"));
        write(&file, "1").expect("writes");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o600, 0o600);
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("changes");
        std::os::unix::fs::symlink("a.svg", &link).expect("links");
        write(&link, "2").expect("writes");
        assert_eq!(read(&file).expect("reads"), "2");
        assert!(link.is_symlink());
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o640);
        write(Path::new("/dev/null"), "3").expect("a device takes it");
        assert!(write_archive(Path::new("/dev/null"), &[]).is_err(), "nothing takes a device's place");
        assert!(write(&dir.path().join("none/a.svg"), "").is_err());
        assert!(!dir.path().join("none").exists() && files_in(dir.path()).expect("lists").len() == 2);
    }

    #[test]
    fn what_cannot_be_written_is_told_before() {
        let dir = tempfile::tempdir().expect("a directory");
        write(&dir.path().join("file"), "").expect("writes");
        let told = |name: &str| can_be_written(&dir.path().join(name)).map_err(|e| e.kind());
        assert_eq!(told("new"), Ok(()));
        assert_eq!(told("file"), Ok(()));
        assert_eq!(can_be_written(Path::new("new")).map_err(|e| e.kind()), Ok(()));
        assert_eq!(told(""), Err(io::ErrorKind::IsADirectory));
        assert_eq!(told("none/new"), Err(io::ErrorKind::NotFound));
        assert!(can_be_written(Path::new("/dev/null")).is_ok() && can_be_replaced(Path::new("/dev/null")).is_err());
        assert!(can_be_replaced(&dir.path().join("file")).is_ok() && can_be_replaced(&dir.path().join("new")).is_ok());
        assert_eq!(told("file/new"), Err(io::ErrorKind::NotADirectory));
    }

    #[test]
    fn a_packed_directory_names_its_directories() {
        let dir = unfinished::dir().expect("a directory");
        create_dir(&dir.path().join("in/a")).expect("makes");
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
