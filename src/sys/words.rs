//! What the machine and libraries say went wrong, in plain words.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Deref;

use rustix::io::Errno;

/// An I/O error in plain words, without the number that the kernel has for it.
#[must_use]
pub fn io_error(error: &io::Error) -> String {
    // What was said by whoever made the error is more than its kind.
    if let Some(inner) = error.get_ref() {
        return of(inner);
    }
    let words = match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "there is no such file or directory",
        Some(Errno::ACCESS | Errno::PERM) => "permission denied: this user may not do that",
        Some(Errno::NOSPC) => "no space is left on its disk",
        Some(Errno::DQUOT) => "this user's disk quota is used up",
        Some(Errno::ROFS) => "its file system is read-only",
        Some(Errno::LOOP) => "too many symbolic links: they lead in a circle",
        Some(Errno::NAMETOOLONG) => "the name is too long",
        Some(Errno::NOTDIR) => "a part of the path is not a directory",
        Some(Errno::ISDIR) => "it is a directory",
        Some(Errno::MFILE | Errno::NFILE) => "too many files are open: raise the limit with `ulimit -n`",
        Some(Errno::NOMEM) => "the machine has no memory left",
        Some(Errno::IO) => "its disk failed",
        Some(Errno::NOEXEC) => "it is not a program that this machine can run",
        Some(Errno::CONNREFUSED) => "nothing listens there: the connection was refused",
        Some(Errno::CONNRESET) => "the connection was cut by the other side",
        Some(Errno::HOSTUNREACH | Errno::NETUNREACH) => "there is no route to it",
        Some(Errno::TIMEDOUT) => "it did not answer in time",
        _ => return without_number(&error.to_string()),
    };
    words.to_owned()
}

/// An I/O error that is shown in plain words. What errors have as their source is this, so that nobody who shows them has to think of it.
pub struct Io(io::Error);

impl From<io::Error> for Io {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl Deref for Io {
    type Target = io::Error;

    fn deref(&self) -> &io::Error {
        &self.0
    }
}

impl fmt::Display for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&io_error(&self.0))
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Io {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The innermost cause of a library's error: it says what happened, the outer ones only that something did.
#[must_use]
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    // An I/O error that holds another has the source of that one, not it.
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return innermost(inner);
    }
    error.source().map_or_else(|| of(error), innermost)
}

/// Any error in plain words: its own text, or those of the I/O error that it is.
#[must_use]
pub fn of(error: &(dyn Error + 'static)) -> String {
    error.downcast_ref::<io::Error>().map_or_else(|| without_number(&error.to_string()), io_error)
}

/// Takes what no user can use out of a library's text: the kernel's numbers of errors, as in `Connection refused (os error 111)`, and addresses of its
/// documentation.
#[must_use]
pub fn without_number(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        left.push_str(before);
        let number = after.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(after.len());
        rest = after[number..].strip_prefix(')').unwrap_or(&after[number..]);
    }
    left.push_str(rest);
    // A page of a library's documentation is of use to its programmers only.
    if let Some((before, _)) = left.split_once(": https://docs.rs/") {
        return before.to_owned();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_the_kernel_has_its_number_in_its_words() {
        for number in 1..=133 {
            let error = io::Error::from_raw_os_error(number);
            let words = io_error(&error);
            assert!(!words.contains("os error") && !words.is_empty(), "{number}: {words}");
            let wrapped = io::Error::new(error.kind(), format!("a.yaml: {error}"));
            assert!(!io_error(&wrapped).contains("os error"));
            let inner = innermost(&io::Error::other(io::Error::other(error)));
            assert_eq!(inner, words);
        }
    }

    #[test]
    fn only_numbers_are_taken_out() {
        assert_eq!(without_number("a: b (os error 111); c (os error -2)!"), "a: b; c!");
        assert_eq!(without_number("a (b)"), "a (b)");
        assert_eq!(without_number("peer closed: https://docs.rs/x"), "peer closed");
        assert_eq!(io_error(&io::ErrorKind::IsADirectory.into()), "is a directory");
    }
}
