//! An engine with a node image that is not lab's own: what `kindest/node` is made from, made here, under the name and the digest that lab's stack has for
//! upstream's. No registry is asked.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::e2e::{lab_ok, text};

/// Debian packages that the Dockerfile of kind's base image installs, and those of what it builds from sources: runc and the CNI plugins.
const PACKAGES: &str = "systemd,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz,fuse-overlayfs,nfs-common,open-iscsi,\
    e2fsprogs,bash,ca-certificates,curl,jq,procps,runc,containernetworking-plugins";

/// The Debian of that Dockerfile.
const SUITE: &str = "trixie";

/// A Docker engine of one test, in a network namespace of its own, so that it disturbs no other engine's rules. Stopped and removed at the end.
pub struct Engine {
    daemon: Option<Child>,
    dir: PathBuf,
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(containers) = self.daemon.is_some().then(|| self.docker(&["ps", "--all", "--quiet"])) {
            let containers: Vec<&str> = containers.lines().collect();
            if !containers.is_empty() {
                self.docker(&[&["rm", "--force", "--volumes"], &containers[..]].concat());
            }
        }
        self.stop();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Engine {
    /// An engine with an upstream node image, and everything else that lab's registry source wants, under upstream's references.
    pub fn with_upstreams_images(dir: &Path) -> Self {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir).expect("a directory");
        lab_ok(&["images", "build", "--images", "packages"]);
        let all: Vec<Value> = serde_json::from_str(&lab_ok(&["images", "list", "--output", "json"])).expect("a list");
        let images = Images::of(&all);
        let node = dir.join("node");
        images.unpack_node(&node);
        let base = base(dir, &node);

        let mut engine = Self { daemon: None, dir: dir.to_owned() };
        engine.start();
        run(shell(&format!("docker save {} | docker --host {} load", images.local().join(" "), engine.host())));
        let kind = all.iter().find(|i| i["name"] == "kind").and_then(|i| i["local"].as_str()).expect("kind");
        run(engine
            .inside("tests/upstream/node")
            .args([&images.node, &*base.to_string_lossy(), &*dir.join("work").to_string_lossy()])
            .envs([("KIND", kind_module()), ("NODE", node), ("PROGRAM", kind.into())])
            .envs([("IMAGES", images.of_kubeadm()), ("VERSION", images.kubernetes.clone())]));
        for (local, upstream) in &images.upstream {
            engine.docker(&["tag", local, upstream]);
        }
        engine.stop();
        engine.believe(&images.node, &images.pinned);
        engine.start();
        engine
    }

    /// Has the engine know an image by a digest that it does not have. It is the digest of an image that nobody can pull here.
    fn believe(&self, image: &str, pinned: &str) {
        let file = self.dir.join("data/image/overlay2/repositories.json");
        let mut known: Value = serde_json::from_str(&fs::read_to_string(&file).expect("images")).expect("JSON");
        let repository = &mut known["Repositories"][image.split_once(':').expect("a tag").0];
        repository[pinned] = repository[image].clone();
        assert!(repository[pinned].is_string(), "{known:#}");
        fs::write(file, known.to_string()).expect("written");
    }

    fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.join("engine.log")).expect("a log");
        let dir = self.dir.display();
        // What the host's capabilities lack is what containers do without, as `./dev` has it.
        let runtime = concat!(env!("CARGO_MANIFEST_DIR"), "/stack/engine/available-caps");
        let script = format!(
            "ip link set lo up && exec dockerd --data-root {dir}/data --exec-root {dir}/exec --pidfile {dir}/pid --host {} \
             --add-runtime available-caps={runtime} --default-runtime available-caps",
            self.host()
        );
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sh", "-c", &script]).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.daemon = Some(command.spawn().expect("an engine"));
        let answers = || self.command("docker").arg("version").output().is_ok_and(|o| o.status.success());
        for _ in 0..300 {
            if answers() {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("the engine does not answer: {}", fs::read_to_string(self.dir.join("engine.log")).unwrap_or_default());
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let _ = daemon.wait();
        }
    }

    fn host(&self) -> String {
        format!("unix://{}", self.dir.join("sock").display())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Labs are of one engine. BuildKit would be an image to pull.
        command
            .env("DOCKER_HOST", self.host())
            .env("XDG_STATE_HOME", self.dir.join("state"))
            .env("DOCKER_BUILDKIT", "0");
        command
    }

    /// A program that talks to this engine, and reaches what its containers publish.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = self.command("nsenter");
        let daemon = self.daemon.as_ref().expect("an engine");
        command.args([&format!("--net=/proc/{}/ns/net", daemon.id()), "--", program]);
        command
    }

    fn docker(&self, args: &[&str]) -> String {
        let mut command = self.command("docker");
        command.args(args);
        run(command)
    }
}

