//! Temporary files and directories. They are gone when they are dropped, and also when the process ends while another thread still writes them.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{NamedTempFile, TempDir};

/// A temporary file or directory.
#[derive(Debug)]
pub struct Unfinished<T> {
    inner: T,
    // After what it names: a field is dropped after those above it.
    _listed: Listed,
}

impl<T> Deref for Unfinished<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Unfinished<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl Unfinished<NamedTempFile> {
    /// Gives the file its name. What had the name is replaced in one step.
    pub fn persist(self, to: &Path) -> io::Result<()> {
        self.inner.persist(to).map(|_| ()).map_err(|e| e.error)
    }
}

impl Unfinished<TempDir> {
    /// Gives the directory its name, which nothing may have.
    pub fn persist(self, to: &Path) -> io::Result<()> {
        std::fs::rename(self.inner.path(), to)?;
        let _ = self.inner.keep();
        Ok(())
    }
}

/// A new file in `dir`, which only this user can read.
pub fn file_in(dir: &Path) -> io::Result<Unfinished<NamedTempFile>> {
    LIST.add(|| NamedTempFile::new_in(dir), NamedTempFile::path)
}

/// A new file in `dir`, with the permissions that the user's umask leaves.
pub fn shared_file_in(dir: &Path) -> io::Result<Unfinished<NamedTempFile>> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = std::fs::Permissions::from_mode(0o666);
    LIST.add(|| tempfile::Builder::new().permissions(permissions).tempfile_in(dir), NamedTempFile::path)
}

/// A new directory where the machine has those, which only this user can read.
pub fn dir() -> io::Result<Unfinished<TempDir>> {
    LIST.add(|| private_dir().tempdir(), TempDir::path)
}

/// A new directory in `parent`, which only this user can read.
pub fn dir_in(parent: &Path) -> io::Result<Unfinished<TempDir>> {
    LIST.add(|| private_dir().tempdir_in(parent), TempDir::path)
}

/// Without it a directory has the permissions that the user's umask leaves.
fn private_dir() -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::fs::Permissions::from_mode(0o700));
    builder
}

/// Removes all that is unfinished, whichever thread works on it. To be called as the process ends: nothing new can be begun afterwards.
pub fn remove_all() {
    LIST.remove_all();
}

static LIST: List = List(Mutex::new(Some(BTreeSet::new())));

/// Paths of what is unfinished; none once the process ends.
#[derive(Debug)]
struct List(Mutex<Option<BTreeSet<PathBuf>>>);

impl List {
    /// Makes something and lists it. What is made is listed before [`Self::remove_all`] can look.
    fn add<T>(
        &'static self,
        make: impl FnOnce() -> io::Result<T>,
        path: impl FnOnce(&T) -> &Path,
    ) -> io::Result<Unfinished<T>> {
        let mut guard = self.lock();
        let Some(paths) = guard.as_mut() else { return Err(io::Error::other("lab is ending")) };
        let inner = make()?;
        let path = path(&inner).to_owned();
        paths.insert(path.clone());
        Ok(Unfinished { inner, _listed: Listed { list: self, path } })
    }

    fn remove_all(&self) {
        for path in self.lock().take().into_iter().flatten() {
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            // One that has just got its name, or is gone, needs no removing; and there is nobody left to tell about another.
            let _ = removed;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<PathBuf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line of the list.
struct Listed {
    list: &'static List,
    path: PathBuf,
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(paths) = self.list.lock().as_mut() {
            paths.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfinished_when_the_process_ends_is_removed_and_nothing_else_is() {
        static OWN: List = List(Mutex::new(Some(BTreeSet::new())));
        let dir = tempfile::tempdir().expect("a directory");
        let add = || OWN.add(|| NamedTempFile::new_in(dir.path()), NamedTempFile::path);
        let names = || std::fs::read_dir(dir.path()).expect("reads").count();
        let done = dir.path().join("done");
        add().expect("a file").persist(&done).expect("named");
        drop(add().expect("a file"));
        assert_eq!(names(), 1);
        let (half, folder) = (add().expect("a file"), OWN.add(|| TempDir::new_in(dir.path()), TempDir::path));
        std::fs::write(folder.as_ref().expect("a directory").path().join("key"), "").expect("writes");
        assert_eq!(names(), 3);
        OWN.remove_all();
        assert_eq!(names(), 1);
        assert!(done.exists() && half.persist(&dir.path().join("late")).is_err());
        assert!(add().is_err() && names() == 1);
    }
}
