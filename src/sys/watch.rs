//! Waits for files below a directory to change, by the kernel's own word (inotify).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

/// Changes that come within this time after another belong to one: editors write a file in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// What goes on changing is told after this long.
const LONGEST: Duration = Duration::from_millis(600);

/// What of a file is a change: it was written and closed, it came or it went.
const CHANGES: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

/// Whether a path in the directory is left out.
type IsOut = Box<dyn Fn(&Path) -> bool + Send + Sync>;

/// A directory with all that is in it.
pub struct Watch {
    root: PathBuf,
    is_out: IsOut,
    queue: AsyncFd<OwnedFd>,
    /// The watched directories, in the root, by the kernel's number.
    directories: HashMap<i32, PathBuf>,
    /// What has changed and was not told yet.
    changed: BTreeSet<PathBuf>,
}

impl Watch {
    /// Begins to watch. Paths are told as they are in `root`; what `is_out` holds for is not told, nor is anything in such a directory. Links are not
    /// followed.
    ///
    /// # Errors
    /// The directory cannot be read, or the kernel watches no more directories for this user.
    pub fn of(root: &Path, is_out: impl Fn(&Path) -> bool + Send + Sync + 'static) -> io::Result<Self> {
        let queue = registered(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)?;
        let mut watch = Self {
            root: root.to_owned(),
            is_out: Box::new(is_out),
            queue,
            directories: HashMap::new(),
            changed: BTreeSet::new(),
        };
        watch.add(PathBuf::new())?;
        watch.changed.clear();
        Ok(watch)
    }

    /// What has changed since it was asked last, once there is anything and it has come to rest.
    ///
    /// # Errors
    /// The directory is gone, or a new one in it cannot be watched.
    pub async fn changes(&mut self) -> io::Result<BTreeSet<PathBuf>> {
        while self.changed.is_empty() {
            self.wait().await?;
        }
        let end = Instant::now() + LONGEST;
        loop {
            let quiet = (Instant::now() + QUIET).min(end);
            let before = self.changed.len();
            match timeout_at(quiet, self.wait()).await {
                Ok(Ok(())) if Instant::now() < end || self.changed.len() > before => {}
                Ok(Err(error)) => return Err(error),
                _ => return Ok(std::mem::take(&mut self.changed)),
            }
        }
    }

    /// What has changed since it was asked last; nothing if nothing has.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub fn changed(&mut self) -> io::Result<BTreeSet<PathBuf>> {
        self.take()?;
        Ok(std::mem::take(&mut self.changed))
    }

    /// Waits for the next word of the kernel.
    async fn wait(&mut self) -> io::Result<()> {
        let mut ready = self.queue.readable().await?;
        // All of it is taken below, so that the next word is waited for.
        ready.clear_ready();
        drop(ready);
        self.take()
    }

    /// Takes all words of the kernel that are there.
    fn take(&mut self) -> io::Result<()> {
        let mut words = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = inotify::Reader::new(self.queue.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| std::ffi::OsStr::from_bytes(name.to_bytes()).to_owned());
                    words.push((event.wd(), event.events(), name));
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (number, events, name) in words {
            if events.contains(ReadFlags::QUEUE_OVERFLOW) {
                // Words are lost: everything may have changed, and new directories are looked for.
                self.changed.insert(PathBuf::new());
                self.add(PathBuf::new())?;
                continue;
            }
            if events.contains(ReadFlags::IGNORED) {
                let gone = self.directories.remove(&number);
                if gone.is_some_and(|path| path.as_os_str().is_empty()) {
                    return Err(io::Error::new(io::ErrorKind::NotFound, "the directory is gone"));
                }
                continue;
            }
            let (Some(directory), Some(name)) = (self.directories.get(&number), name) else { continue };
            let path = directory.join(name);
            if (self.is_out)(&path) {
                continue;
            }
            let came = events.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            if events.contains(ReadFlags::ISDIR) {
                if came {
                    self.add(path)?;
                } else {
                    self.changed.insert(path);
                }
            } else if !events.contains(ReadFlags::CREATE) || self.root.join(&path).is_symlink() {
                // A new file is written and closed later; a link is whole at once.
                self.changed.insert(path);
            }
        }
        Ok(())
    }

    /// Watches a directory and those in it. What is in it already has changed: it may have come before it was watched.
    fn add(&mut self, directory: PathBuf) -> io::Result<()> {
        let mut left = vec![directory];
        while let Some(directory) = left.pop() {
            let is_root = directory.as_os_str().is_empty();
            let number = match inotify::add_watch(self.queue.get_ref(), self.root.join(&directory), CHANGES) {
                Ok(number) => number,
                // It has gone again.
                Err(Errno::NOENT | Errno::NOTDIR) if !is_root => continue,
                Err(Errno::NOSPC) => {
                    return Err(io::Error::other(format!(
                        "the kernel watches no more directories for this user than {} (fs.inotify.max_user_watches)",
                        self.directories.len()
                    )));
                }
                Err(error) => return Err(error.into()),
            };
            self.directories.insert(number, directory.clone());
            let entries = match std::fs::read_dir(self.root.join(&directory)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && !is_root => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let path = directory.join(entry.file_name());
                if (self.is_out)(&path) {
                    continue;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    left.push(path);
                } else {
                    self.changed.insert(path);
                }
            }
        }
        Ok(())
    }
}

