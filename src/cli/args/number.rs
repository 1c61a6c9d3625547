//! Numbers on the command line: what is none is told in words of what was asked for.

/// Reads whole seconds.
pub(super) fn seconds(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| "give whole seconds, such as 30".to_owned())
}

/// Reads how many lines.
pub(super) fn lines(word: &str) -> Result<i64, String> {
    word.parse().ok().filter(|lines| *lines >= 0).ok_or_else(|| "give how many lines, such as 100".to_owned())
}
