//! Images built by the engine's own builder from files and, some of them, from a Debian root file system.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use futures::Stream;

use super::archive::{append_dir, append_file};
use super::digest::Digest;
use super::error::ImagesError;
use super::stack::Build;
use super::workshop::{Needs, Workshop};
use super::{IMAGE_LABEL, debian};
use crate::sys::pipe;

/// Repository of what is built here. Nothing of that name is ever pulled or pushed.
const REPOSITORY: &str = "lab/images";

/// Name in the engine of an image with that key and digest.
#[must_use]
pub fn local_name(key: &str, digest: &Digest) -> String {
    format!("{REPOSITORY}/{key}:{}", digest.short())
}

/// Whether a name is one that [`local_name`] gives.
pub(super) fn is_local(name: &str) -> bool {
    name.starts_with(&format!("{REPOSITORY}/"))
}

/// Key of the image made of a Debian root file system.
pub(super) fn base_key(name: &str) -> String {
    format!("debian-{name}")
}

/// What the job of making an image is called.
pub(super) fn making(key: &str) -> String {
    format!("making image {key}")
}

/// Makes the image of a Debian root file system.
pub(super) async fn base(shop: &Workshop<'_>, name: &str, rootfs: PathBuf) -> Result<(), ImagesError> {
    let Some((debian, digest)) = shop.stack.debian.get(name).zip(shop.digests.bases.get(name)) else {
        return Err(ImagesError::Stack(format!("debian {name} is not defined")));
    };
    let layer = debian::layer(rootfs, debian.tree.as_deref());
    let repository = format!("{REPOSITORY}/{}", base_key(name));
    let labels = [(IMAGE_LABEL, digest.as_str())];
    let import = shop.engine.import_image(layer, &repository, digest.short(), &labels);
    shop.job(&making(&base_key(name)), Needs::Processor, import).await?;
    Ok(())
}

/// Builds an image; `files` are destination, mode and source.
pub(super) async fn build(
    shop: &Workshop<'_>,
    key: &str,
    build: &Build,
    files: Vec<(String, u32, PathBuf)>,
) -> Result<(), ImagesError> {
    let Some(digest) = shop.digests.images.get(key) else {
        return Err(ImagesError::Stack(format!("image {key} is not defined")));
    };
    let base = shop.digests.bases.get(&build.from).map(|d| local_name(&base_key(&build.from), d));
    let texts = build.texts.clone();
    let dockerfile = dockerfile(build, base.as_deref().unwrap_or("scratch"), digest);
    let name = local_name(key, digest);
    // Its files are opened once it is its turn.
    let make = async { shop.engine.build_image(context(dockerfile, files, texts), &name).await };
    shop.job(&making(key), Needs::Processor, make).await?;
    Ok(())
}

/// The instructions. All files are one layer.
fn dockerfile(build: &Build, base: &str, digest: &Digest) -> String {
    let mut text = format!("FROM {base}\n");
    let list = |items: &[String]| serde_json::to_string(items).unwrap_or_default();
    if !build.files.is_empty() || !build.texts.is_empty() {
        text.push_str("COPY root/ /\n");
    }
    for (key, value) in &build.env {
        let _ = writeln!(text, "ENV {key}={}", quoted(value));
    }
    if let Some(workdir) = &build.workdir {
        let _ = writeln!(text, "WORKDIR {workdir}");
    }
    if let Some(user) = &build.user {
        let _ = writeln!(text, "USER {user}");
    }
    if let Some(signal) = &build.stop_signal {
        let _ = writeln!(text, "STOPSIGNAL {signal}");
    }
    if !build.entrypoint.is_empty() {
        let _ = writeln!(text, "ENTRYPOINT {}", list(&build.entrypoint));
    }
    if !build.cmd.is_empty() {
        let _ = writeln!(text, "CMD {}", list(&build.cmd));
    }
    let _ = writeln!(text, "LABEL {IMAGE_LABEL}={digest}");
    text
}

/// A value that the builder takes as it stands.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}

fn context(
    dockerfile: String,
    files: Vec<(String, u32, PathBuf)>,
    texts: BTreeMap<String, String>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    pipe::writing(move |writer| {
        let mut archive = tar::Builder::new(writer);
        append_file(&mut archive, "Dockerfile", 0o644, dockerfile.len() as u64, dockerfile.as_bytes())?;
        // Directories are named, so that their permissions are not left to the engine's umask.
        let above = |path: &str| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>();
        let files: Vec<_> = files.into_iter().map(|(to, mode, from)| (format!("root{to}"), mode, from)).collect();
        let texts: Vec<_> = texts.into_iter().map(|(to, text)| (format!("root{to}"), text + "\n")).collect();
        let paths = files.iter().map(|(to, ..)| to).chain(texts.iter().map(|(to, _)| to));
        for dir in paths.flat_map(|to| above(to)).collect::<BTreeSet<_>>() {
            append_dir(&mut archive, dir)?;
        }
        for (to, text) in &texts {
            append_file(&mut archive, to, 0o644, text.len() as u64, text.as_bytes())?;
        }
        for (to, mode, from) in files {
            let file = crate::sys::fs::open(&from)?;
            let size = file.metadata()?.len();
            append_file(&mut archive, to, mode, size, file)?;
        }
        archive.finish()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::digest::Inputs;
    use crate::images::stack::Stack;

    #[test]
    fn instructions() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let digest = Inputs::of("test").digest();
        let text = dockerfile(&stack.images["istio-proxyv2"].packages, "lab/debian-base:1", &digest);
        insta::assert_snapshot!(text, @r#"
        FROM lab/debian-base:1
        COPY root/ /
        ENV ISTIO_META_ISTIO_VERSION="1.32-dev"
        WORKDIR /
        USER 1337:1337
        ENTRYPOINT ["/usr/local/bin/pilot-agent"]
        LABEL dev.lab.image=4e5b70c6c4231e5ec370f3d9a90fd93cc6d936d49da369acf5a9b51010674a95
        "#);
        let text = dockerfile(&stack.images["sleep"].packages, "b", &digest);
        assert!(!text.contains("COPY") && text.contains(r#"CMD ["/bin/sleep","infinity"]"#), "{text}");
        let text = dockerfile(&stack.images["node"].packages, "b", &digest);
        assert!(text.contains("STOPSIGNAL SIGRTMIN+3\n"), "{text}");
    }

    #[test]
    fn values_are_not_expanded() {
        assert_eq!(quoted(r#"a "b" $c \"#), r#""a \"b\" \$c \\""#);
    }

    #[test]
    fn names() {
        let digest = Inputs::of("test").digest();
        assert_eq!(local_name("etcd", &digest), format!("lab/images/etcd:{}", digest.short()));
    }
}
