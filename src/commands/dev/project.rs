//! What is developed, and where it runs.

use std::path::{Path, PathBuf};

use crate::images::context::Recipe;

/// A directory, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Project {
    /// The directory, without links in its path.
    pub directory: PathBuf,
    /// What manifests call the image.
    pub image: String,
    /// How the image comes about.
    pub recipe: Recipe,
    /// What is run in the directory before.
    pub command: Option<String>,
    /// Where the manifests are, in the directory.
    pub manifests: Vec<String>,
    /// The clusters that get it.
    pub clusters: Vec<String>,
}

impl Project {
    /// Whether a path in the directory is one of the manifests, or in a directory of them.
    #[must_use]
    pub fn is_manifest(&self, path: &Path) -> bool {
        self.manifests.iter().any(|manifests| path.starts_with(manifests))
    }

    /// The repository of the lab's image, as nodes have it.
    #[must_use]
    pub fn repository(&self, lab: &str) -> String {
        format!("lab.internal/{lab}/{}", self.image)
    }
}

/// Whether a name can be that of an image: lower-case letters and digits, with single dots, hyphens and underscores between them.
#[must_use]
pub fn is_image_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_between = |c: char| matches!(c, '.' | '-' | '_');
    name.len() <= 63
        && name.starts_with(is_plain)
        && name.ends_with(is_plain)
        && name.chars().all(|c| is_plain(c) || is_between(c))
        && !name.as_bytes().windows(2).any(|two| two.iter().all(|b| is_between(char::from(*b))))
}

/// Whether a path is of something that editors and version control write for themselves.
#[must_use]
pub fn is_of_tools(path: &Path) -> bool {
    let of = |name: &str| {
        matches!(name, ".git" | ".hg" | ".svn" | ".idea" | ".vscode" | "4913")
            || name.ends_with(['~', '#'])
            || name.starts_with(".#")
            || name
                .rsplit_once('.')
                .is_some_and(|(first, end)| first.starts_with('.') && matches!(end, "swp" | "swx" | "swo"))
    };
    path.components().any(|part| of(&part.as_os_str().to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_write_for_themselves_is_no_edit() {
        for path in [".git/index", "src/.main.go.swp", "main.go~", "#main.go#", ".#main.go", "a/4913"] {
            assert!(is_of_tools(Path::new(path)), "{path}");
        }
        for path in ["main.go", ".env", "a.swp/b", "git/x", ".github/x"] {
            assert!(!is_of_tools(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn names_of_images_are_those_that_engines_take() {
        for name in ["a", "hello", "my-app_1.x"] {
            assert!(is_image_name(name), "{name}");
        }
        for name in ["", "Hello", "-a", "a-", "a..b", "a/b", "a b", "ä"] {
            assert!(!is_image_name(name), "{name}");
        }
    }
}
