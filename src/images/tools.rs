//! The programs that lab runs: from PATH when their version is the pinned one, otherwise built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::stack::Tool;
use super::workshop::Workshop;
use crate::sys::cache::{Fingerprint, on_path};
use crate::sys::process::Process;

/// Document of the cache with what programs on PATH have said about their version.
const SEEN: &str = "tools.json";

/// A program that hangs when asked for its version is not the one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program has said about its version, while its file is the same.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Seen {
    file: Fingerprint,
    said: String,
}

/// The program on PATH whose version is the pinned one.
pub(super) async fn on_this_machine(shop: &Workshop<'_>, name: &str, tool: &Tool) -> Option<PathBuf> {
    for path in on_path(name) {
        if let Some(said) = version(shop, &path, tool).await
            && says(&said, &tool.version)
        {
            return Some(path);
        }
    }
    None
}

/// What a program says about its version.
async fn version(shop: &Workshop<'_>, path: &Path, tool: &Tool) -> Option<String> {
    let file = Fingerprint::of_executable(path)?;
    let mut seen: BTreeMap<PathBuf, Seen> = shop.cache.read_json(SEEN).unwrap_or_default();
    if let Some(known) = seen.get(path).filter(|s| s.file == file) {
        return Some(known.said.clone());
    }
    let asked = Process::new(path).args(&tool.version_args).output();
    let said = tokio::time::timeout(PATIENCE, asked).await.ok()?.unwrap_or_default();
    seen.insert(path.to_owned(), Seen { file, said: said.clone() });
    // Without it the program is asked again next time.
    let _ = shop.cache.write_json(SEEN, &seen);
    Some(said)
}

/// Whether the version is one of the words that a program prints.
fn says(output: &str, version: &str) -> bool {
    let bare = |v: &str| v.strip_prefix('v').unwrap_or(v).to_owned();
    output.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"')).any(|word| bare(word) == bare(version))
}

#[cfg(test)]
mod tests {
    use super::says;

    #[test]
    fn versions_are_whole_words() {
        assert!(says("kind v0.33.0 go1.26.8 linux/amd64\n", "v0.33.0"));
        assert!(says("kind 0.33.0", "v0.33.0"));
        assert!(!says("kind v0.33.0-alpha+1 go1.26", "v0.33.0"));
        assert!(!says("kind v0.33.01", "v0.33.0"));
        assert!(says("1.32-dev\n", "1.32-dev"));
        assert!(says("client version: 1.32-dev\n", "1.32-dev"));
        assert!(!says("", "1.32-dev"));
    }
}
