//! Debian root file systems, made by mmdebstrap, with a tree of our own laid over them.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;

use super::archive::append_tree;
use super::error::{ImagesError, Missing};
use super::stack::Debian;
use super::tree::{Node, Tree};
use super::workshop::{Needs, Workshop};
use crate::sys::process::{Process, is_root};
use crate::sys::{cache, fs, pipe};

const MISSING: Missing = Missing {
    purpose: "makes the nodes' root file system from Debian packages",
    remedy: "install it (Debian and Ubuntu: `apt-get install mmdebstrap`), or use the image source `registry`",
};

const PROGRAM: &str = "mmdebstrap";

/// How long it may take to download and unpack one system.
const MADE: Duration = Duration::from_secs(3600);

const REMEDY: &str =
    "what mmdebstrap says is above; it needs a Debian mirror and, when not run by root, user namespaces";

/// What the job of making a root file system is called.
pub(super) fn installing(name: &str) -> String {
    format!("installing Debian packages for {name}")
}

/// Makes the root file system without our tree.
pub(super) async fn rootfs(shop: &Workshop<'_>, name: &str, debian: &Debian) -> Result<PathBuf, ImagesError> {
    let Some(digest) = shop.digests.debian.get(name) else {
        return Err(ImagesError::Stack(format!("debian {name} is not defined")));
    };
    let what = installing(name);
    shop.artifact(&format!("debian/{name}.tar"), digest, &what, Needs::Network, |scratch| async move {
        let out = scratch.join("rootfs.tar");
        let mut process = mmdebstrap().await?.args(args(debian, &out, sources(&debian.suite).as_deref()));
        // Below the scratch directory, what an interruption leaves behind is removed by the next run. Only root can use it: others run
        // mmdebstrap in a user namespace, to whose users this private directory is closed.
        if is_root() {
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
        let rootfs = io::BufReader::new(fs::open(&rootfs)?);
        overlay(rootfs, tar::Builder::new(writer), Tree::embedded(), tree.as_deref())
    })
}

/// Copies an archive with a tree laid over it. What the tree has too is left out of the copy: no path may come twice in a layer.
fn overlay(rootfs: impl Read, mut layer: tar::Builder<impl Write>, tree: &Tree, dir: Option<&str>) -> io::Result<()> {
    use tar::EntryType::{GNULongLink, GNULongName, XGlobalHeader, XHeader};
    let replaced: BTreeSet<&str> = dir
        .into_iter()
        .flat_map(|dir| tree.below(dir))
        .filter(|(_, node)| **node != Node::Dir)
        .map(|(path, _)| path)
        .collect();
    let mut known = BTreeSet::new();
    // Headers that extend the next entry. They are copied as they are, for capabilities of files are in them; and left out with their entry.
    let mut extensions: Vec<(tar::Header, Vec<u8>)> = Vec::new();
    for entry in tar::Archive::new(rootfs).entries()?.raw(true) {
        let mut entry = entry?;
        let header = entry.header().clone();
        if matches!(header.entry_type(), XHeader | XGlobalHeader | GNULongName | GNULongLink) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            extensions.push((header, content));
            continue;
        }
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").trim_end_matches('/').to_owned();
        if replaced.contains(path.as_str()) {
            extensions.clear();
            continue;
        }
        for (header, content) in extensions.drain(..) {
            layer.append(&header, &content[..])?;
        }
        layer.append(&header, entry)?;
        known.insert(path);
    }
    if let Some(dir) = dir {
        append_tree(&mut layer, tree, dir, &known)?;
    }
    layer.finish()
}

/// The command. Run by root, mmdebstrap mounts /proc and others in what it makes, and leaves them there when it is killed; in a mount namespace
/// of its own they end with it.
async fn mmdebstrap() -> Result<Process, ImagesError> {
    if cache::on_path(PROGRAM).is_empty() {
        return Err(ImagesError::NoProgram {
            program: PROGRAM.to_owned(),
            purpose: MISSING.purpose.to_owned(),
            remedy: MISSING.remedy.to_owned(),
        });
    }
    let alone = ["--mount", "--"];
    if is_root() && Process::new("unshare").args(alone).args(["true"]).output().await.is_ok() {
        return Ok(Process::new("unshare").limit(MADE).args(alone).args([PROGRAM]));
    }
    Ok(Process::new(PROGRAM).limit(MADE))
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
    let release = fs::read(Path::new("/etc/os-release")).ok()?;
    let is = |wanted: &str| release.lines().any(|line| line == wanted);
    if !is("ID=debian") || !is(&format!("VERSION_CODENAME={suite}")) {
        return None;
    }
    ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]
        .into_iter()
        .find(|path| fs::size(Path::new(path)) > 0)
        .map(str::to_owned)
}

/// Where Debian's packages are when nothing says otherwise.
const MIRROR: &str = "http://deb.debian.org/debian";

/// The mirror that packages of this suite are downloaded from.
pub(super) fn mirror(suite: &str) -> String {
    let listed = sources(suite).and_then(|path| fs::read(Path::new(&path)).ok());
    listed.as_deref().and_then(first_mirror).unwrap_or_else(|| MIRROR.to_owned())
}

/// The first mirror in a list of package sources, of the old form or the new.
fn first_mirror(list: &str) -> Option<String> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let mut words = lines.filter(|l| l.starts_with("URIs:") || l.starts_with("deb ")).flat_map(str::split_whitespace);
    words.find(|word| word.starts_with("http")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::archive::{append_dir, append_file};

    #[test]
    fn no_path_comes_twice_in_a_layer() {
        let mut rootfs = tar::Builder::new(Vec::new());
        append_dir(&mut rootfs, "./etc/").expect("appends");
        for (path, text) in [("./etc/containerd/config.toml", "theirs"), ("./etc/hostname", "kept")] {
            append_file(&mut rootfs, path, 0o644, text.len() as u64, text.as_bytes()).expect("appends");
        }
        let rootfs = rootfs.into_inner().expect("finishes");
        let mut layer = Vec::new();
        overlay(&rootfs[..], tar::Builder::new(&mut layer), Tree::embedded(), Some("node/rootfs")).expect("overlays");
        let mut paths = Vec::new();
        for entry in tar::Archive::new(&layer[..]).entries().expect("entries") {
            let path = entry.expect("entry").path().expect("path").to_string_lossy().into_owned();
            paths.push(path.trim_start_matches("./").trim_end_matches('/').to_owned());
        }
        let unique: BTreeSet<&String> = paths.iter().collect();
        assert_eq!(unique.len(), paths.len(), "{paths:?}");
        assert!(paths.contains(&"etc/hostname".to_owned()) && paths.contains(&"etc/containerd/config.toml".to_owned()));
    }

    #[test]
    fn the_first_mirror_is_that_of_the_list() {
        let new = "Types: deb\n# URIs: http://old\nURIs: http://deb.example/debian http://b\nSuites: bookworm\n";
        assert_eq!(first_mirror(new).as_deref(), Some("http://deb.example/debian"));
        assert_eq!(
            first_mirror("deb [arch=amd64] https://m/debian bookworm main\n").as_deref(),
            Some("https://m/debian")
        );
        assert_eq!(first_mirror("deb cdrom:[x] bookworm main\n"), None);
    }

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
        let expected = [
            "--variant=extract",
            "--include=curl,jq",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "bookworm",
            "/o.tar",
            "/s",
        ];
        assert_eq!(args, expected);
    }
}