/// Lab's own images, which stand in for upstream's.
struct Images {
    kubernetes: String,
    /// Upstream's node image by its tag, and by its digest.
    node: String,
    pinned: String,
    /// Lab's own node image, of which the binaries are.
    own: String,
    /// Names inside a node of what it holds in any case, each with the image that the engine has.
    inside: Vec<(String, String)>,
    /// The image that the engine has, and upstream's reference for it.
    upstream: Vec<(String, String)>,
}

impl Images {
    fn of(all: &[Value]) -> Self {
        let field = |i: &Value, key: &str| i[key].as_str().unwrap_or_default().to_owned();
        let mut images = Self {
            kubernetes: String::new(),
            node: String::new(),
            pinned: String::new(),
            own: String::new(),
            inside: Vec::new(),
            upstream: Vec::new(),
        };
        for image in all.iter().filter(|i| i["local"].as_str().is_some_and(|l| l.starts_with("lab/images/"))) {
            let (name, version, local) = (field(image, "name"), field(image, "version"), field(image, "local"));
            match image["registry"].as_str() {
                _ if name.starts_with("karmada") => {}
                Some(upstream) if name == "node" => {
                    let (tagged, digest) = upstream.split_once('@').expect("a digest");
                    images.pinned = format!("{}@{digest}", tagged.split_once(':').expect("a tag").0);
                    (images.node, images.own) = (tagged.to_owned(), local);
                    version.rsplit_once(':').expect("a tag").1.clone_into(&mut images.kubernetes);
                }
                Some(upstream) => images.upstream.push((local, upstream.to_owned())),
                // The configuration of kind's base image names another tag than kubeadm.
                None if name == "pause" => images.inside.push((pause(), local)),
                None => images.inside.push((version, local)),
            }
        }
        images
    }

    fn local(&self) -> Vec<&str> {
        self.inside
            .iter()
            .map(|(_, local)| local)
            .chain(self.upstream.iter().map(|(local, _)| local))
            .map(String::as_str)
            .collect()
    }

    fn of_kubeadm(&self) -> String {
        let lines: Vec<String> = self.inside.iter().map(|(name, local)| format!("{name} {local}")).collect();
        lines.join("\n")
    }

    /// The programs in lab's node image.
    fn unpack_node(&self, to: &Path) {
        fs::create_dir_all(to.join("usr")).expect("a directory");
        let script = format!(
            "set -e; cd {}; id=$(docker create {}); docker cp $id:/usr/bin - | tar x -C usr; docker cp $id:/usr/local/libexec/lab - | tar x; docker rm $id",
            to.display(),
            self.own
        );
        run(shell(&script));
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// The directory of kind's module.
fn kind_module() -> PathBuf {
    let mut command = Command::new("go");
    command.args(["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind"]).current_dir("stack/go/kind");
    run(command).trim().into()
}

/// The pause image that kind's own configuration of containerd names.
fn pause() -> String {
    let config = kind_module().join("images/base/files/etc/containerd/config.toml");
    let config = fs::read_to_string(config).expect("kind's configuration of containerd");
    let line = config.lines().find(|l| l.contains("sandbox_image")).expect("a pause image");
    line.split('"').nth(1).expect("a name").to_owned()
}

/// Kind's base image as an archive: Debian's packages, and what `tests/upstream/base` does to them.
fn base(dir: &Path, node: &Path) -> PathBuf {
    let (archive, scratch) = (dir.join("base.tar"), dir.join("scratch"));
    fs::create_dir_all(&scratch).expect("a directory");
    // In memory it takes a fraction of the time, as dpkg has every file written to the disk.
    let script = format!(
        "mount -t tmpfs tmpfs {scratch} && TMPDIR={scratch} exec mmdebstrap --variant=minbase --include={PACKAGES} \
         '--dpkgopt=path-exclude=/usr/share/doc/*' '--dpkgopt=path-exclude=/usr/share/locale/*' '--dpkgopt=path-exclude=/usr/share/man/*' \
         --customize-hook='{here}/tests/upstream/base \"$1\"' {SUITE} {archive} http://deb.debian.org/debian",
        scratch = scratch.display(),
        archive = archive.display(),
        here = env!("CARGO_MANIFEST_DIR"),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--", "sh", "-c", &script]).envs([("KIND", kind_module()), ("NODE", node.to_owned())]);
    run(command);
    archive
}

/// Runs a command, which must succeed. Gives what it printed.
pub fn run(mut command: impl std::borrow::BorrowMut<Command>) -> String {
    let command = command.borrow_mut();
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}
