//! Go: binaries built from pinned modules, and files read from them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::digest::{Digest, Inputs};
use super::digests;
use super::error::{ImagesError, Missing};
use super::stack::{FileRef, GoModule, ModuleFile};
use super::tree::{Node, Tree};
use super::workshop::{Needs, Workshop};
use crate::sys::cache;
use crate::sys::process::Process;
use crate::sys::words;

const MISSING: Missing = Missing {
    purpose: "builds what is not on this machine yet",
    remedy: "install Go (https://go.dev/dl) and put it on PATH; or let a machine that has it carry everything: `lab images export FILE` there, \
             `lab images import FILE` here",
};

const REMEDY: &str =
    "what Go says is above; when it could not download, set GOPROXY to a module proxy that this machine reaches";

/// One wrapper module, ready to build in.
pub(super) struct Wrapper<'a> {
    name: &'a str,
    module: &'a GoModule,
    dir: PathBuf,
    version: String,
}

impl<'a> Wrapper<'a> {
    /// Writes the module's files into the cache and asks Go for the version that will build there.
    pub async fn open(shop: &Workshop<'a>, name: &'a str) -> Result<Wrapper<'a>, ImagesError> {
        let Some(module) = shop.stack.go.get(name) else {
            return Err(ImagesError::Stack(format!("go/{name} is not defined")));
        };
        let dir = materialise(shop, name).await?;
        // Go may fetch another version of itself when go.mod asks for one, so the answer depends on the directory.
        let version = go(&dir).args(["env", "GOVERSION"]).output().await;
        let version = version.map_err(ImagesError::building("anything in Go", MISSING, REMEDY))?.trim().to_owned();
        Ok(Self { name, module, dir, version })
    }

    /// Its entry in the stack.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Where the binary will be, once built.
    pub fn place(&self, shop: &Workshop<'_>, binary: &str) -> (String, Digest) {
        let file = FileRef::Go { module: self.name.to_owned(), binary: binary.to_owned() };
        let digest = Inputs::of("built").and(digests::file(shop.stack, &file).as_str()).and(&self.version).digest();
        (format!("go/{}/{binary}", self.name), digest)
    }

    /// The binaries that are not built yet.
    pub fn missing<'b>(&self, shop: &Workshop<'_>, binaries: &'b [String]) -> Vec<&'b str> {
        let is_missing = |binary: &&str| {
            let (name, digest) = self.place(shop, binary);
            !crate::sys::fs::exists(&shop.cache.artifact(&name, digest.short()))
        };
        binaries.iter().map(String::as_str).filter(is_missing).collect()
    }

    /// Downloads all that binaries are built from. That waits for the network, and no processor should have to wait with it.
    pub async fn fetch(&self, shop: &Workshop<'_>, binaries: &[&str]) {
        let packages = binaries.iter().filter_map(|binary| self.module.binaries.get(*binary));
        let list = go(&self.dir).args(list_args(self.module, packages));
        // Building downloads what is missing yet, and tells why it cannot.
        let _ = shop.job(&fetching(self.name), Needs::Network, list.output()).await;
    }

    /// Builds a binary, when there is the turn that it needs.
    pub async fn build(&self, shop: &Workshop<'_>, binary: &str, needs: Needs) -> Result<PathBuf, ImagesError> {
        let (name, digest) = self.place(shop, binary);
        let package = self.module.binaries.get(binary).map_or("", String::as_str);
        let what = building(self.name, binary);
        shop.artifact(&name, &digest, &what, needs, |scratch| async move {
            let out = scratch.join(binary);
            let args = build_args(self.module, package, &out);
            let built = go(&self.dir).args(args).output().await;
            built.map_err(ImagesError::building(format!("{}/{binary}", self.name), MISSING, REMEDY))?;
            Ok(out)
        })
        .await
    }
}

/// What the job of downloading what a module's binaries are built from is called.
pub(super) fn fetching(module: &str) -> String {
    format!("fetching Go modules for {module}")
}

/// What the job of building a binary is called.
pub(super) fn building(module: &str, binary: &str) -> String {
    format!("building {module}/{binary}")
}

/// What the job of reading a file of a module is called.
pub(super) fn reading(name: &str, file: &ModuleFile) -> String {
    format!("reading {name} from {}", file.module)
}

/// Top folder of the archive that a directory becomes.
const CRDS: &str = "crds";

