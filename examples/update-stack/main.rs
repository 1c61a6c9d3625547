//! `./dev update-stack`: asks where packages come from for newer versions, changes the pins under `stack/`, and says what it changed, what it kept
//! and why, and what it could not ask. Nothing is built: `./dev test` tells whether a new stack is any good.

mod pins;

use std::error::Error;
use std::path::{Path, PathBuf};

use lab::images::{Stack, upstream_digest};
use lab::sys::http::Http;
use lab::sys::process::Process;

/// Why something is not renewed.
type Reason = Box<dyn Error>;

/// The module whose minor version is chosen by people: kind, Istio and kubelet's container runtime bound it.
const KUBERNETES: &str = "k8s.io/kubernetes";

/// Where Debian says which release is the stable one.
const DEBIAN: &str = "http://deb.debian.org/debian/dists/stable/Release";

#[tokio::main]
async fn main() -> Result<(), Reason> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack");
    let stack = Stack::embedded()?;
    let file = dir.join("stack.yaml");
    let mut text = std::fs::read_to_string(&file)?;
    for wrapper in stack.go.keys() {
        let wrapper = dir.join("go").join(wrapper);
        // lab's own programs have no wrapper.
        if wrapper.is_dir() {
            renew_modules(&dir, &wrapper, &mut text).await?;
        }
    }
    for (name, wheel) in &stack.wheels {
        match newest_wheel(&wheel.package, &wheel.sha256).await {
            Ok((version, _)) if version == wheel.version => say(name, &format!("{version}: newest")),
            Ok((version, sums)) => {
                text = pins::replaced(&text, &wheel.version, &version).0;
                for (old, new) in sums {
                    text = text.replace(&old, &new);
                }
                say(name, &format!("{} -> {version}", wheel.version));
            }
            Err(reason) => say(name, &format!("{}: not asked: {}", wheel.version, first_line(&*reason))),
        }
    }
    for (name, debian) in &stack.debian {
        say(name, &format!("Debian {}: {}", debian.suite, debian_stable(&debian.suite).await));
    }
    for reference in stack.all_images().filter_map(|(_, image)| image.registry.as_deref()) {
        let name = reference.split('@').next().unwrap_or(reference);
        match upstream_digest(name).await {
            Ok(Some(digest)) if reference.ends_with(&digest) => say(name, "has its digest still"),
            Ok(Some(digest)) => {
                text = pins::pinned(&text, name, &digest);
                say(name, &format!("pinned to {digest}"));
            }
            Ok(None) => say(name, "its registry does not have it"),
            Err(reason) if reference == name => say(name, &format!("no digest, never pulled: {reason}")),
            Err(reason) => say(name, &format!("digest as published, not asked: {reason}")),
        }
    }
    let (text, releases) = pins::forgotten(&std::fs::read_to_string(&file)?, &text);
    for url in releases {
        say(
            &url,
            "its checksum is yours to fill in, as it is published; until then nothing is downloaded from there unless it names `sums`",
        );
    }
    std::fs::write(&file, text)?;
    Ok(())
}

/// One line of the report.
fn say(what: &str, how: &str) {
    println!("{what:<44} {how}");
}

fn first_line(error: &dyn Error) -> String {
    let text = error.to_string();
    let told = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    told.trim().to_owned()
}

/// Renews the modules that a wrapper is there for; what cannot be had stays as it was.
async fn renew_modules(dir: &Path, wrapper: &Path, text: &mut String) -> Result<(), Reason> {
    let files = [wrapper.join("go.mod"), wrapper.join("go.sum")];
    for (module, version) in pins::wanted_modules(&std::fs::read_to_string(&files[0])?) {
        let versions = match served(wrapper, &module).await {
            Ok(versions) => versions,
            Err(reason) => {
                say(&module, &format!("{version}: not asked: {}", first_line(&*reason)));
                continue;
            }
        };
        let all = || versions.iter().map(String::as_str);
        let is_kubernetes = module == KUBERNETES;
        if is_kubernetes && let Some(newest) = pins::newer(&version, all(), false) {
            say(&module, &format!("{newest} is there; another minor version is for you to choose, in go.mod"));
        }
        let Some(newest) = pins::newer(&version, all(), is_kubernetes) else {
            say(
                &module,
                &format!("{version}: newest{}", if versions.is_empty() { " commit not asked for" } else { "" }),
            );
            continue;
        };
        let before = files.each_ref().map(std::fs::read);
        match renew(wrapper, &module, &version, newest).await {
            Ok(source) => {
                *text = pins::replaced(text, &version, newest).0;
                if is_kubernetes {
                    follow_kubernetes(dir, &source, text)?;
                }
                say(&module, &format!("{version} -> {newest}"));
            }
            Err(reason) => {
                for (path, content) in files.iter().zip(before) {
                    std::fs::write(path, content?)?;
                }
                say(&module, &format!("{version}: {newest} cannot be had: {}", first_line(&*reason)));
            }
        }
    }
    Ok(())
}

