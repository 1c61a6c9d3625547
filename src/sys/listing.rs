//! What is below a directory.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// One file, directory or symbolic link below a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    /// Its path in that directory.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Its permissions.
    pub mode: u32,
    /// Bytes of a file.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: i128,
}

/// What something in a directory is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, and where it leads.
    Link(PathBuf),
}

/// All that is below a directory, each directory before what is in it, in the order of names. Links are not followed; sockets, pipes and devices are
/// left out, and so is a directory that `is_out` holds for, with all that is in it.
///
/// # Errors
/// A directory cannot be read.
pub fn below(root: &Path, is_out: impl Fn(&Path) -> bool) -> io::Result<Vec<Listed>> {
    let (mut all, mut left) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(root.join(&directory))? {
            let path = directory.join(entry?.file_name());
            let meta = match std::fs::symlink_metadata(root.join(&path)) {
                // What is gone since the look is not there.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                meta => meta?,
            };
            let kind = if meta.is_dir() {
                if is_out(&path) {
                    continue;
                }
                left.push(path.clone());
                Kind::Directory
            } else if meta.is_symlink() {
                Kind::Link(std::fs::read_link(root.join(&path))?)
            } else if meta.is_file() {
                Kind::File
            } else {
                continue;
            };
            let modified = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
            all.push(Listed { path, kind, mode: meta.mode() & 0o7777, size: meta.len(), modified });
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_before_what_is_in_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |path: &str| dir.path().join(path);
        std::fs::create_dir_all(at("a/b")).expect("makes");
        std::fs::create_dir_all(at("out/x")).expect("makes");
        std::fs::write(at("a/b/c"), "123").expect("writes");
        std::os::unix::fs::symlink("a/b/c", at("link")).expect("links");
        let all = below(dir.path(), |path| path == Path::new("out")).expect("lists");
        let paths: Vec<_> = all.iter().map(|l| l.path.display().to_string()).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c", "link"]);
        assert_eq!((all[2].size, &all[3].kind), (3, &Kind::Link(PathBuf::from("a/b/c"))));
    }
}
