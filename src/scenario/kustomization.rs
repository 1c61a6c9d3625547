//! What a kustomization names: files, directories, and what kustomize would fetch from the network.

use super::error::Problems;
use super::tree::{self, Node, Value};

/// Where a kustomization has paths; `*` is each item of a list (<https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/>).
const PATHS: &[&[&str]] = &[
    &["resources", "*"],
    &["bases", "*"],
    &["components", "*"],
    &["configurations", "*"],
    &["crds", "*"],
    &["generators", "*"],
    &["transformers", "*"],
    &["validators", "*"],
    &["patchesStrategicMerge", "*"],
    &["openapi", "path"],
    &["patches", "*", "path"],
    &["patchesJson6902", "*", "path"],
    &["replacements", "*", "path"],
    &["configMapGenerator", "*", "files", "*"],
    &["configMapGenerator", "*", "envs", "*"],
    &["configMapGenerator", "*", "env"],
    &["secretGenerator", "*", "files", "*"],
    &["secretGenerator", "*", "envs", "*"],
    &["secretGenerator", "*", "env"],
    &["helmCharts", "*", "repo"],
    &["helmCharts", "*", "valuesFile"],
    &["helmCharts", "*", "additionalValuesFiles", "*"],
    &["helmChartInflationGenerator", "*", "chartRepoUrl"],
    &["helmChartInflationGenerator", "*", "values"],
];

/// How text begins that kustomize takes for a repository, wherever else it may be.
const HOSTS: [&str; 5] = ["git::", "gh:", "github.com/", "github.com:", "git@"];

/// Something that a kustomization names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As it is written there.
    pub path: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
}

impl Reference {
    /// Whether kustomize would fetch it: by HTTP, or by git from a host, a path on this machine included that is a repository to clone.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        let path = self.path.to_ascii_lowercase();
        let is_of_a_user = path.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
        path.contains("://")
            || is_of_a_user
            || HOSTS.iter().any(|host| path.starts_with(host))
            || ["?ref=", "&ref=", "?version=", "&version=", "?timeout=", "?submodules=", "_git/", ".git/", ".git?"]
                .iter()
                .any(|sign| format!("{path}/").contains(sign))
    }
}

/// All that a kustomization names, in its order; nothing if it is no YAML, which kustomize tells.
#[must_use]
pub fn references(text: &str) -> Vec<Reference> {
    let Some(root) = tree::parse(text, &mut Problems::default()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in PATHS {
        collect(&root, path, &mut |node, written| {
            // Files of generators may have a name before them, and patches may be written where their path would be.
            let path = written.split_once('=').filter(|(name, _)| is_name(name)).map_or(written, |(_, path)| path);
            if path.contains('\n') {
                return;
            }
            let before = text.get(..node.span.start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            found.push(Reference { path: path.to_owned(), line, column });
        });
    }
    found.sort_by_key(|reference| (reference.line, reference.column));
    found
}

/// Whether what is before a `=` is the name of a key, rather than the beginning of an address.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Hands on each text at a path.
fn collect(node: &Node, path: &[&str], take: &mut impl FnMut(&Node, &str)) {
    match (&node.value, path.split_first()) {
        (Value::Scalar { text, .. }, None) => take(node, text),
        (Value::Sequence(items), Some((&"*", rest))) => items.iter().for_each(|item| collect(item, rest, take)),
        (Value::Mapping(entries), Some((key, rest))) => {
            entries
                .iter()
                .filter(|e| e.key.value.eq_ignore_ascii_case(key))
                .for_each(|e| collect(&e.value, rest, take));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_kustomize_fetches_is_known() {
        let remote = |path: &str| Reference { path: path.to_owned(), line: 1, column: 1 }.is_remote();
        for path in [
            "http://127.0.0.1:8000/a.yaml",
            "HTTPS://example.com/a.yaml",
            "https://github.com/a/b//c?ref=v1",
            "git::https://example.com/a.git",
            "git::ssh://git@example.com/a",
            "ssh://git@example.com/a",
            "git@github.com:a/b.git",
            "user@host:a/b",
            "github.com/a/b",
            "GitHub.com/a/b/c?ref=v1",
            "gh:a/b",
            "file:///srv/a.git",
            "../a.git//b",
            "example.com/a/_git/b",
            "example.com/a/b?version=v1",
        ] {
            assert!(remote(path), "{path}");
        }
        for path in ["a.yaml", "../base", "./github.com/a", "a=b.yaml", "base/v1.2", "with space.yaml", "a@b.yaml", "."]
        {
            assert!(!remote(path), "{path}");
        }
    }

    #[test]
    fn every_field_with_paths_is_looked_at() {
        let text = "# x\nresources: [a.yaml, \"http://h/b\"]\nbases:\n- c\ncomponents: [d]\ngenerators: [e, \"kind: X\\nrepo: y\"]\ntransformers: [f]\nhelmCharts: [{ name: x, repo: https://g }]\nconfigMapGenerator:\n- files: [k=http://i/j, l]\n  literals: [url=http://not/fetched]\npatches: [{ path: m, patch: 'http://n' }]\ncommonAnnotations: { a: http://o }\n";
        let found = references(text);
        let paths: Vec<&str> = found.iter().map(|r| r.path.as_str()).collect();
        assert_eq!(paths, ["a.yaml", "http://h/b", "c", "d", "e", "f", "https://g", "http://i/j", "l", "m"]);
        assert_eq!((found[1].line, found[1].column), (2, 21));
        assert!(references("[").is_empty());
    }
}
