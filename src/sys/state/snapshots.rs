//! Snapshots of labs, beside the labs: each a directory of files, and an index that has their checksums. There are private keys in them.

mod packed;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{State, StateError, io as failed, make_dir, nearest};
use crate::sys::fs::{folder, target};
use crate::sys::sum::{Hashing, Summing};
use crate::sys::unfinished::{self, Unfinished};
use crate::sys::words;

/// Where they are, in the directory of the state of all labs. No lab can have that name.
pub(super) const DIRECTORY: &str = ".snapshots";
/// Tells what the other files are.
const INDEX: &str = "snapshot.json";
/// Its checksum.
const INDEX_SUM: &str = "snapshot.json.sha256";
/// Version of the index, and of what the files are.
const VERSION: u32 = 1;
/// Most bytes of an index.
const INDEX_LIMIT: u64 = 16 << 20;
/// How long a directory may be there before it is locked.
const YOUNG: Duration = Duration::from_secs(10);
/// Where a lab's state is of no use to the lab that is restored: its API servers are asked for their addresses.
const NOT_PACKED: &str = "kubeconfigs/";

/// All snapshots of this user.
#[derive(Clone, Debug)]
pub struct Snapshots {
    root: PathBuf,
}

/// A snapshot that is being written; what is dropped is gone.
#[derive(Debug)]
pub struct Unkept {
    dir: Unfinished<TempDir>,
    /// Its lock, which tells others that somebody still writes.
    _writing: File,
}

/// Writes one file of a snapshot.
#[derive(Debug)]
pub struct PartWriter {
    name: String,
    file: Summing<File>,
    bytes: u64,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    name: String,
    bytes: u64,
    sha256: String,
}

/// The index.
#[derive(Serialize, Deserialize)]
struct Index<T> {
    version: u32,
    parts: Vec<Part>,
    about: T,
}

/// What every index has: of another version, the rest may be anything.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A snapshot.
#[derive(Debug)]
pub struct Snapshot<T> {
    /// Its name.
    pub name: String,
    /// What was told about it when it was taken.
    pub about: T,
    dir: PathBuf,
    parts: Vec<Part>,
}

impl State {
    /// The snapshots of this user.
    pub fn snapshots(&self) -> Result<Snapshots, StateError> {
        let root = self.root.join(DIRECTORY);
        make_dir(&root)?;
        let snapshots = Snapshots { root };
        snapshots.remove_aborted();
        Ok(snapshots)
    }
}

