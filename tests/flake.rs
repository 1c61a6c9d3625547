//! Evaluates `flake.nix` without a network: its inputs are replaced by the stand-ins under `tests/flake/`, nothing is built.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

const SYSTEM: &str = "x86_64-linux";

/// What the repository has beside what a build needs. The flake has the opposite list, so whoever adds a file to the root chooses.
const NOT_BUILT: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "action",
    "bench",
    "README.md",
    "dev",
    "docs",
    "flake.lock",
    "flake.nix",
    "result",
    "testing",
    "target",
];

/// A copy of what the flake reads beside stand-ins for its inputs, with a Nix store of its own.
struct Sandbox(TempDir);

/// What an evaluation printed.
struct Evaluated {
    stdout: String,
    stderr: String,
}

impl Sandbox {
    /// With these versions in the stand-in for nixpkgs.
    fn new(versions: &BTreeMap<String, String>) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repo = dir.path().join("repo");
        fs::create_dir(&repo).unwrap();
        for name in kept().iter().map(String::as_str).chain(["flake.nix"]) {
            copy(&root.join(name), &repo);
        }
        for name in ["README.md", "target"] {
            fs::write(repo.join(name), "not for the build").unwrap();
        }
        for input in ["nixpkgs", "crane"] {
            copy(&root.join("tests/flake").join(input), dir.path());
        }
        fs::write(dir.path().join("nixpkgs/versions.json"), serde_json::to_string(versions).unwrap()).unwrap();
        Self(dir)
    }

    fn nix(&self, subcommand: &[&str], attribute: &str, arguments: &[&str]) -> Evaluated {
        let at = |name: &str| format!("path:{}", self.0.path().join(name).display());
        let mut command = Command::new("nix");
        command
            .args(["--extra-experimental-features", "nix-command flakes", "--offline", "--store"])
            .arg(self.0.path().join("store"))
            .args(subcommand)
            .arg(at("repo") + attribute)
            .args(["--override-input", "nixpkgs", &at("nixpkgs"), "--override-input", "crane", &at("crane")])
            .args(arguments)
            .env("HOME", self.0.path())
            .env("XDG_CACHE_HOME", self.0.path().join("cache"))
            .env("XDG_CONFIG_HOME", self.0.path().join("config"));
        let output = command.output().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                panic!(
                    "this test needs nix: `./dev setup` or, on Debian and Ubuntu, `apt-get install nix-bin` installs it"
                )
            }
            _ => panic!("cannot start nix: {error}"),
        });
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command:?} failed ({}):\n{stderr}", output.status);
        Evaluated { stdout: String::from_utf8(output.stdout).expect("text"), stderr }
    }

    /// The value of one output, through a Nix function.
    fn value<T: DeserializeOwned>(&self, attribute: &str, function: &str) -> T {
        let printed = self.nix(&["eval", "--json"], &format!("#{attribute}"), &["--apply", function]).stdout;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{attribute} is {printed}: {error}"))
    }
}

fn copy(from: &Path, into: &Path) {
    let status = Command::new("cp").arg("--recursive").args([from, into]).status().expect("cp");
    assert!(status.success(), "cannot copy {} to {}", from.display(), into.display());
}

/// The versions of the tools as `stack/stack.yaml` has them, read as the YAML that it is.
fn pinned() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack/stack.yaml");
    let stack: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).expect("stack.yaml is YAML");
    let tools = stack["tools"].as_object().expect("stack.yaml has tools");
    let version = |tool: &Value| tool["version"].as_str().expect("a tool has a version").to_owned();
    tools.iter().map(|(name, tool)| (name.clone(), version(tool))).collect()
}

/// The same, as nixpkgs writes versions.
fn as_packaged() -> BTreeMap<String, String> {
    pinned().into_iter().map(|(name, version)| (name, version.trim_start_matches('v').to_owned())).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn every_output_evaluates() {
    let flake = Sandbox::new(&as_packaged());
    flake.nix(&["flake", "check", "--no-build"], "", &[]);
    let of = |output: &str| flake.value::<Vec<String>>(&format!("{output}.{SYSTEM}"), "builtins.attrNames");
    assert_eq!(of("packages"), names(&["default", "lab", "lab-unwrapped"]));
    assert_eq!(of("apps"), names(&["default"]));
    assert_eq!(of("devShells"), names(&["default"]));
    assert_eq!(of("checks"), names(&["clippy", "deny", "doc", "fmt", "lab", "nextest"]));
    assert_eq!(flake.value::<String>(&format!("formatter.{SYSTEM}"), "f: f.name"), "nixfmt-tree-1");
}

#[test]
fn a_host_gets_the_limits_that_dev_sets() {
    let flake = Sandbox::new(&as_packaged());
    let lib = "{ mkDefault = value: value; mkOverride = _: value: value; }";
    let pkgs = format!("{{ stdenv.hostPlatform.system = \"{SYSTEM}\"; }}");
    let of = |what: &str| {
        flake.value::<Value>(
            "nixosModules.default",
            &format!("m: let s = m {{ lib = {lib}; pkgs = {pkgs}; }}; in {what}"),
        )
    };
    let dev = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("dev")).expect("the script");
    let limits: BTreeMap<String, u64> = serde_json::from_value(of("s.boot.kernel.sysctl")).expect("numbers");
    assert_eq!(limits.len(), 2);
    for (name, limit) in limits {
        let short = name.strip_prefix("fs.inotify.").expect("a limit of inotify");
        assert!(dev.contains(&format!("{short}:{limit}")), "dev sets another {short} than {limit}");
    }
    assert_eq!(of("s.virtualisation.docker.enable"), true);
    assert_eq!(of("map (p: p.name) s.environment.systemPackages").as_array().map(Vec::len), Some(1));
}

