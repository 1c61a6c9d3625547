//! Debian root file systems, made by mmdebstrap, with a tree of our own laid over them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::Stream;

use super::archive::append_tree;
use super::error::{ImagesError, Missing};
use super::stack::Debian;
use super::tree::Tree;
use super::workshop::{Needs, Workshop};
use crate::sys::pipe;
use crate::sys::process::Process;

const MISSING: Missing = Missing {
    purpose: "makes the nodes' root file system from Debian packages",
    remedy: "install it (Debian and Ubuntu: `apt-get install mmdebstrap`), or use the image source `registry`",
};

const REMEDY: &str = "what mmdebstrap says is above; it needs a Debian mirror and, when not run by root, user namespaces";

/// Makes the root file system without our tree.
pub(super) async fn rootfs(shop: &Workshop<'_>, name: &str, debian: &Debian) -> Result<PathBuf, ImagesError> {
    let Some(digest) = shop.digests.debian.get(name) else {
        return Err(ImagesError::Stack(format!("debian {name} is not defined")));
    };
    let what = format!("installing Debian packages for {name}");
    shop.artifact(&format!("debian-{name}.tar"), digest, &what, Needs::Network, |scratch| async move {
        let out = scratch.join("rootfs.tar");
        let mut process = Process::new("mmdebstrap").args(args(debian, &out, sources(&debian.suite).as_deref()));
        // Below the scratch directory, what an interruption leaves behind is removed by the next run. Only root can use it: others run
        // mmdebstrap in a user namespace, to whose users this private directory is closed.
        if rustix::process::geteuid().is_root() {
            process = process.env("TMPDIR", &scratch);
        }
        process.output().await.map_err(ImagesError::building(format!("the Debian system {name}"), MISSING, REMEDY))?;
        Ok(out)
    })
    .await
}

/// The layer of an image: the root file system with the tree laid over it.
pub(super) fn layer(rootfs: PathBuf, tree: Option<&str>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let tree = tree.map(str::to_owned);
    pipe::writing(move |writer| {
        let mut layer = tar::Builder::new(writer);
        let mut rootfs = tar::Archive::new(io::BufReader::new(std::fs::File::open(rootfs)?));
        // Raw entries keep extended headers as they are: capabilities of files are in them.
        let mut known = BTreeSet::new();
        for entry in rootfs.entries()?.raw(true) {
            let entry = entry?;
            let header = entry.header().clone();
            known.insert(entry.path()?.to_string_lossy().trim_start_matches("./").trim_end_matches('/').to_owned());
            layer.append(&header, entry)?;
        }
        if let Some(tree) = tree {
            append_tree(&mut layer, Tree::embedded(), &tree, &known)?;
        }
        layer.finish()
    })
}

fn args(debian: &Debian, out: &Path, sources: Option<&str>) -> Vec<String> {
    let mut args = vec![format!("--variant={}", debian.variant)];
    if !debian.packages.is_empty() {
        args.push(format!("--include={}", debian.packages.join(",")));
    }
    args.extend(debian.exclude.iter().map(|path| format!("--dpkgopt=path-exclude={path}")));
    args.extend([debian.suite.clone(), out.display().to_string()]);
    args.extend(sources.map(str::to_owned));
    args
}

/// This machine's own package sources when it is the same Debian: they say which mirror it reaches.
fn sources(suite: &str) -> Option<String> {
    let release = std::fs::read_to_string("/etc/os-release").ok()?;
    let is = |wanted: &str| release.lines().any(|line| line == wanted);
    if !is("ID=debian") || !is(&format!("VERSION_CODENAME={suite}")) {
        return None;
    }
    ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]
        .into_iter()
        .find(|path| std::fs::metadata(path).is_ok_and(|m| m.len() > 0))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let debian = Debian {
            suite: "bookworm".into(),
            variant: "extract".into(),
            packages: vec!["curl".into(), "jq".into()],
            exclude: vec!["/usr/share/doc/*".into()],
            tree: None,
        };
        let args = args(&debian, Path::new("/o.tar"), Some("/s"));
        let expected =
            ["--variant=extract", "--include=curl,jq", "--dpkgopt=path-exclude=/usr/share/doc/*", "bookworm", "/o.tar", "/s"];
        assert_eq!(args, expected);
    }
}