impl Snapshots {
    /// Names of the snapshots, sorted.
    pub fn names(&self) -> Result<Vec<String>, StateError> {
        let unlisted = failed("list", &self.root);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(&unlisted)? {
            let name = entry.map_err(&unlisted)?.file_name().to_string_lossy().into_owned();
            // What is being written has a name with a dot.
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Refuses a name that a snapshot has.
    pub fn refuse_taken(&self, name: &str) -> Result<(), StateError> {
        if self.root.join(name).exists() {
            return Err(StateError::SnapshotTaken { name: name.to_owned() });
        }
        Ok(())
    }

    /// Begins a snapshot.
    pub fn begin(&self) -> Result<Unkept, StateError> {
        let failed = failed("create a directory in", &self.root);
        let dir = unfinished::dir_in(&self.root).map_err(&failed)?;
        let writing = File::open(dir.path()).and_then(|file| file.lock().map(|()| file)).map_err(&failed)?;
        Ok(Unkept { dir, _writing: writing })
    }

    /// Removes what was begun by processes that were killed: there are keys in it. What cannot be removed now is the next one's.
    fn remove_aborted(&self) {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| is_unfinished(path)) {
            // One that is just being made is not locked yet.
            let is_young =
                fs::metadata(&path).and_then(|m| m.modified()).is_ok_and(|m| m.elapsed().is_ok_and(|age| age < YOUNG));
            if !is_young && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }

    /// Keeps what was begun under a name.
    pub fn keep<T: Serialize>(&self, unkept: Unkept, name: &str, parts: Vec<Part>, about: T) -> Result<(), StateError> {
        self.refuse_taken(name)?;
        let written = || {
            let index = serde_json::to_vec_pretty(&Index { version: VERSION, parts, about })?;
            create(&unkept.dir.path().join(INDEX_SUM))?.write_all(Hashing::new(&index[..]).finish()?.as_bytes())?;
            create(&unkept.dir.path().join(INDEX))?.write_all(&index)
        };
        let to = self.root.join(name);
        written().and_then(|()| unkept.dir.persist(&to)).map_err(failed("write", &to))
    }

    /// A snapshot, by its name. Its files are not looked at yet.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Snapshot<T>, StateError> {
        let names = self.names()?;
        if !names.iter().any(|n| n == name) {
            return Err(StateError::NoSnapshot { name: name.to_owned(), nearest: nearest(names, name) });
        }
        open(self.root.join(name), name)
    }

    /// Removes a snapshot.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        let names = self.names()?;
        if !names.iter().any(|n| n == name) {
            return Err(StateError::NoSnapshot { name: name.to_owned(), nearest: nearest(names, name) });
        }
        let dir = self.root.join(name);
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    /// Takes a snapshot out of an archive, whose SHA-256 must be `sum` if there is one; all its files are checked. It is kept by [`Self::adopt`].
    pub fn unpack<T: DeserializeOwned>(
        &self,
        archive: &Path,
        sum: Option<&str>,
    ) -> Result<(Unkept, Snapshot<T>), StateError> {
        let unkept = self.begin()?;
        let name = archive.display().to_string();
        let spoiled = |reason: String| StateError::Spoiled { name: name.clone(), reason };
        let unpacked = || {
            let mut read = tar::Archive::new(Hashing::new(File::open(archive)?));
            for entry in read.entries()? {
                // What the library says of a header names bytes that nobody can read.
                let entry = entry.map_err(|_| io::Error::other("it is no tar archive, or ends in the middle"))?;
                let path = entry.path()?.into_owned();
                if path.components().count() != 1 || !is_plain(&path) {
                    return Err(io::Error::other(format!("{} is no file of a snapshot", path.display())));
                }
                let mut file = create(&unkept.dir.path().join(&path)).map_err(|e| match e.kind() {
                    io::ErrorKind::AlreadyExists => io::Error::other(format!("it has {} twice", path.display())),
                    _ => e,
                })?;
                // What the index, which comes first, does not note would only fill the disk.
                let most = noted(unkept.dir.path(), &path);
                if io::copy(&mut entry.take(most + 1), &mut file)? > most {
                    return Err(io::Error::other(format!(
                        "{} has more than the {most} bytes that are noted",
                        path.display()
                    )));
                }
            }
            read.into_inner().finish()
        };
        let unpacked = unpacked();
        // Of another archive, what is wrong with its files says nothing.
        let found = match (&unpacked, sum) {
            (Err(_), Some(_)) => File::open(archive).and_then(|file| Hashing::new(file).finish()).ok(),
            _ => unpacked.as_ref().ok().cloned(),
        };
        if let (Some(wanted), Some(found)) = (sum, found)
            && !wanted.eq_ignore_ascii_case(&found)
        {
            return Err(StateError::OtherArchive { file: name.clone(), wanted: wanted.to_owned(), found });
        }
        unpacked.map_err(|e: io::Error| match e.kind() {
            // That is of the disk, and says nothing of the archive.
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem => {
                unkept.unwritten(e)
            }
            _ => spoiled(words::io_error(&e)),
        })?;
        let snapshot = open(unkept.dir.path().to_owned(), &name)?;
        snapshot.check()?;
        snapshot.refuse_more()?;
        Ok((unkept, snapshot))
    }

    /// Keeps what came out of an archive.
    pub fn adopt(&self, unkept: Unkept, name: &str) -> Result<(), StateError> {
        self.refuse_taken(name)?;
        let to = self.root.join(name);
        unkept.dir.persist(&to).map_err(failed("write", &to))
    }
}

impl Unkept {
    /// Begins one file.
    pub fn part(&self, name: &str) -> Result<PartWriter, StateError> {
        let path = self.dir.path().join(name);
        let file = create(&path).map_err(failed("write", &path))?;
        Ok(PartWriter { name: name.to_owned(), file: Summing::new(file), bytes: 0 })
    }

