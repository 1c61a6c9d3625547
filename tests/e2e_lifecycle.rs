//! A lab's life on the real stack: interrupted, gone on with, taken down beside a cluster that is somebody else's.

mod e2e;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use e2e::{LAB, lab, lab_ok, text};
use serde_json::Value;

const NAME: &str = "e2e-lifecycle";
/// A kind cluster that lab did not make.
const FOREIGN: &str = "e2e-foreign";

/// Removes both at the end, also when an assertion failed.
struct CleanUp;

impl Drop for CleanUp {
    fn drop(&mut self) {
        lab(&["down", NAME]);
        docker(&["rm", "--force", "--volumes", &format!("{FOREIGN}-control-plane")]);
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker starts");
    text(&output.stdout)
}

fn scenario() -> PathBuf {
    let file = e2e::run_dir().join("lifecycle.yaml");
    std::fs::write(&file, format!("name: {NAME}\nclusters: [c1]\n")).expect("a scenario");
    file
}

/// The tools and the node image that lab has prepared.
fn kind_and_node_image() -> (String, String) {
    let prepared = lab_ok(&["images", "build"]);
    let field = |name: &str| {
        let line = prepared.lines().find(|l| l.split_whitespace().next() == Some(name));
        let value = line.and_then(|l| l.split_whitespace().nth(1));
        value.unwrap_or_else(|| panic!("no {name} in {prepared}")).to_owned()
    };
    (field("kind"), field("node"))
}

#[test]
fn an_interrupted_lab_goes_on_and_down_removes_it_and_nothing_else() {
    let file = scenario();
    let file = file.to_string_lossy();
    let (kind, node_image) = kind_and_node_image();
    let _clean_up = CleanUp;

    // Interrupted while kind is at work.
    let mut up =
        Command::new(LAB).args(["up", &file]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("lab");
    let mut lines = BufReader::new(up.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    let begun = lines.by_ref().find(|l| l.contains("kind cluster: "));
    assert!(begun.is_some(), "kind never told what it does");
    let pid = rustix::process::Pid::from_raw(i32::try_from(up.id()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("interrupted");
    let rest: Vec<String> = lines.collect();
    assert_eq!(up.wait().expect("an exit status").code(), Some(130), "{rest:#?}");
    assert!(rest.iter().any(|l| l.contains("lab down")), "what was begun must be told: {rest:#?}");
    assert!(docker(&["network", "ls", "--format", "{{.Name}}"]).contains("lab-e2e-lifecycle"), "what was made is kept");

    // It goes on, and works.
    let verdict: Value = serde_json::from_str(&lab_ok(&["up", &file, "--output", "json"])).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{verdict:#}");

    // A changed scenario is refused, and nothing happens to the lab.
    let changed = e2e::run_dir().join("changed.yaml");
    std::fs::write(&changed, format!("name: {NAME}\nclusters: [c9]\n")).expect("a scenario");
    let refused = lab(&["up", &changed.to_string_lossy()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("no longer has its cluster c1"));

    // Somebody's own kind cluster is beside it.
    let made = Command::new(kind)
        .args(["create", "cluster", "--name", FOREIGN, "--image", &node_image, "--kubeconfig"])
        .arg(e2e::run_dir().join("foreign.yaml"))
        .output()
        .expect("kind starts");
    assert!(made.status.success(), "{}", text(&made.stderr));

    lab_ok(&["down", NAME]);
    let containers = docker(&["ps", "--all", "--format", "{{.Names}} {{.State}}"]);
    assert!(!containers.contains(NAME), "{containers}");
    assert!(containers.contains(&format!("{FOREIGN}-control-plane running")), "{containers}");
    assert!(!docker(&["network", "ls", "--format", "{{.Name}}"]).contains("lab-e2e-lifecycle"));
    assert!(!docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).contains(NAME));
    assert!(lab::sys::state::State::open().expect("state").existing(NAME).is_err(), "its state is gone");
    assert_eq!(lab(&["status", NAME]).status.code(), Some(2));
}
