//! The files under `stack/`, embedded in the binary, so that an installed `lab` needs no checkout.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use bytes::Bytes;

/// One file or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file: its permissions and its content.
    File(u32, Bytes),
    /// A symbolic link and its target.
    Link(String),
    /// A directory that holds nothing else.
    Dir,
}

/// Files by their path, which is relative and has no leading `./`.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// What was under `stack/` when this binary was built, as `build.rs` packs it.
pub(super) const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stack.tar"));

/// A file whose only purpose is to keep an empty directory in Git.
const KEEP: &str = ".keep";

impl Tree {
    /// What was under `stack/` when this binary was built.
    pub fn embedded() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(|| {
            // The archive is part of the binary and read by every unit test; an unreadable one is an empty tree, in which nothing is found.
            Self::from_tar(EMBEDDED).unwrap_or_default()
        })
    }

    fn from_tar(bytes: &'static [u8]) -> std::io::Result<Self> {
        let mut nodes = BTreeMap::new();
        for entry in tar::Archive::new(bytes).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_end_matches('/').to_owned();
            let node = match entry.header().entry_type() {
                tar::EntryType::Directory => Node::Dir,
                tar::EntryType::Symlink => {
                    Node::Link(entry.link_name()?.unwrap_or_default().to_string_lossy().into_owned())
                }
                _ if Path::new(&path).file_name().is_some_and(|n| n == KEEP) => continue,
                _ => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content)?;
                    Node::File(entry.header().mode()?, content.into())
                }
            };
            nodes.insert(path, node);
        }
        Ok(Self { nodes })
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.nodes.get(path)? {
            Node::File(_, content) => std::str::from_utf8(content).ok(),
            Node::Link(_) | Node::Dir => None,
        }
    }

    /// A file by itself, or all that is below a directory; paths are relative to `path`, and empty for `path` itself.
    #[must_use]
    pub fn below(&self, path: &str) -> Vec<(&str, &Node)> {
        let path = path.trim_end_matches('/');
        let prefix = format!("{path}/");
        self.nodes
            .iter()
            .filter_map(|(name, node)| {
                if name == path {
                    return (*node != Node::Dir).then_some(("", node));
                }
                name.strip_prefix(&prefix).map(|rest| (rest, node))
            })
            .collect()
    }

    /// Whether there is a file or a directory of that path.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(path.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_stack() {
        let tree = Tree::embedded();
        assert!(tree.text("stack.yaml").is_some_and(|t| t.contains("kubernetes:")));
        assert!(tree.contains("go"));
        assert!(!tree.below("node").is_empty());
        assert!(tree.below("node").iter().all(|(path, _)| !path.ends_with(KEEP)));
    }

    #[test]
    fn keeps_what_may_be_executed() {
        let scripts = Tree::embedded().below("node").into_iter();
        for (path, node) in scripts {
            if let Node::File(mode, content) = node {
                assert!(!content.starts_with(b"#!") || mode & 0o111 != 0, "{path} is a script and cannot be executed");
            }
        }
    }
}
