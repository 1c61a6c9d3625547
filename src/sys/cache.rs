//! The cache directory: artifacts by the digest of their inputs, published by rename, guarded by file locks.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::fs::create_private_dir;
use super::lock::{FileLock, Mode};
use super::words::Io;
use super::{home, unfinished};

/// The cache directory could not be used.
#[derive(Debug, Error, Diagnostic)]
pub enum CacheError {
    /// There is no home directory, or it is not an absolute path.
    #[error("cannot tell where the cache directory is: {0}")]
    #[diagnostic(help("set HOME or XDG_CACHE_HOME to an absolute path"))]
    NoHome(&'static str),
    /// A file or directory in it could not be used.
    #[error("cannot {action} {path}")]
    #[diagnostic(help("check that the directory is yours and that its disk has space left"))]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        #[source]
        source: Io,
    },
}

/// The directory `lab` under the user's cache directory, readable by the user alone.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// A lock; it ends when dropped, or with the process.
#[derive(Debug)]
pub struct Lock {
    _held: FileLock,
}

impl Cache {
    /// The user's cache.
    pub fn open() -> Result<Self, CacheError> {
        let base = home::dir(etcetera::BaseStrategy::cache_dir).map_err(CacheError::NoHome)?;
        Self::at(base.join("lab"))
    }

    /// A cache in `root`, which is made when it is missing.
    pub fn at(root: PathBuf) -> Result<Self, CacheError> {
        make_dir(&root)?;
        Ok(Self { root })
    }

    /// Where the artifact lies once it is made. `name` may have directories in it; its last part is the file's name.
    #[must_use]
    pub fn artifact(&self, name: &str, digest: &str) -> PathBuf {
        let (dir, file) = name.rsplit_once('/').unwrap_or(("", name));
        self.root.join("artifacts").join(dir).join(digest).join(file)
    }

    /// Removes all artifacts but those to keep, as far as it can; gives the bytes that it freed.
    #[must_use]
    pub fn prune_artifacts(&self, keep: &BTreeSet<PathBuf>) -> u64 {
        prune(&self.root.join("artifacts"), keep)
    }

    /// An empty directory for the holder of the lock of the same name. What interrupted holders left there goes, as far as it can: a program
    /// that one of them started may still be writing, and file systems may be mounted there, through which nothing may be removed.
    pub fn scratch(&self, name: &str) -> Result<PathBuf, CacheError> {
        let all = self.root.join("work").join(name.replace('/', "-"));
        make_dir(&all)?;
        for old in std::fs::read_dir(&all).into_iter().flatten().flatten() {
            if !is_mounted_below(&old.path()) {
                let _ = remove(&old.path());
            }
        }
        let scratch =
            tempfile::Builder::new().prefix("").tempdir_in(&all).map_err(io("create a directory in", &all))?;
        Ok(scratch.keep())
    }

    /// Removes a scratch directory once what was made in it is published.
    pub fn clear(&self, scratch: &Path) -> Result<(), CacheError> {
        remove(scratch)?;
        // The directory of all holders goes with the last of them.
        if let Some(all) = scratch.parent() {
            let _ = std::fs::remove_dir(all);
        }
        Ok(())
    }

    /// Moves what was made to its final place in one step, and sees to it that it survives a power cut.
    pub fn publish(&self, made: &Path, to: &Path) -> Result<(), CacheError> {
        if let Some(parent) = to.parent() {
            make_dir(parent)?;
        }
        // Without this a crash of the machine can leave a file of the right name with nothing in it.
        if let Ok(file) = File::open(made)
            && made.is_file()
        {
            file.sync_all().map_err(io("write", made))?;
        }
        std::fs::rename(made, to).map_err(io("write", to))
    }

    /// Takes the lock `name`. When another process holds it, `waiting` is called once.
    pub async fn lock(&self, name: &str, waiting: impl FnOnce()) -> Result<Lock, CacheError> {
        let path = self.lock_file(name)?;
        FileLock::take(&path, Mode::Exclusive, waiting)
            .await
            .map(|held| Lock { _held: held })
            .map_err(io("lock", &path))
    }

    /// Takes the lock `name` together with others that take it so.
    pub async fn lock_shared(&self, name: &str, waiting: impl FnOnce()) -> Result<Lock, CacheError> {
        let path = self.lock_file(name)?;
        FileLock::take(&path, Mode::Shared, waiting).await.map(|held| Lock { _held: held }).map_err(io("lock", &path))
    }

    /// Takes the lock `name` unless somebody holds it.
    pub fn try_lock(&self, name: &str) -> Result<Option<Lock>, CacheError> {
        let path = self.lock_file(name)?;
        Ok(FileLock::try_take(&path, Mode::Exclusive).map_err(io("lock", &path))?.map(|held| Lock { _held: held }))
    }

    fn lock_file(&self, name: &str) -> Result<PathBuf, CacheError> {
        let dir = self.root.join("locks");
        make_dir(&dir)?;
        Ok(dir.join(name.replace('/', "-")))
    }

    /// Reads a JSON document of the cache. One that is missing, torn or of another version is `None`: the cache can make it anew.
    #[must_use]
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let text = std::fs::read(self.root.join(name)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes a JSON document of the cache in one step.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), CacheError> {
        let path = self.root.join(name);
        let parent = path.parent().unwrap_or(&self.root).to_owned();
        make_dir(&parent)?;
        let mut file = unfinished::file_in(&parent).map_err(io("write in", &parent))?;
        serde_json::to_writer_pretty(file.as_file_mut(), value).map_err(|e| io("write", &path)(e.into()))?;
        file.persist(&path).map_err(io("write", &path))
    }