    /// Says that a file of it cannot be written.
    #[must_use]
    pub fn unwritten(&self, error: io::Error) -> StateError {
        failed("write", self.dir.path())(error)
    }
}

impl PartWriter {
    /// Ends the file.
    #[must_use]
    pub fn finish(self) -> Part {
        Part { name: self.name, bytes: self.bytes, sha256: self.file.finish().1 }
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<T> Snapshot<T> {
    /// Bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|p| p.bytes).sum()
    }

    /// Path of one of its files.
    pub fn part(&self, name: &str) -> Result<PathBuf, StateError> {
        match self.parts.iter().find(|p| p.name == name) {
            Some(part) => Ok(self.dir.join(&part.name)),
            None => Err(self.spoiled(format!("it has no {name}"))),
        }
    }

    /// Reads all its files: each must be what was written.
    pub fn check(&self) -> Result<(), StateError> {
        for part in &self.parts {
            let read = File::open(self.dir.join(&part.name))
                .and_then(|file| Ok((file.metadata()?.len(), Hashing::new(file).finish()?)));
            let (bytes, sum) = read.map_err(|e| self.spoiled(format!("{}: {}", part.name, words::io_error(&e))))?;
            if bytes != part.bytes {
                return Err(self.spoiled(format!("{} has {bytes} bytes, and {} are noted", part.name, part.bytes)));
            }
            if sum != part.sha256 {
                return Err(self.spoiled(format!("{} has another checksum than when it was written", part.name)));
            }
        }
        Ok(())
    }

    /// Refuses files that it does not know.
    fn refuse_more(&self) -> Result<(), StateError> {
        let entries = fs::read_dir(&self.dir).map_err(failed("list", &self.dir))?;
        let is_known = |name: &str| [INDEX, INDEX_SUM].contains(&name) || self.parts.iter().any(|p| p.name == name);
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !is_known(&name) {
                return Err(self.spoiled(format!("it has {name}, which is no part of it")));
            }
        }
        Ok(())
    }

    /// Writes it as one archive, which only this user can read; gives its SHA-256. What is there of that name is replaced in one step.
    pub fn pack(&self, to: &Path) -> Result<String, StateError> {
        self.check()?;
        let packed = || {
            let to = target(to)?;
            let mut file = unfinished::file_in(folder(&to))?;
            let mut archive = tar::Builder::new(file.as_file_mut());
            for name in [INDEX, INDEX_SUM].into_iter().chain(self.parts.iter().map(|p| p.name.as_str())) {
                archive.append_path_with_name(self.dir.join(name), name)?;
            }
            archive.finish()?;
            drop(archive);
            file.as_file_mut().rewind()?;
            let sum = Hashing::new(file.as_file()).finish()?;
            file.persist(&to)?;
            Ok(sum)
        };
        packed().map_err(failed("write", to))
    }

    fn spoiled(&self, reason: String) -> StateError {
        StateError::Spoiled { name: self.name.clone(), reason }
    }
}

/// Whether a directory has the name of what is being written.
fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp"))
}

/// A path that leads nowhere else.
fn is_plain(path: &Path) -> bool {
    path.components().all(|c| matches!(c, Component::Normal(name) if name != OsStr::new("")))
}

/// A new file that only this user can read.
fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// How many bytes a file of a snapshot may have, as its index says.
fn noted(dir: &Path, file: &Path) -> u64 {
    let index = fs::read(dir.join(INDEX)).ok();
    let index: Option<Index<serde::de::IgnoredAny>> = index.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let parts = index.into_iter().flat_map(|index| index.parts);
    parts.into_iter().find(|part| Path::new(&part.name) == file).map_or(INDEX_LIMIT, |part| part.bytes)
}

fn open<T: DeserializeOwned>(dir: PathBuf, name: &str) -> Result<Snapshot<T>, StateError> {
    let spoiled = |reason: String| StateError::Spoiled { name: name.to_owned(), reason };
    let read = |name: &str| {
        let mut bytes = Vec::new();
        File::open(dir.join(name))?.take(INDEX_LIMIT).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let file = |name: &str| read(name).map_err(|e| spoiled(format!("{name}: {}", words::io_error(&e))));
    let (index, sum) = (file(INDEX)?, file(INDEX_SUM)?);
    if Hashing::new(&index[..]).finish().is_ok_and(|found| found.as_bytes() != sum) {
        return Err(spoiled(format!("{INDEX} has another checksum than when it was written")));
    }
    let unread = |e: serde_json::Error| spoiled(format!("{INDEX}: {e}"));
    let Versioned { version } = serde_json::from_slice(&index).map_err(unread)?;
    if version != VERSION {
        return Err(spoiled(format!("its form is of version {version}, and this lab knows version {VERSION}")));
    }
    let Index { parts, about, .. } = serde_json::from_slice(&index).map_err(unread)?;
    Ok(Snapshot { name: name.to_owned(), about, dir, parts })
}

#[cfg(test)]
mod tests;
