//! Locks of files. A lock ends when it is dropped, or with the process that holds it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock that another process holds is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Who may hold a lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One holder.
    Exclusive,
    /// All that take it so.
    Shared,
}

/// A lock that is held.
#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock of the file at `path`, which is made if it is not there. `on_wait` is called once when somebody else holds it.
    pub async fn take(path: &Path, mode: Mode, on_wait: impl FnOnce()) -> io::Result<Self> {
        let mut on_wait = Some(on_wait);
        loop {
            if let Some(lock) = Self::try_take(path, mode)? {
                return Ok(lock);
            }
            if let Some(on_wait) = on_wait.take() {
                on_wait();
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The same without waiting: `None` when somebody else holds it.
    pub fn try_take(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        loop {
            let file = File::options().create(true).append(true).mode(0o600).open(path)?;
            let locked = match mode {
                Mode::Exclusive => file.try_lock(),
                Mode::Shared => file.try_lock_shared(),
            };
            match locked {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let lock = Self { file, path: path.to_owned() };
            // Who held it may have removed the file since it was opened, and then the next to come would lock another.
            if lock.is_of_its_path() {
                return Ok(Some(lock));
            }
        }
    }

    /// Removes the file; those who wait for it make a new one.
    pub fn remove_file(&self) {
        if self.is_of_its_path() {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn is_of_its_path(&self) -> bool {
        let identity = |m: std::fs::Metadata| (m.dev(), m.ino());
        let (own, there) = (self.file.metadata().map(identity), std::fs::metadata(&self.path).map(identity));
        matches!((own, there), (Ok(own), Ok(there)) if own == there)
    }
}
