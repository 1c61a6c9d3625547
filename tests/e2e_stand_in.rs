//! The whole way of upstream's images, by upstream's own names: probes by lab, pulls by an engine of the test's own, istioctl out of upstream's image,
//! MetalLB's manifest from its release, and the derived node image. Upstream is a stand-in on loopback, whose images are small; everything else is real.

mod e2e;
mod stand_in;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use e2e::text;
use lab::images::{self, Choice, Source, Stack};
use lab::scenario::{ImageSettings, Versions};
use stand_in::{Fault, Served, StandIn, sha256};

/// An engine of the test's own, apart from the one that labs use.
struct OwnEngine(Child);

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // It takes what it started with it only when it is asked to end.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn docker(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().expect("docker starts")
}

impl OwnEngine {
    fn start(dir: &Path, upstream: &StandIn) -> Self {
        // What runs containers on this machine runs them here too.
        let told = docker(&["info", "--format", "{{.DefaultRuntime}} {{(index .Runtimes .DefaultRuntime).Path}}"]);
        let told = text(&told.stdout);
        let (runtime, path) = told.trim().split_once(' ').expect("a runtime");
        let path_of = |name: &str| dir.join(name).display().to_string();
        let mut command = Command::new("dockerd");
        command
            .args(["--host", &format!("unix://{}", path_of("docker.sock")), "--data-root", &path_of("data")])
            .args(["--exec-root", &path_of("exec"), "--pidfile", &path_of("pid"), "--storage-driver", "vfs"])
            .args(["--bridge", "none", "--iptables=false", "--containerd-namespace", "lab-stand-in"])
            .env("HTTPS_PROXY", &upstream.proxy)
            .env("SSL_CERT_FILE", dir.join("authority.pem"));
        if runtime != "runc" {
            command.args(["--add-runtime", &format!("{runtime}={path}"), "--default-runtime", runtime]);
        }
        let log = fs::File::create(dir.join("dockerd.log")).expect("a log");
        let both = log.try_clone().expect("a log");
        let engine = Self(command.stdin(Stdio::null()).stdout(both).stderr(log).spawn().expect("dockerd starts"));
        for _ in 0..300 {
            if docker(&["--host", &format!("unix://{}", path_of("docker.sock")), "version"]).status.success() {
                return engine;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("no engine: {}", fs::read_to_string(dir.join("dockerd.log")).unwrap_or_default());
    }
}

/// The stack whose node is the stand-in's: of upstream's own the digest is pinned, and nobody else can make an image that has it.
fn stack(source: Source) -> Stack {
    let var = |name: &str| std::env::var(name).expect("what the parent says");
    let mut stack = Stack::serving(source, Versions::default()).expect("stack.yaml is valid");
    let node = stack.images.get_mut("node").expect("a node");
    let upstream = node.registry.take().expect("a reference");
    let name = upstream.split('@').next().expect("a name");
    node.registry = Some(format!("{name}@{}", var("STAND_IN_NODE")));
    let manifest = stack.releases.get_mut("metallb-manifest").expect("a release");
    manifest.sha256.insert("any".to_owned(), var("STAND_IN_MANIFEST"));
    stack
}

#[tokio::test]
#[ignore = "a_lab_has_its_images_by_upstreams_names_in_full runs it, with another engine and another network"]
async fn as_a_user() {
    let engine = lab::sys::docker::Engine::connect().await.expect("the engine");
    let (events, mut told) = lab::exec::Events::channel();
    let progress = events.progress(&lab::plan::StepId("prepare images".to_owned()));
    let of = |source| Ok(stack(source));
    let done =
        images::prepare_stack(Choice::Auto, &ImageSettings::default(), ("images", &of), &engine, &progress).await;
    drop((progress, events));
    while let Some(event) = told.recv().await {
        println!("{event:?}");
    }
    match done {
        Ok(p) => {
            println!("PREPARED {} kind={} istioctl={}", p.node_image, p.kind.display(), p.istioctl.display());
            println!("MANIFEST {}", p.metallb_manifest.trim());
            println!("PILOT {}", p.images["istio-pilot"]);
        }
        Err(error) => println!("FAILED {error}"),
    }
}

struct User<'a> {
    dir: &'a Path,
    upstream: &'a StandIn,
    node: String,
}

impl User<'_> {
    /// What `as_a_user` says, with these faults, in a run that has nothing from earlier ones but the engine.
    fn prepare(&self, faults: &[(&str, Fault)]) -> String {
        let faults = faults.iter().map(|(text, fault)| ((*text).to_owned(), *fault)).collect();
        {
            let mut served = self.upstream.served.lock().expect("the lock");
            (served.faults, served.log) = (faults, Vec::new());
        }
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["as_a_user", "--exact", "--ignored", "--nocapture"])
            .env("DOCKER_HOST", format!("unix://{}", self.dir.join("docker.sock").display()))
            .env("DOCKER_CONFIG", self.dir.join("no-config"))
            .env("HTTPS_PROXY", &self.upstream.proxy)
            .env("SSL_CERT_FILE", self.dir.join("authority.pem"))
            .env("XDG_CACHE_HOME", self.dir.join("cache"))
            // Neither Go nor any other program that builds.
            .env("PATH", self.dir.join("bin"))
            .env("STAND_IN_NODE", &self.node)
            .env("STAND_IN_MANIFEST", sha256(METALLB))
            .output()
            .expect("the test starts");
        let said = text(&output.stdout);
        let log = self.upstream.served.lock().expect("the lock").log.join("\n");
        eprintln!("{said}\n{}\n{log}", text(&output.stderr));
        assert!(output.status.success(), "{said}");
        said
    }

    /// How many requests begin and end so.
    fn asked(&self, request: &str, end: &str) -> usize {
        let served = self.upstream.served.lock().expect("the lock");
        served.log.iter().filter(|line| line.starts_with(request) && line.ends_with(end)).count()
    }
}

