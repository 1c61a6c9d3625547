//! Archives: trees laid into them, and the names of images in the archives that `docker save` makes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::Value;

use super::reference::Reference;
use super::tree::{Node, Tree};

/// Time of every file that lab puts into an image, so that the same inputs give the same layers: 2026-01-01.
const TIME: u64 = 1_767_225_600;

/// A header with nothing in it that differs from run to run.
fn header(mode: u32, size: u64, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(TIME);
    header
}

/// Appends a file of a known size that belongs to root.
pub(super) fn append_file<W: Write>(
    archive: &mut tar::Builder<W>,
    path: impl AsRef<Path>,
    mode: u32,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    archive.append_data(&mut header(mode, size, tar::EntryType::Regular), path, content)
}

/// Appends what is below `dir` of the tree. `known` are the paths that the archive has already.
pub(super) fn append_tree<W: Write>(
    archive: &mut tar::Builder<W>,
    tree: &Tree,
    dir: &str,
    known: &BTreeSet<String>,
) -> io::Result<()> {
    for (path, node) in tree.below(dir) {
        match node {
            Node::File(mode, content) => append_file(archive, path, *mode, content.len() as u64, &content[..])?,
            Node::Link(target) => append_link(archive, path, target)?,
            // Named a second time, a directory would replace a symbolic link of its name, such as Debian's /bin, with all that is behind it.
            Node::Dir if known.contains(path) => {}
            Node::Dir => append_dir(archive, path)?,
        }
    }
    Ok(())
}

/// Appends a directory that belongs to root.
pub(super) fn append_dir<W: Write>(archive: &mut tar::Builder<W>, path: impl AsRef<Path>) -> io::Result<()> {
    append_bare_dir(archive, path, 0o755)
}

/// Appends a directory with these permissions that belongs to root, without what is in it.
pub(super) fn append_bare_dir<W: Write>(
    archive: &mut tar::Builder<W>,
    path: impl AsRef<Path>,
    mode: u32,
) -> io::Result<()> {
    archive.append_data(&mut header(mode, 0, tar::EntryType::Directory), path, io::empty())
}

/// Appends a symbolic link that belongs to root.
pub(super) fn append_link<W: Write>(
    archive: &mut tar::Builder<W>,
    path: impl AsRef<Path>,
    target: impl AsRef<Path>,
) -> io::Result<()> {
    archive.append_link(&mut header(0o777, 0, tar::EntryType::Symlink), path, target)
}

/// Copies an archive of `docker save`, giving images other names. An image that `names` does not hold keeps its own.
pub(super) fn rename(from: impl Read, to: impl Write, names: &BTreeMap<String, String>) -> io::Result<()> {
    let mut out = tar::Builder::new(to);
    let mut archive = tar::Archive::new(from);
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let mut header = entry.header().clone();
        let name = entry.path()?.to_string_lossy().into_owned();
        let rewrite: fn(&mut Value, &BTreeMap<String, String>) = match name.as_str() {
            // Says the same as the manifest, for engines older than any that can run a lab.
            "repositories" => continue,
            "manifest.json" => rename_manifest,
            "index.json" => rename_index,
            _ => {
                out.append(&header, entry)?;
                continue;
            }
        };
        let mut text = Vec::new();
        entry.read_to_end(&mut text)?;
        let mut document: Value = serde_json::from_slice(&text)?;
        rewrite(&mut document, names);
        let text = serde_json::to_vec(&document)?;
        header.set_size(text.len() as u64);
        header.set_cksum();
        out.append(&header, &text[..])?;
    }
    out.finish()
}

fn renamed(name: &str, names: &BTreeMap<String, String>) -> Option<String> {
    let name = Reference::parse(name).tagged();
    names.iter().find(|(from, _)| Reference::parse(from).tagged() == name).map(|(_, to)| to.clone())
}

/// Docker's own list of what an archive holds.
fn rename_manifest(document: &mut Value, names: &BTreeMap<String, String>) {
    for image in document.as_array_mut().into_iter().flatten() {
        for tag in image.get_mut("RepoTags").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(new) = tag.as_str().and_then(|t| renamed(t, names)) {
                *tag = Value::String(new);
            }
        }
    }
}

/// The OCI index that newer engines add; containerd prefers it.
fn rename_index(document: &mut Value, names: &BTreeMap<String, String>) {
    for image in document.get_mut("manifests").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(annotations) = image.get_mut("annotations").and_then(Value::as_object_mut) else { continue };
        let new = annotations.get("io.containerd.image.name").and_then(Value::as_str).and_then(|n| renamed(n, names));
        if let Some(new) = new {
            let tag = Reference::parse(&new).tag().to_owned();
            annotations.insert("io.containerd.image.name".to_owned(), Value::String(Reference::parse(&new).tagged()));
            annotations.insert("org.opencontainers.image.ref.name".to_owned(), Value::String(tag));
        }
    }
}

/// The files of an archive, with their text.
#[cfg(test)]
pub(super) fn contents(archive: &[u8]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().expect("entries") {
        let mut entry = entry.expect("entry");
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("reads");
        files.insert(entry.path().expect("path").to_string_lossy().into_owned(), text);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut out = tar::Builder::new(Vec::new());
        for (name, text) in files {
            append_file(&mut out, name, 0o644, text.len() as u64, text.as_bytes()).expect("appends");
        }
        out.into_inner().expect("finishes")
    }

    #[test]
    fn images_get_the_names_that_nodes_know() {
        let saved = archive(&[
            ("abc/layer.tar", "layer"),
            (
                "manifest.json",
                r#"[{"Config":"c","RepoTags":["lab/etcd:0123"],"Layers":[]},{"Config":"d","RepoTags":null}]"#,
            ),
            ("repositories", r#"{"lab/etcd":{"0123":"abc"}}"#),
            (
                "index.json",
                r#"{"manifests":[{"annotations":{"io.containerd.image.name":"docker.io/lab/etcd:0123","x":"y"}},{"digest":"z"}]}"#,
            ),
        ]);
        let names = BTreeMap::from([("lab/etcd:0123".to_owned(), "registry.k8s.io/etcd:3.6.5-0".to_owned())]);
        let mut out = Vec::new();
        rename(&saved[..], &mut out, &names).expect("renames");
        let files = contents(&out);
        assert_eq!(
            files.keys().map(String::as_str).collect::<Vec<_>>(),
            ["abc/layer.tar", "index.json", "manifest.json"]
        );
        assert_eq!(files["abc/layer.tar"], "layer");
        let manifest: Value = serde_json::from_str(&files["manifest.json"]).expect("JSON");
        assert_eq!(manifest[0]["RepoTags"][0], "registry.k8s.io/etcd:3.6.5-0");
        let index: Value = serde_json::from_str(&files["index.json"]).expect("JSON");
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], "registry.k8s.io/etcd:3.6.5-0");
        assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "3.6.5-0");
        assert_eq!(index["manifests"][0]["annotations"]["x"], "y");
    }

    #[test]
    fn a_tree_names_no_directory_that_is_known() {
        let mut out = tar::Builder::new(Vec::new());
        let known = BTreeSet::from(["etc".to_owned()]);
        append_tree(&mut out, Tree::embedded(), "node/rootfs", &known).expect("appends");
        let files = contents(&out.into_inner().expect("finishes"));
        assert!(!files.contains_key("etc") && !files.contains_key("etc/"), "{:?}", files.keys());
        assert!(files.contains_key("kind") || files.contains_key("kind/"), "{:?}", files.keys());
        assert!(files.contains_key("usr/local/bin/entrypoint"));
    }
}
