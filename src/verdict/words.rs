//! Lists and counts as a sentence has them.

use std::collections::BTreeMap;
use std::fmt::Display;

/// `a, b`; of nothing, `none`.
#[must_use]
pub fn names<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// `3 x a, 1 x b`; of nothing, `none`.
#[must_use]
pub fn counts<N: Display>(counts: &BTreeMap<String, N>) -> String {
    names(counts.iter().map(|(what, count)| format!("{count} x {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_sentences_do() {
        assert_eq!(names(["a", "b"]), "a, b");
        assert_eq!(names(Vec::<u16>::new()), "none");
        let errors = BTreeMap::from([("status 503: no".to_owned(), 10), ("no answer".to_owned(), 1)]);
        assert_eq!(counts(&errors), "1 x no answer, 10 x status 503: no");
    }
}
