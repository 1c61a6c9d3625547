//! `.dockerignore`: which files of a directory the engine does not get. Pure.

/// The patterns of a `.dockerignore`, or none. Of those that match a path the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// Whether it begins with `!`: what it matches is there after all.
    keeps: bool,
    text: Vec<char>,
}

impl Ignored {
    /// Reads the file: a pattern a line, without empty lines and those that begin with `#`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.starts_with('#'));
        Self { patterns: lines.filter_map(Pattern::parse).collect() }
    }

    /// The same with further patterns at its end.
    #[must_use]
    pub fn and(mut self, patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.patterns.extend(patterns.into_iter().filter_map(|pattern| Pattern::parse(pattern.as_ref())));
        self
    }

    /// Whether a path is left out. It is relative, its parts are divided by `/`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let last = self.patterns.iter().rfind(|pattern| pattern.matches(path));
        last.is_some_and(|pattern| !pattern.keeps)
    }

    /// Whether a directory is left out with all that can be in it.
    #[must_use]
    pub fn has_whole(&self, directory: &str) -> bool {
        self.has(directory) && !self.patterns.iter().any(|pattern| pattern.keeps)
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (keeps, path) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        (!parts.is_empty()).then(|| Self { keeps, text: parts.join("/").chars().collect() })
    }

    /// Whether it matches the path, or a directory that the path is in.
    fn matches(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.into_iter().any(|end| {
            let part: Vec<char> = path[..end].chars().collect();
            Attempt { pattern: &self.text, path: &part, failed: vec![false; (self.text.len() + 1) * (part.len() + 1)] }
                .is_match(0, 0)
        })
    }
}

/// One pattern against one path. What did not match once is not tried again, so that no pattern takes long.
struct Attempt<'a> {
    pattern: &'a [char],
    path: &'a [char],
    failed: Vec<bool>,
}

impl Attempt<'_> {
    fn is_match(&mut self, at: usize, from: usize) -> bool {
        let place = at * (self.path.len() + 1) + from;
        if self.failed[place] {
            return false;
        }
        let matches = self.try_match(at, from);
        self.failed[place] = !matches;
        matches
    }

    fn try_match(&mut self, at: usize, from: usize) -> bool {
        let (pattern, path) = (self.pattern, self.path);
        match pattern.get(at..).unwrap_or_default() {
            [] => from == path.len(),
            // No directory, or any number of them.
            ['*', '*', '/', ..] => {
                self.is_match(at + 3, from)
                    || (from..path.len()).any(|i| path[i] == '/' && self.is_match(at + 3, i + 1))
            }
            ['*', '*', ..] => (from..=path.len()).any(|i| self.is_match(at + 2, i)),
            ['*', ..] => {
                let end = path[from..].iter().position(|c| *c == '/').map_or(path.len(), |len| from + len);
                (from..=end).any(|i| self.is_match(at + 1, i))
            }
            ['?', ..] => path.get(from).is_some_and(|c| *c != '/') && self.is_match(at + 1, from + 1),
            ['[', rest @ ..] => match (class(rest), path.get(from)) {
                (Some((class, len)), Some(c)) => *c != '/' && class.has(*c) && self.is_match(at + 1 + len, from + 1),
                // It is no class without its end.
                (None, Some('[')) => self.is_match(at + 1, from + 1),
                _ => false,
            },
            ['\\', c, ..] => path.get(from) == Some(c) && self.is_match(at + 2, from + 1),
            [c, ..] => path.get(from) == Some(c) && self.is_match(at + 1, from + 1),
        }
    }
}

/// What stands between brackets.
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != self.negated
    }
}

/// The class after an opening bracket, and how long it is with its closing one.
fn class(text: &[char]) -> Option<(Class, usize)> {
    let negated = text.first().is_some_and(|c| matches!(c, '^' | '!'));
    let (mut at, mut ranges) = (usize::from(negated), Vec::new());
    let one = |at: &mut usize| {
        *at += usize::from(text.get(*at) == Some(&'\\'));
        let c = text.get(*at).copied();
        *at += 1;
        c
    };
    loop {
        if text.get(at) == Some(&']') && !ranges.is_empty() {
            return Some((Class { negated, ranges }, at + 1));
        }
        let first = one(&mut at)?;
        let last = if text.get(at) == Some(&'-') && text.get(at + 1).is_some_and(|c| *c != ']') {
            at += 1;
            one(&mut at)?
        } else {
            first
        };
        ranges.push((first, last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_left_out_as_docker_does_it() {
        for (patterns, left_out, there) in [
            ("", &[][..], &["a", "a/b"][..]),
            ("# a\n\n  a  \n", &["a", "a/b"], &["b", "b/a", "ab"]),
            ("/a/\n./c", &["a/b", "c"], &["b/a"]),
            ("*.md\n!README.md", &["a.md"], &["README.md", "docs/a.md"]),
            ("**/*.md", &["a.md", "docs/a.md", "x/y/z.md"], &["a.mdx"]),
            ("docs/**/draft", &["docs/draft", "docs/a/b/draft/x"], &["draft", "docs/drafts"]),
            ("*\n!hello", &["main.go", "k8s/a.yaml"], &["hello"]),
            ("*\n!src/**\nsrc/*.o", &["x", "src/a.o"], &["src/a.c", "src/deep/a.o"]),
            ("a?c\n[x-z]1\n[^a]2\n\\*", &["abc", "y1", "b2", "*"], &["a/c", "a1", "a2", "q"]),
            ("[a", &["[a"], &["a"]),
            ("**", &["a", "a/b"], &[]),
            ("a/../b", &["b"], &["a"]),
        ] {
            let ignored = Ignored::parse(patterns);
            for path in left_out {
                assert!(ignored.has(path), "{patterns:?} {path}");
            }
            for path in there {
                assert!(!ignored.has(path), "{patterns:?} {path}");
            }
        }
    }

    #[test]
    fn a_directory_is_passed_over_whole_unless_something_in_it_may_be_kept() {
        assert!(Ignored::parse("target").has_whole("target"));
        assert!(!Ignored::parse("*\n!target/hello").has_whole("target"));
        assert!(Ignored::parse("a").and(["b/**"]).has_whole("b/c"));
    }

    #[test]
    fn no_pattern_takes_long() {
        let path = "a".repeat(200);
        assert!(!Ignored::parse(&format!("{}b", "*a".repeat(40))).has(&path));
        assert!(!Ignored::parse(&format!("{}b", "**a".repeat(40))).has(&path));
    }
}