/// The Go command in a wrapper.
fn go(wrapper: &Path) -> Process {
    Process::new("go").dir(wrapper).env("GOFLAGS", "-mod=mod").env("GOWORK", "off")
}

/// The versions of a module that the proxy serves.
async fn served(wrapper: &Path, module: &str) -> Result<Vec<String>, Reason> {
    let answer = go(wrapper).args(["list", "-m", "-versions", module]).output().await?;
    Ok(answer.split_whitespace().skip(1).map(str::to_owned).collect())
}

/// Locks another version of a module; gives the directory with its source.
async fn renew(wrapper: &Path, module: &str, old: &str, new: &str) -> Result<PathBuf, Reason> {
    if module == KUBERNETES {
        // Its staging modules are replaced by name, with versions of their own.
        let path = wrapper.join("go.mod");
        let staging = |version: &str| version.replacen("v1.", "v0.", 1);
        let go_mod = pins::replaced(&std::fs::read_to_string(&path)?, &staging(old), &staging(new)).0;
        std::fs::write(&path, go_mod)?;
    }
    go(wrapper).args(["get", &format!("{module}@{new}")]).output().await?;
    go(wrapper).args(["mod", "tidy"]).output().await?;
    let source = go(wrapper).args(["list", "-m", "-f", "{{.Dir}}", module]).output().await?;
    Ok(PathBuf::from(source.trim()))
}

/// What goes with a version of Kubernetes: the tags that kubeadm asks for.
fn follow_kubernetes(dir: &Path, source: &Path, text: &mut String) -> Result<(), Reason> {
    let constants = std::fs::read_to_string(source.join("cmd/kubeadm/app/constants/constants.go"))?;
    let containerd = dir.join("node/rootfs/etc/containerd/config.toml");
    let mut config = std::fs::read_to_string(&containerd)?;
    for (image, tag) in pins::kubeadm_tags(&constants) {
        *text = pins::retagged(text, image, &tag);
        config = pins::retagged(&config, image, &tag);
    }
    std::fs::write(&containerd, config)?;
    Ok(())
}

/// The newest version of a package that there is for all architectures, and what is now the digest of each wheel, by what it was.
async fn newest_wheel(
    package: &str,
    pinned: &std::collections::BTreeMap<String, String>,
) -> Result<(String, Vec<(String, String)>), Reason> {
    let mut versions = std::collections::BTreeSet::new();
    let mut sums = Vec::new();
    for (arch, old) in pinned {
        let platform = match arch.as_str() {
            "amd64" => "manylinux_2_31_x86_64",
            _ => "manylinux_2_31_aarch64",
        };
        let scratch = tempfile::tempdir()?;
        let to = scratch.path().display().to_string();
        let pip = ["-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps"];
        let which = ["--only-binary", ":all:", "--platform", platform, "--dest", &to, package];
        Process::new("python3").args(pip).args(which).output().await?;
        let wheel = std::fs::read_dir(scratch.path())?.next().ok_or("pip downloaded nothing")??;
        let name = wheel.file_name().to_string_lossy().into_owned();
        versions.insert(name.split('-').nth(1).ok_or("pip downloaded something that is no wheel")?.to_owned());
        let summed = Process::new("sha256sum").args([wheel.path().display().to_string()]).output().await?;
        sums.push((old.clone(), summed.split_whitespace().next().unwrap_or_default().to_owned()));
    }
    match versions.len() {
        1 => Ok((versions.into_iter().collect(), sums)),
        _ => Err(format!("its newest versions differ by architecture: {versions:?}").into()),
    }
}

/// What there is to say about a release of Debian, whose packages are taken as they are and are not pinned.
async fn debian_stable(suite: &str) -> String {
    let http = match Http::new() {
        Ok(http) => http,
        Err(reason) => return format!("not asked: {reason}"),
    };
    match http.call("GET", DEBIAN, &std::collections::BTreeMap::new(), bytes::Bytes::new()).await {
        Ok(answer) => match answer.body.lines().find_map(|line| line.strip_prefix("Codename: ")) {
            Some(stable) if stable == suite => "the stable release".to_owned(),
            Some(stable) => format!("kept; the stable release is {stable}"),
            None => format!("not asked: its mirror answered {}", answer.status),
        },
        Err(reason) => format!("not asked: {reason}"),
    }
}