const METALLB: &[u8] = b"kind: Namespace # of the stand-in\n";
const HUB: &str = "registry-1.docker.io";

/// Busybox out of an image that this machine has.
fn busybox(dir: &Path) -> Vec<u8> {
    let images = docker(&["images", "lab/images/sleep", "--format", "{{.Repository}}:{{.Tag}}"]);
    let images = text(&images.stdout);
    let image = images.lines().next().expect("package-built images: run `lab images build` first");
    let made = text(&docker(&["create", image]).stdout);
    let to = dir.join("busybox");
    let copied = docker(&["cp", "--follow-link", &format!("{}:/bin/busybox", made.trim()), &to.display().to_string()]);
    docker(&["rm", made.trim()]);
    assert!(copied.status.success(), "{}", text(&copied.stderr));
    fs::read(to).expect("busybox")
}

fn executable(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, content).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Everything that upstream has of the stack. The node is a shell that keeps what it is filled with.
fn upstream(dir: &Path) -> (Served, String) {
    let stack = Stack::serving(Source::Registry, Versions::default()).expect("stack.yaml is valid");
    let mut served = Served::default();
    let mut node = String::new();
    for (key, image) in &stack.images {
        let Some(reference) = image.registry.as_deref().map(images::Reference::parse) else { continue };
        let host = if reference.host == "docker.io" { HUB } else { &reference.host };
        // As much that a connection can be dropped in the middle of it.
        let noise: Vec<u8> = (0..4096).flat_map(|i| sha256(format!("{key}{i}").as_bytes()).into_bytes()).collect();
        let mut files = BTreeMap::from([("what", noise)]);
        if key == "node" {
            // Whatever the shell is told to run.
            let keep = b"#!/bin/busybox sh\nexec /bin/busybox cat >/filled.tar\n";
            files.extend([("bin/bash", keep.to_vec()), ("bin/busybox", busybox(dir))]);
        }
        let digest = served.image(host, &reference.path, reference.tag(), &files);
        if key == "node" {
            node = digest;
        }
    }
    let istioctl = BTreeMap::from([("usr/local/bin/istioctl", b"#!/bin/sh\necho 1.31.1\n".to_vec())]);
    served.image(HUB, "istio/istioctl", "1.31.1", &istioctl);
    let manifest = stack.releases["metallb-manifest"].url.trim_start_matches("https://").to_owned();
    served.files.insert(manifest, METALLB.to_vec());
    (served, node)
}