/// Reads a file of a module; a directory as an archive.
pub(super) async fn module_file(shop: &Workshop<'_>, name: &str, file: &ModuleFile) -> Result<PathBuf, ImagesError> {
    let digest = digests::file(shop.stack, &FileRef::Module(name.to_owned()));
    let what = reading(name, file);
    shop.artifact(&format!("module/{name}"), &digest, &what, Needs::Network, |scratch| async move {
        let dir = materialise(shop, &file.wrapper).await?;
        let answer = go(&dir).args(["mod", "download", "-json", &file.module]).output().await;
        let answer = answer.map_err(ImagesError::building(name, MISSING, REMEDY))?;
        let unexpected = |reason: String| ImagesError::Unexpected {
            what: file.module.clone(),
            reason,
            remedy: "see whether `go mod verify` in stack/go agrees, and `go clean -modcache` if it does not",
        };
        let Downloaded { dir } = serde_json::from_str(&answer).map_err(|e| unexpected(e.to_string()))?;
        let source = dir.join(&file.path);
        if crate::sys::fs::is_dir(&source) {
            let made = scratch.join("archive");
            crate::sys::fs::pack(&source, CRDS, &made).map_err(|e| unexpected(words::io_error(&e)))?;
            return Ok(made);
        }
        if !crate::sys::fs::is_file(&source) {
            return Err(unexpected(format!("there is no {}", file.path)));
        }
        let made = scratch.join("file");
        cache::copy_file(&source, &made, 0o644)?;
        Ok(made)
    })
    .await
}

/// What `go mod download -json` tells of a module.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    dir: PathBuf,
}

/// Arguments of `go build`. The stamps are in the order of their names: the linker's cache key holds them as they stand.
fn build_args(module: &GoModule, package: &str, out: &Path) -> Vec<String> {
    let mut args: Vec<String> = ["build", "-mod=readonly", "-trimpath"].map(str::to_owned).into();
    if !module.tags.is_empty() {
        args.extend(["-tags".to_owned(), module.tags.join(",")]);
    }
    let stamps = module.stamps.iter().map(|(k, v)| format!(" -X {k}={v}"));
    args.extend(["-ldflags".to_owned(), format!("-s -w{}", stamps.collect::<String>())]);
    args.extend(["-o".to_owned(), out.display().to_string(), package.to_owned()]);
    args
}

/// Arguments of `go list` that make it look at all packages that `go build` will want, and so download them.
fn list_args<'a>(module: &GoModule, packages: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut args: Vec<String> = ["list", "-mod=readonly", "-deps"].map(str::to_owned).into();
    if !module.tags.is_empty() {
        args.extend(["-tags".to_owned(), module.tags.join(",")]);
    }
    args.extend(packages.cloned());
    args
}

/// How long one module may take to be downloaded and compiled, on a machine that compiles others beside it.
const BUILT: Duration = Duration::from_secs(3600);

/// The Go command in a directory, free of settings of the user's that would change what it builds.
fn go(dir: &Path) -> Process {
    Process::new("go")
        .limit(BUILT)
        .dir(dir)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOWORK", "off")
}

/// Writes a wrapper's files into the cache, once.
async fn materialise(shop: &Workshop<'_>, name: &str) -> Result<PathBuf, ImagesError> {
    let source = shop.stack.wrapper_dir(name);
    let files = Tree::embedded().below(&source);
    let inputs = files.iter().fold(Inputs::of("wrapper 1"), |inputs, (path, node)| match node {
        Node::File(_, content) => inputs.and(path).and(content),
        Node::Link(_) | Node::Dir => inputs,
    });
    let digest = inputs.digest();
    let dir = shop.cache.artifact(&format!("wrapper/{name}"), digest.short());
    if crate::sys::fs::exists(&dir) {
        return Ok(dir);
    }
    let id = format!("wrapper-{name}-{}", digest.short());
    let _lock = shop.cache.lock(&id, || ()).await?;
    if !crate::sys::fs::exists(&dir) {
        let scratch = shop.cache.scratch(&id)?;
        for (path, node) in files {
            if let Node::File(_, content) = node {
                cache::write_file(&scratch.join(path), content, 0o644)?;
            }
        }
        shop.cache.publish(&scratch, &dir)?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::stack::Stack;

    #[test]
    fn arguments_are_those_of_the_contract() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let args = build_args(&stack.go["istio"], "istio.io/istio/pilot/cmd/pilot-agent", Path::new("/o/x"));
        insta::assert_snapshot!(args.join("\n"), @r"
        build
        -mod=readonly
        -trimpath
        -tags
        vtprotobuf,disable_pgv
        -ldflags
        -s -w -X istio.io/istio/pkg/version.buildGitRevision=eed52ebb66ad -X istio.io/istio/pkg/version.buildHub=lab.internal/istio -X istio.io/istio/pkg/version.buildStatus=Clean -X istio.io/istio/pkg/version.buildTag=1.32-dev -X istio.io/istio/pkg/version.buildVersion=1.32-dev
        -o
        /o/x
        istio.io/istio/pilot/cmd/pilot-agent
        ");
        let args = build_args(&stack.go["etcd"], "p", Path::new("/o"));
        assert_eq!(args, ["build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", "/o", "p"]);
    }

    #[test]
    fn what_is_downloaded_is_what_will_be_built() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let args = list_args(&stack.go["istio"], ["p".to_owned(), "q".to_owned()].iter());
        assert_eq!(args, ["list", "-mod=readonly", "-deps", "-tags", "vtprotobuf,disable_pgv", "p", "q"]);
    }
}