    /// Names of the files in a directory of the cache.
    #[must_use]
    pub fn names(&self, dir: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(dir)).into_iter().flatten();
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect()
    }
}

/// What tells that a file is still the one that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    /// The file.
    pub path: PathBuf,
    size: u64,
    modified_ns: u128,
}

impl Fingerprint {
    /// The fingerprint of a file that can be executed.
    #[must_use]
    pub fn of_executable(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
            return None;
        }
        let modified = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Some(Self { path: path.to_owned(), size: meta.len(), modified_ns: modified.as_nanos() })
    }

    /// Whether the file is unchanged.
    #[must_use]
    pub fn holds(&self) -> bool {
        Self::of_executable(&self.path).as_ref() == Some(self)
    }
}

/// Every executable of that name on PATH, in PATH's order.
#[must_use]
pub fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .filter(|file| Fingerprint::of_executable(file).is_some())
        .collect()
}

/// Reads a text file.
pub fn read_text(path: &Path) -> Result<String, CacheError> {
    std::fs::read_to_string(path).map_err(io("read", path))
}

/// Writes a file with its mode, and the directories above it.
pub fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), CacheError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    }
    std::fs::write(path, content).map_err(io("write", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io("change", path))
}

/// Makes a file one that can be executed.
pub fn make_executable(path: &Path) -> Result<(), CacheError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).map_err(io("change", path))
}

/// Copies a file to a new name with the mode given.
pub fn copy_file(from: &Path, to: &Path, mode: u32) -> Result<(), CacheError> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    }
    std::fs::copy(from, to).map_err(io("copy", from))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)).map_err(io("change", to))
}

fn prune(dir: &Path, keep: &BTreeSet<PathBuf>) -> u64 {
    let mut freed = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            freed += prune(&path, keep);
            // Only an empty one goes.
            let _ = std::fs::remove_dir(&path);
        } else if !keep.contains(&path) && std::fs::remove_file(&path).is_ok() {
            freed += meta.len();
        }
    }
    freed
}

/// Whether a file system is mounted below a directory.
fn is_mounted_below(dir: &Path) -> bool {
    // Without /proc nothing can be told, and then nothing is removed.
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return true };
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| Path::new(point).starts_with(dir))
}

fn make_dir(path: &Path) -> Result<(), CacheError> {
    create_private_dir(path).map_err(io("create", path))
}

fn remove(path: &Path) -> Result<(), CacheError> {
    let result = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Makes an error of an I/O error.
pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CacheError {
    let path = path.display().to_string();
    move |error| CacheError::Io { action, path, source: error.into() }
}

/// A cache for a test, which goes with the directory.
#[cfg(test)]
pub(crate) fn temporary() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let cache = Cache::at(dir.path().join("lab")).expect("a cache");
    (dir, cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_private() {
        let (_dir, cache) = temporary();
        let mode = std::fs::metadata(&cache.root).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn one_holder_of_a_lock() {
        let (_dir, cache) = temporary();
        let lock = cache.try_lock("a/b").expect("locks");
        assert!(lock.is_some());
        assert!(cache.try_lock("a/b").expect("locks").is_none());
        assert!(cache.try_lock("other").expect("locks").is_some());
        drop(lock);
        assert!(cache.try_lock("a/b").expect("locks").is_some());
    }

    #[tokio::test]
    async fn users_share_a_lock_that_a_remover_does_not_get() {
        let (_dir, cache) = temporary();
        let one = cache.lock_shared("use", || ()).await.expect("locks");
        let other = cache.lock_shared("use", || ()).await.expect("locks");
        assert!(cache.try_lock("use").expect("tries").is_none());
        drop((one, other));
        assert!(cache.try_lock("use").expect("tries").is_some());
    }

    #[test]
    fn only_what_is_to_keep_stays() {
        let (_dir, cache) = temporary();
        let (keep, drop) = (cache.artifact("go/a/a", "0"), cache.artifact("go/b/b", "1"));
        write_file(&keep, b"keep", 0o755).expect("writes");
        write_file(&drop, b"drop it", 0o755).expect("writes");
        assert_eq!(cache.prune_artifacts(&BTreeSet::from([keep.clone()])), 7);
        assert!(keep.exists() && !cache.root.join("artifacts/go/b").exists());
    }

    #[test]
    fn torn_json_is_as_good_as_none() {
        let (_dir, cache) = temporary();
        cache.write_json("d/x.json", &vec![1, 2]).expect("writes");
        assert_eq!(cache.read_json::<Vec<u8>>("d/x.json"), Some(vec![1, 2]));
        std::fs::write(cache.root.join("d/x.json"), "[1,").expect("writes");
        assert_eq!(cache.read_json::<Vec<u8>>("d/x.json"), None);
    }

    #[test]
    fn scratch_is_empty_after_an_interruption() {
        let (_dir, cache) = temporary();
        let first = cache.scratch("job").expect("scratch");
        std::fs::write(first.join("half"), "x").expect("writes");
        let second = cache.scratch("job").expect("scratch");
        assert_eq!(std::fs::read_dir(second).expect("reads").count(), 0);
        assert!(!first.exists());
    }
}