#[test]
fn tool_versions_are_those_of_the_stack() {
    let flake = Sandbox::new(&as_packaged());
    assert_eq!(flake.value::<BTreeMap<String, String>>("lib.toolVersions", "versions: versions"), pinned());
}

#[test]
fn another_version_in_nixpkgs_is_a_warning() {
    let shell = format!("#devShells.{SYSTEM}.default.drvPath");
    let wrapped = format!("#packages.{SYSTEM}.lab.drvPath");
    let fitting = Sandbox::new(&as_packaged());
    for attribute in [&shell, &wrapped] {
        let stderr = fitting.nix(&["eval"], attribute, &[]).stderr;
        assert!(!stderr.contains("stack.yaml"), "a warning without a cause:\n{stderr}");
    }
    for (tool, version) in as_packaged() {
        let mut versions = as_packaged();
        versions.insert(tool.clone(), "0.0.1".to_owned());
        let stderr = Sandbox::new(&versions).nix(&["eval"], &wrapped, &[]).stderr;
        let warning =
            format!("nixpkgs has {tool} 0.0.1, stack/stack.yaml pins {version}: lab will use it only if it will do");
        assert!(stderr.contains(&warning), "no `{warning}` in:\n{stderr}");
    }
}

#[test]
fn wrapper_and_shell_have_the_same_tools() {
    let flake = Sandbox::new(&as_packaged());
    let shell: Vec<String> =
        flake.value(&format!("devShells.{SYSTEM}.default.packages"), "map (package: \"${package}/bin\")");
    let wrapper: String = flake.value(&format!("packages.{SYSTEM}.lab.postBuild"), "text: text");
    let path = wrapper.trim().rsplit(' ').next().unwrap();
    let tools: Vec<&str> = path.split(':').collect();
    assert!(tools.len() >= 4 && shell.len() > tools.len(), "{tools:?} {shell:?}");
    assert_eq!(tools, shell[..tools.len()]);
    for tool in ["kind", "kubectl", "istioctl", "docker-client"] {
        assert!(tools.iter().any(|path| path.contains(&format!("-{tool}-"))), "{tool} is not in {path}");
    }
    assert!(shell.iter().any(|path| path.contains("cargo-nextest")), "{shell:?}");
}

#[test]
fn dependencies_are_built_once() {
    let flake = Sandbox::new(&as_packaged());
    let path = "job: job.cargoArtifacts.drvPath";
    let package: String = flake.value(&format!("packages.{SYSTEM}.lab-unwrapped"), path);
    for check in ["clippy", "doc", "nextest"] {
        assert_eq!(flake.value::<String>(&format!("checks.{SYSTEM}.{check}"), path), package, "{check}");
    }
}

#[test]
fn the_build_has_all_that_it_needs_and_no_more() {
    let flake = Sandbox::new(&as_packaged());
    let store_path: String = flake.value(&format!("packages.{SYSTEM}.lab-unwrapped.src"), "src: \"${src}\"");
    let source = flake.0.path().join("store").join(store_path.trim_start_matches('/'));
    assert_eq!(entries(&source), kept());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for directory in ["stack", "scenarios", "labs", "tests"] {
        let (there, here) = (files(&source.join(directory)), files(&root.join(directory)));
        assert_eq!(there, here, "{directory}");
    }
}

/// What a build needs, at the top of the repository.
fn kept() -> Vec<String> {
    let mut kept = entries(Path::new(env!("CARGO_MANIFEST_DIR")));
    kept.retain(|name| name == ".config" || !name.starts_with('.') && !NOT_BUILT.contains(&name.as_str()));
    kept
}

/// The names in a directory, sorted.
fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All files under a directory, relative to it and sorted; none if there is no directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(directory).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
