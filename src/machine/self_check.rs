//! `self-check`: whether this installation of lab is whole, before any engine is asked.

use std::path::Path;

use crate::images;
use crate::sys::cache::Cache;
use crate::sys::process::Process;
use crate::sys::state::State;
use crate::sys::{cache, fs};
use crate::verdict::Judgement;

/// The sums of a release's files, in the directory of its binary.
const SUMS: &str = "SHA256SUMS";
const AGAIN: &str = "install lab again";

/// Judges the installation whose binary is `binary`.
pub async fn look(binary: &Path) -> Vec<Judgement> {
    let dir = binary.parent().unwrap_or(Path::new("."));
    vec![stack(), files(dir), starts_programs(binary).await, state(), kept()]
}

fn stack() -> Judgement {
    match images::identity() {
        Ok(stack) => Judgement::ok("stack", format!("{}, digest {}", stack.kubernetes, stack.digest)),
        Err(error) => Judgement::failure("stack", error.to_string(), AGAIN),
    }
}

/// The files that a release consists of. An installation by cargo is the binary alone.
fn files(dir: &Path) -> Judgement {
    let list = dir.join(SUMS);
    if !fs::is_file(&list) {
        return Judgement::ok("files", "the binary is all: it was not installed from a release");
    }
    let text = match cache::read_text(&list) {
        Ok(text) => text,
        Err(error) => return Judgement::failure("files", error.to_string(), AGAIN),
    };
    let wrong = wrong(&text, |file| images::file_digest(&dir.join(file)).ok());
    if wrong.is_empty() {
        return Judgement::ok("files", format!("{} files are as released", text.lines().count()));
    }
    Judgement::failure("files", format!("not as released: {}", wrong.join(", ")), AGAIN)
}

/// The files of a list as `sha256sum` writes it that have another sum, or none.
fn wrong(list: &str, sum: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let entries = list.lines().map(|line| line.split_once("  ").unwrap_or((line, "")));
    entries.filter(|(wanted, file)| sum(file).as_deref() != Some(wanted)).map(|(_, file)| file.to_owned()).collect()
}

/// lab starts every program by its own binary, which must be there still, and on a file system that lets programs run. It is also the one program that
/// is there wherever lab is.
async fn starts_programs(binary: &Path) -> Judgement {
    match Process::new(binary).args(["version"]).output().await {
        Ok(_) => Judgement::ok("programs", "programs start, and end with lab"),
        Err(error) => Judgement::failure(
            "programs",
            error.to_string(),
            "put lab's binary where programs may be run, and leave it there",
        ),
    }
}

fn state() -> Judgement {
    match State::open().and_then(|state| state.names()) {
        Ok(labs) => Judgement::ok(
            "state",
            match labs.len() {
                1 => "1 lab is known".to_owned(),
                many => format!("{many} labs are known"),
            },
        ),
        Err(error) => Judgement::failure("state", error.to_string(), "let XDG_STATE_HOME, or ~/.local/state, be yours"),
    }
}

fn kept() -> Judgement {
    match Cache::open() {
        Ok(_) => Judgement::ok("cache", "tools and images can be kept"),
        Err(error) => Judgement::failure("cache", error.to_string(), "let XDG_CACHE_HOME, or ~/.cache, be yours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_changed_or_gone_is_named() {
        let list = "aa  lab\nbb  man/lab.1\ncc  LICENSE\n";
        let sums = |file: &str| match file {
            "lab" => Some("aa".to_owned()),
            "LICENSE" => Some("other".to_owned()),
            _ => None,
        };
        assert_eq!(wrong(list, sums), ["man/lab.1", "LICENSE"]);
        assert!(wrong("aa  lab\n", sums).is_empty());
        assert_eq!(wrong("torn", sums), [""]);
    }
}
