//! One archive with everything that `lab up` needs, for a machine that reaches neither a registry nor a package index.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::sys::docker::Docker;
use serde::{Deserialize, Serialize};

use super::archive::append_file;
use super::digests::Digests;
use super::prepare::{Record, USE_LOCK};
use super::resolve::Choice;
use super::stack::Stack;
use super::{ImagesError, Prepared, Source, node, prepare};
use crate::exec::Progress;
use crate::scenario::ImageSettings;
use crate::sys::cache::{self, Cache, Fingerprint};
use crate::sys::docker_images::ImageStore;
use crate::sys::{fs, pipe};

/// Names of the archive's members. The first tells whether the others fit, before a gigabyte is read.
const CONTENTS: &str = "contents.json";
const KIND: &str = "kind";
const ISTIOCTL: &str = "istioctl";
const MANIFEST: &str = "metallb.yaml";
const NODE: &str = "node.tar";

/// What an archive says of itself.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contents {
    /// Version of this format.
    format: u32,
    architecture: String,
    source: Source,
    /// Digest of all that is in the node image.
    digest: String,
    node_image: String,
}

const FORMAT: u32 = 1;

impl Contents {
    fn of(source: Source, digests: &Digests) -> Self {
        let digest = if source == Source::Packages { &digests.packages } else { &digests.registry };
        Self {
            format: FORMAT,
            architecture: std::env::consts::ARCH.to_owned(),
            source,
            digest: digest.to_string(),
            node_image: node::name(digest),
        }
    }
}

/// Writes an archive, preparing first what is missing. The file appears when it is whole.
pub async fn export(
    choice: Choice,
    file: &Path,
    docker: &Docker,
    progress: &Progress,
) -> Result<Prepared, ImagesError> {
    let prepared = prepare(choice, &ImageSettings::default(), docker, progress).await?;
    let digests = Digests::of(&Stack::embedded()?);
    let contents = Contents::of(prepared.source, &digests);
    progress.say(format!("writing {}", file.display()));
    let store = ImageStore::new(docker);
    let (reader, _task) = pipe::reading(store.save(&[&prepared.node_image]));
    let (to, from) = (file.to_owned(), prepared.clone());
    blocking(file, move || write(&to, &contents, &from, reader)).await?;
    Ok(prepared)
}

fn write(file: &Path, contents: &Contents, prepared: &Prepared, mut node: impl Read) -> io::Result<()> {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut out = fs::temporary_file(parent)?;
    let mut archive = tar::Builder::new(out.as_file_mut());
    let text = serde_json::to_vec_pretty(contents)?;
    append_file(&mut archive, CONTENTS, 0o644, text.len() as u64, &text[..])?;
    let manifest = prepared.metallb_manifest.as_bytes();
    append_file(&mut archive, MANIFEST, 0o644, manifest.len() as u64, manifest)?;
    for (name, path) in [(KIND, &prepared.kind), (ISTIOCTL, &prepared.istioctl)] {
        let tool = fs::open(path)?;
        let size = tool.metadata()?.len();
        append_file(&mut archive, name, 0o755, size, tool)?;
    }
    // The engine does not tell the size beforehand; the header is completed once it is known.
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    let mut entry = archive.append_writer(&mut header, NODE)?;
    io::copy(&mut node, &mut entry)?;
    entry.finish()?;
    archive.into_inner()?.flush()?;
    // It is made for somebody else's machine: the private mode of temporary files does not suit it.
    out.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    out.persist(file)?;
    Ok(())
}

