//! The release archive: what is in it is whole, and its binary needs nothing but Docker's client and socket, and a place to write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod e2e;
use e2e::{run_dir, text};

const NAME: &str = "release-in-nothing";

/// Runs a program from the repository's root and gives what it printed; it must succeed.
fn ok(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect(program);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {}\n{said}{}", output.status, text(&output.stdout));
    text(&output.stdout)
}

/// A path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("a path of plain characters")
}

/// The unpacked archive.
fn archive() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    ok("./dev", &["release"]);
    let (dir, name) = (target.join("release-archive"), format!("lab-{}-linux", std::env::consts::ARCH));
    let (to, file) = (run_dir().join("release"), dir.join(format!("{name}.tar.gz")));
    fs::create_dir_all(&to).expect("a directory");
    ok("sh", &["-c", &format!("cd {} && sha256sum --check --quiet SHA256SUMS", dir.display())]);
    ok("tar", &["-xzf", arg(&file), "-C", arg(&to)]);
    to.join(name)
}

/// A container image in which there is the release, Docker's client, and what that one is linked with: no shell, no directory for a user.
struct Nothing {
    image: String,
    home: PathBuf,
}

impl Nothing {
    fn with(release: &Path) -> Self {
        let root = run_dir().join("root");
        fs::create_dir_all(root.join("bin")).expect("a directory");
        ok("cp", &["-r", arg(release), arg(&root.join("lab"))]);
        let docker = ok("sh", &["-c", "command -v docker"]).trim().to_owned();
        // Of a static one, ldd says that it is none of its business.
        let linked = ok("sh", &["-c", &format!("ldd {docker} || true")]);
        let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
        for file in libraries.chain([docker.as_str()]) {
            ok("cp", &["--parents", "--dereference", file, arg(&root)]);
        }
        let image = "lab-test/nothing:release".to_owned();
        ok("sh", &["-c", &format!("tar -C {} -c . | docker import - {image}", root.display())]);
        let home = run_dir().join("home");
        fs::create_dir_all(&home).expect("a directory");
        Self { image, home }
    }

    /// Runs the release there, with the host's network, since API servers are published on its loopback address.
    fn lab(&self, args: &[&str]) -> std::process::Output {
        let cache =
            text(&Command::new("sh").args(["-c", "echo ${XDG_CACHE_HOME:-$HOME/.cache}"]).output().expect("sh").stdout);
        let cache = cache.trim();
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--network", "host", "--tmpfs", "/tmp", "--workdir", "/lab"]);
        command.args([
            "--volume",
            "/var/run/docker.sock:/var/run/docker.sock",
            "--volume",
            &format!("{cache}/lab:{cache}/lab"),
        ]);
        command.args(["--volume", &format!("{0}:{0}", arg(&self.home)), "--env", &format!("HOME={}", arg(&self.home))]);
        command.args(["--env", &format!("XDG_CACHE_HOME={cache}"), "--env", "PATH=/usr/bin:/usr/local/bin:/bin"]);
        command.args(["--entrypoint", "/lab/lab", &self.image]).args(args).output().expect("docker")
    }

    fn lab_ok(&self, args: &[&str]) -> String {
        let output = self.lab(args);
        let said = text(&output.stderr);
        assert!(output.status.success(), "lab {args:?}: {}\n{said}\n{}", output.status, text(&output.stdout));
        text(&output.stdout)
    }
}

impl Drop for Nothing {
    fn drop(&mut self) {
        self.lab(&["down", NAME]);
        let _ = Command::new("docker").args(["rmi", &self.image]).output();
    }
}

#[test]
fn the_release_runs_in_an_empty_root_file_system_in_full() {
    let release = archive();
    for file in [
        "LICENSE",
        "README.md",
        "SHA256SUMS",
        "completions/lab.bash",
        "man/lab.1",
        "lab.cdx.json",
        "scenarios/two-network.yaml",
        "labs",
    ] {
        assert!(release.join(file).exists(), "{file} is not in the archive");
    }
    // They hold on every machine, and are the same wherever they were made.
    let completions = fs::read_to_string(release.join("completions/lab.bash")).expect("read");
    assert!(completions.contains("lab") && !completions.contains("/lab"), "{completions}");
    let linked = Command::new("ldd").arg(release.join("lab")).output().expect("ldd");
    let said = text(&linked.stdout) + &text(&linked.stderr);
    assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{said}");

    let nothing = Nothing::with(&release);
    let version: Value = serde_json::from_str(&nothing.lab_ok(&["version", "--output", "json"])).expect("JSON");
    assert!(version["commit"].as_str().is_some_and(|c| c.len() == 40), "{version:#}");
    let whole = nothing.lab_ok(&["self-check"]);
    assert!(whole.contains("files are as released"), "{whole}");
    // Go and mmdebstrap are not there, and are not needed: images and tools are prepared.
    assert!(nothing.lab(&["doctor"]).status.code().is_some_and(|code| code != 1), "doctor finds this machine unfit");
    let plan = nothing.lab_ok(&["plan", "scenarios/two-network.yaml"]);
    assert!(plan.contains("east-west-gateway/c2"), "{plan}");

    let up = nothing.lab_ok(&["up", "scenarios/two-network.yaml", "--name", NAME, "--output", "json"]);
    let verdict: Value = serde_json::from_str(&up).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{verdict:#}");
    assert_eq!(verdict["sources"].as_array().map(Vec::len), Some(2), "{verdict:#}");
    nothing.lab_ok(&["verify", NAME]);
    nothing.lab_ok(&["down", NAME]);
    let left = ok("docker", &["ps", "--all", "--quiet", "--filter", &format!("name={NAME}")]);
    assert_eq!(left, "");

    // A file that is changed is found by the installation itself.
    fs::write(release.join("README.md"), "changed").expect("written");
    let output = Command::new(release.join("lab")).arg("self-check").output().expect("lab");
    let (said, code) = (text(&output.stdout) + &text(&output.stderr), output.status.code());
    assert!(code != Some(0) && said.contains("not as released: README.md"), "{code:?} {said}");
}