#[expect(
    deprecated,
    reason = "what took its place is unsafe; the descriptor is owned, and is closed no sooner than this value"
)]
fn registered(queue: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(watch: &mut Watch) -> Vec<String> {
        let changes = tokio::time::timeout(Duration::from_secs(10), watch.changes()).await.expect("in time");
        changes.expect("watched").iter().map(|path| path.display().to_string()).collect()
    }

    #[tokio::test]
    async fn what_is_written_is_told_once_it_is_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(at("a/b")).expect("makes");
        std::fs::create_dir(at("out")).expect("makes");
        std::fs::write(at("a/b/old"), "1").expect("writes");
        let mut watch = Watch::of(dir.path(), |path| path == Path::new("out")).expect("watches");
        assert!(watch.changed().expect("asks").is_empty(), "what was there before is no change");

        std::fs::write(at("a/b/old"), "2").expect("writes");
        std::fs::write(at("out/x"), "2").expect("writes");
        std::fs::write(at("new"), "2").expect("writes");
        assert_eq!(told(&mut watch).await, ["a/b/old", "new"]);

        // As editors save: a file beside it, which then takes its place.
        std::fs::write(at("new.tmp"), "3").expect("writes");
        std::fs::rename(at("new.tmp"), at("new")).expect("renames");
        assert!(told(&mut watch).await.contains(&"new".to_owned()));

        // A directory that comes is watched, with what came with it.
        std::fs::create_dir_all(at("c/d")).expect("makes");
        std::fs::write(at("c/d/first"), "1").expect("writes");
        assert_eq!(told(&mut watch).await, ["c/d/first"]);
        std::fs::write(at("c/d/second"), "1").expect("writes");
        std::fs::remove_file(at("c/d/first")).expect("removes");
        assert_eq!(told(&mut watch).await, ["c/d/first", "c/d/second"]);
    }

    #[tokio::test]
    async fn what_never_rests_is_told_all_the_same_and_a_directory_that_goes_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("root");
        std::fs::create_dir(&root).expect("makes");
        let mut watch = Watch::of(&root, |_| false).expect("watches");
        let file = root.join("a");
        let writer = tokio::spawn(async move {
            loop {
                if std::fs::write(&file, "x").is_err() {
                    return;
                }
                tokio::time::sleep(QUIET / 4).await;
            }
        });
        assert_eq!(told(&mut watch).await, ["a"]);
        writer.abort();
        let _ = writer.await;
        watch.changed().expect("asks");
        std::fs::remove_dir_all(&root).expect("removes");
        loop {
            if let Err(error) = watch.changes().await {
                assert_eq!(error.to_string(), "the directory is gone");
                break;
            }
        }
    }
}