/// Loads an archive: afterwards this machine has everything that `lab up` needs.
pub async fn import(file: &Path, docker: &Docker, progress: &Progress) -> Result<Prepared, ImagesError> {
    let stack = Stack::embedded()?;
    let digests = Digests::of(&stack);
    let (cache, store) = (Cache::open()?, ImageStore::new(docker));
    let misfit = |reason: String| ImagesError::Archive { file: file.display().to_string(), reason };

    let from = file.to_owned();
    let contents = blocking(file, move || head(&from)).await?;
    let expected = Contents::of(contents.source, &digests);
    if contents != expected {
        let reason = if contents.architecture == expected.architecture {
            "another version of lab made it, with another stack"
        } else {
            "it is for another architecture"
        };
        return Err(misfit(reason.to_owned()));
    }
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let id = format!("import-{}", contents.source);
    let _lock = cache.lock(&id, || progress.say("waiting for another lab: importing")).await?;
    let scratch = cache.scratch(&id)?;

    progress.say(format!("loading {} from {}", contents.node_image, file.display()));
    let (from, tools) = (file.to_owned(), scratch.clone());
    let node = pipe::writing(move |writer| read(&from, &tools, writer));
    store.load(node).await?;
    if store.config(&contents.node_image).await?.is_none() {
        return Err(misfit("it does not hold the node image".to_owned()));
    }
    let place = |name: &str| cache.artifact(&format!("imported/{name}"), &expected.digest);
    for name in [KIND, ISTIOCTL, MANIFEST] {
        let made = scratch.join(name);
        if !fs::is_file(&made) {
            return Err(misfit(format!("it does not hold {name}")));
        }
        cache.publish(&made, &place(name))?;
    }
    cache.clear(&scratch)?;
    let executable = |name: &str| {
        Fingerprint::of_executable(&place(name)).ok_or_else(|| misfit(format!("{name} cannot be executed")))
    };
    let record = Record {
        source: contents.source,
        mirror: None,
        node_image: contents.node_image.clone(),
        upstream_names: false,
        kind: executable(KIND)?,
        istioctl: executable(ISTIOCTL)?,
        metallb_manifest: place(MANIFEST),
    };
    let digest = if contents.source == Source::Packages { &digests.packages } else { &digests.registry };
    cache.write_json(&Record::name(digest), &record)?;
    record.prepared(&stack).ok_or_else(|| misfit("what it holds cannot be used".to_owned()))
}

fn head(file: &Path) -> io::Result<Contents> {
    let file = fs::open(file)?;
    let first =
        tar::Archive::new(file).entries().and_then(|mut entries| entries.next().transpose().map(|e| e.map(contents)));
    match first {
        Ok(Some(Some(contents))) => Ok(contents),
        _ => Err(io::Error::other("it is no archive of `lab images export`")),
    }
}

fn contents(entry: tar::Entry<'_, fs::File>) -> Option<Contents> {
    if entry.path().ok()? != Path::new(CONTENTS) {
        return None;
    }
    serde_json::from_reader(entry).ok()
}

/// Writes the small members to `dir` and the node image to `node`.
fn read(file: &Path, dir: &Path, node: &mut impl Write) -> io::Result<()> {
    let mut archive = tar::Archive::new(io::BufReader::new(fs::open(file)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path: PathBuf = entry.path()?.into_owned();
        match path.to_str() {
            Some(NODE) => {
                io::copy(&mut entry, node)?;
            }
            Some(name @ (KIND | ISTIOCTL | MANIFEST)) => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                let mode = if name == MANIFEST { 0o644 } else { 0o755 };
                cache::write_file(&dir.join(name), &content, mode).map_err(io::Error::other)?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    file: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ImagesError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).and_then(|r| r);
    done.map_err(|source| ImagesError::Copy { what: file.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_comes_back_as_it_was() {
        let dir = fs::temporary_dir().expect("a directory");
        let tool = dir.path().join("tool");
        fs::write(&tool, "#!/bin/sh\n").expect("writes");
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let digests = Digests::of(&stack);
        let prepared = Prepared {
            source: Source::Packages,
            mirror: None,
            node_image: "lab/node:x".into(),
            images: std::collections::BTreeMap::new(),
            kind: tool.clone(),
            istioctl: tool,
            metallb_manifest: "kind: List\n".into(),
            istio_values: serde_json::Value::Null,
        };
        let contents = Contents::of(Source::Packages, &digests);
        let file = dir.path().join("lab.tar");
        write(&file, &contents, &prepared, &b"node image"[..]).expect("writes");
        assert_eq!(head(&file).expect("reads"), contents);
        let (out, mut node) = (dir.path().join("out"), Vec::new());
        read(&file, &out, &mut node).expect("reads");
        assert_eq!(node, b"node image");
        assert_eq!(fs::read(&out.join(MANIFEST)).expect("reads"), "kind: List\n");
        assert!(Fingerprint::of_executable(&out.join(KIND)).is_some());
    }

    #[test]
    fn something_else_is_refused() {
        let dir = fs::temporary_dir().expect("a directory");
        let file = dir.path().join("zeros");
        fs::write(&file, &"\0".repeat(2048)).expect("writes");
        assert!(head(&file).is_err());
    }
}