#[test]
fn a_lab_has_its_images_by_upstreams_names_in_full() {
    // The path of a socket has a limit.
    let own = tempfile::tempdir().expect("a directory");
    let dir = own.path();
    let (served, node) = upstream(dir);
    let layer = |path: &str, tag: &str| served.layer(HUB, path, tag);
    let of_proxy = layer("istio/proxyv2", "1.31.1");
    let of_node = format!("/kindest/node/blobs/{}", served.layer(HUB, "kindest/node", &node));
    let upstream = StandIn::start(served);
    fs::write(dir.join("authority.pem"), &upstream.authority).expect("a certificate");
    fs::create_dir(dir.join("bin")).expect("a directory");
    executable(&dir.join("bin/kind"), "#!/bin/sh\necho kind v0.31.0 go1.25.4 linux/amd64\n");
    let _engine = OwnEngine::start(dir, &upstream);
    let user = User { dir, upstream: &upstream, node };

    // What is missing is named, and nothing is pulled.
    let said = user.prepare(&[("/istio/proxyv2/manifests/", Fault::Missing)]);
    assert!(said.contains("FAILED") && said.contains("docker.io: it has no istio/proxyv2:1.31.1"), "{said}");
    assert!(said.contains("Go: go is not on PATH"), "{said}");

    // What has another digest is not taken.
    let said = user.prepare(&[(&of_node, Fault::Altered)]);
    assert!(said.contains("FAILED cannot pull docker.io/kindest/node"), "{said}");

    // A registry that is asked too often, and a connection that drops, are asked again.
    let busy = format!("GET {HUB}/v2/curlimages/curl/manifests/");
    let dropped = format!("/istio/proxyv2/blobs/{of_proxy}");
    let said = user.prepare(&[(&busy, Fault::Busy), (&dropped, Fault::Dropped)]);
    assert_eq!(user.asked(&busy, " 429"), 1, "{said}");
    assert!(user.asked(&busy, " 200") > 0, "{said}");
    assert_eq!(user.asked(&format!("GET {HUB}/v2{dropped}"), " dropped"), 1, "{said}");
    assert!(
        said.contains("PREPARED lab/node:") && said.contains("registry: the registries have every image"),
        "{said}"
    );
    assert!(said.contains(&format!("kind={}", dir.join("bin/kind").display())), "a version of the range: {said}");
    assert!(said.contains("MANIFEST kind: Namespace # of the stand-in"), "{said}");
    assert!(said.contains("PILOT docker.io/istio/pilot:1.31.1"), "{said}");
    let istioctl = said.split("istioctl=").nth(1).and_then(|rest| rest.lines().next()).expect("istioctl");
    assert!(istioctl.contains("/artifacts/image/"), "out of upstream's image: {istioctl}");

    // The node was filled with the images, under upstream's names.
    let image = said.split("PREPARED ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a node image");
    let host = format!("unix://{}", dir.join("docker.sock").display());
    let made = text(&docker(&["--host", &host, "create", image, "/none"]).stdout);
    let filled = dir.join("filled.tar").display().to_string();
    let copied = docker(&["--host", &host, "cp", &format!("{}:/filled.tar", made.trim()), &filled]);
    assert!(copied.status.success(), "{}", text(&copied.stderr));
    let mut archive = tar::Archive::new(fs::File::open(filled).expect("an archive"));
    let mut names = String::new();
    for entry in archive.entries().expect("an archive").flatten() {
        if entry.path().is_ok_and(|path| path == Path::new("manifest.json")) {
            names = std::io::read_to_string(entry).expect("a manifest");
        }
    }
    for name in
        ["docker.io/istio/pilot:1.31.1", "quay.io/metallb/speaker:", "docker.io/istio/examples-helloworld-v1:1.0"]
    {
        assert!(names.contains(name), "no {name} in {names}");
    }
}
