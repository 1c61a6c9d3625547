//! What users give lab to read: bounded in size, and never anything that could keep lab waiting.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::words;

/// Most bytes of one file.
pub const FILE_LIMIT: u64 = 4 << 20;
/// Most bytes of all files of a scenario together, its own included.
pub const TOTAL_LIMIT: u64 = 16 << 20;

/// Where this process finds its own descriptors, as `lab up <(generate)` and `lab up /dev/stdin` name them.
const DESCRIPTORS: [&str; 3] = ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"];

/// Magic numbers of file systems whose files the kernel makes up while they are read, some of them without an end: proc, sysfs, debugfs, tracefs, and
/// control groups of both versions.
const MADE_UP: [i128; 6] = [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x0027_e0eb, 0x6367_7270];

/// Why a file was not read.
#[derive(Debug)]
pub enum Refused {
    /// Nothing is there.
    Missing,
    /// It is something else than a file; what it is.
    NotAFile(&'static str),
    /// It is larger than this many bytes.
    TooLarge(u64),
    /// It cannot be read.
    Failed(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::NotAFile(what) => write!(f, "it is {what}, not a file"),
            Self::TooLarge(limit) if limit.is_multiple_of(1 << 20) => {
                write!(f, "it is larger than {} MiB", limit >> 20)
            }
            Self::TooLarge(limit) => write!(f, "it is larger than the {limit} bytes that the other files leave"),
            Self::Failed(error) => f.write_str(&words::io_error(error)),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Missing } else { Self::Failed(error) }
    }
}

/// Reads a file of at most `limit` bytes. Symbolic links are followed; what they lead to must be a regular file that is stored somewhere.
///
/// # Errors
/// There is none, it is larger, or it cannot be read. Nothing but a regular file is ever opened.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Refused> {
    bounded(open(path)?, limit)
}

/// Opens a file of any size, which its reader must bound.
///
/// # Errors
/// As [`read`].
pub fn open(path: &Path) -> Result<File, Refused> {
    regular(&std::fs::metadata(path)?)?;
    let stat = rustix::fs::statfs(path).map_err(io::Error::from)?;
    // Wide enough for the type of this number on every machine.
    if MADE_UP.contains(&i128::from(stat.f_type)) {
        return Err(Refused::NotAFile("a view into the kernel"));
    }
    // Between the look and the opening something else may have taken its place: opening must not wait either.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a scenario: a file, or a pipe that this process was started with. A pipe may keep its reader waiting, so call this beside what must go on.
///
/// # Errors
/// As [`read`].
pub fn read_or_pipe(path: &Path, limit: u64) -> Result<Vec<u8>, Refused> {
    if is_own(path) && std::fs::metadata(path)?.file_type().is_fifo() {
        return bounded(File::open(path)?, limit);
    }
    read(path, limit)
}

/// Whether a path names what this process was started with.
#[must_use]
pub fn is_own(path: &Path) -> bool {
    DESCRIPTORS.iter().any(|own| path.as_os_str().to_string_lossy().starts_with(own))
}

fn bounded(file: File, limit: u64) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    // The size that a file system tells is not asked: a file may grow.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Refused::Failed)?;
    if bytes.len() as u64 > limit { Err(Refused::TooLarge(limit)) } else { Ok(bytes) }
}

fn regular(meta: &Metadata) -> Result<(), Refused> {
    let kind = meta.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(Refused::NotAFile(if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path, limit: u64) -> String {
        read(path, limit).map(|bytes| bytes.len()).expect_err("refused").to_string()
    }

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a.yaml");
        std::fs::write(&file, "12345").expect("writes");
        let link = dir.path().join("link.yaml");
        std::os::unix::fs::symlink(&file, &link).expect("links");
        assert_eq!(read(&link, 5).expect("reads"), b"12345");
        assert_eq!(refusal(&file, 4), "it is larger than the 4 bytes that the other files leave");
        assert_eq!(refusal(&dir.path().join("none"), 4), "it is not there");
        assert_eq!(refusal(dir.path(), 4), "it is a directory, not a file");
    }

    #[test]
    fn what_has_no_end_or_would_wait_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .expect("makes a pipe");
        assert_eq!(refusal(&pipe, 4), "it is a named pipe, not a file");
        assert_eq!(refusal(Path::new("/dev/zero"), 4), "it is a device, not a file");
        assert_eq!(refusal(Path::new("/proc/self/status"), 4), "it is a view into the kernel, not a file");
    }
}
