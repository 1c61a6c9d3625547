//! A lab's life on the real stack: interrupted, gone on with, taken down beside a cluster that is somebody else's.

mod e2e;
#[path = "e2e/things.rs"]
mod things;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{LAB, lab, lab_ok, text};
use serde_json::Value;
use things::things;

const NAME: &str = "e2e-lifecycle";
/// A kind cluster that lab did not make.
const FOREIGN: &str = "e2e-foreign";

/// Labs of the other tests of this file.
const ABORTED: &str = "e2e-aborted";
const DAMAGED: &str = "e2e-damaged";

/// Removes a lab at the end, also when an assertion failed.
struct Down(&'static str);

impl Drop for Down {
    fn drop(&mut self) {
        lab(&["down", self.0]);
    }
}

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
    let mut up = Command::new(LAB)
        .args(["up", &file, "--fresh"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("lab");
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

    // Somebody's own kind cluster is beside it. Since Kubernetes 1.35 a kubelet wants to be told that control groups of version 1 will do.
    let config = e2e::run_dir().join("foreign-kind.yaml");
    let patch = "kind: KubeletConfiguration\\nfailCgroupV1: false";
    let text_of = format!("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nkubeadmConfigPatches: [\"{patch}\"]\n");
    std::fs::write(&config, text_of).expect("kind's configuration");
    let made = Command::new(kind)
        .args(["create", "cluster", "--name", FOREIGN, "--image", &node_image, "--config"])
        .arg(&config)
        .arg("--kubeconfig")
        .arg(e2e::run_dir().join("foreign.yaml"))
        .output()
        .expect("kind starts");
    assert!(made.status.success(), "{}", text(&made.stderr));

    lab_ok(&["down", NAME]);
    let again = lab(&["down", NAME]);
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && told.contains("nothing to remove"), "{told}");
    let containers = docker(&["ps", "--all", "--format", "{{.Names}} {{.State}}"]);
    assert!(!containers.contains(NAME), "{containers}");
    assert!(containers.contains(&format!("{FOREIGN}-control-plane running")), "{containers}");
    assert!(!docker(&["network", "ls", "--format", "{{.Name}}"]).contains("lab-e2e-lifecycle"));
    assert!(!docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).contains(NAME));
    assert!(lab::sys::state::State::open().expect("state").existing(NAME).is_err(), "its state is gone");
    assert_eq!(lab(&["status", NAME]).status.code(), Some(2));
}

/// Whether kind has asked the engine for a node of the lab, and waits for it.
fn is_in_flight(name: &str) -> bool {
    let node = format!("{name}-c1-control-plane");
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok()).any(|line| {
        let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
        words.contains(&b"run".as_slice()) && words.contains(&node.as_bytes())
    })
}

/// Ends `up` by a signal as soon as the engine makes nodes for it, and runs another verb at once.
fn abort(trials: &[(rustix::process::Signal, &str)]) {
    let file = e2e::run_dir().join("aborted.yaml");
    std::fs::write(&file, format!("name: {ABORTED}\nmesh: none\nclusters: [c1, c2]\n")).expect("a scenario");
    let file = file.to_string_lossy();
    let _down = Down(ABORTED);
    for (signal, verb) in trials {
        let mut up =
            Command::new(LAB).args(["up", &file, "--no-verify", "--fresh"]).stderr(Stdio::null()).spawn().expect("lab");
        while !is_in_flight(ABORTED) {
            assert!(up.try_wait().expect("looks").is_none(), "kind never ran a container");
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = rustix::process::Pid::from_raw(i32::try_from(up.id()).expect("a pid")).expect("a pid");
        rustix::process::kill_process(pid, *signal).expect("signalled");
        up.wait().expect("an exit status");
        if *verb == "up" {
            lab_ok(&["up", &file, "--no-verify"]);
            let running = docker(&["ps", "--format", "{{.Names}}"]);
            assert_eq!(running.lines().filter(|n| n.starts_with(ABORTED)).count(), 2, "{signal:?}: {running}");
        }
        lab_ok(&["down", ABORTED]);
        for wait in [0, 1, 4] {
            std::thread::sleep(Duration::from_secs(wait));
            assert_eq!(things(ABORTED), [""; 0], "{signal:?}, then {verb}");
        }
    }
}

#[test]
fn what_an_aborted_up_asked_for_does_not_come_back() {
    use rustix::process::Signal;
    abort(&[(Signal::KILL, "down"), (Signal::TERM, "down"), (Signal::HUP, "up")]);
}

#[test]
fn aborted_in_full() {
    use rustix::process::Signal;
    let all = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
    let trials: Vec<_> =
        all.into_iter().flat_map(|signal| [(signal, "down"), (signal, "up"), (signal, "down")]).collect();
    abort(&trials);
}

const DAMAGES: [Option<&[u8]>; 4] = [Some(b""), Some(b"-----BEGIN"), Some(b"\xff\xfe{garbage"), None];

/// Damages each file of a lab's state by those damages that `chosen` picks for it, and has `up` mend it: the cluster stays, with its secrets.
fn damage(chosen: impl Fn(usize, usize) -> bool) {
    let scenario = e2e::run_dir().join("damaged.yaml");
    std::fs::write(&scenario, format!("name: {DAMAGED}\nclusters: [c1]\n")).expect("a scenario");
    let scenario = scenario.to_string_lossy();
    let _down = Down(DAMAGED);
    lab_ok(&["up", &scenario]);
    let node = format!("{DAMAGED}-c1-control-plane");
    let facts = || {
        let secret = |namespace: &str, name: &str| {
            let of = ["-n", namespace, "get", "secret", name, "-o", "jsonpath={.data}"];
            docker(&[&["exec", &node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"][..], &of].concat())
        };
        let id = docker(&["inspect", "--format", "{{.Id}}", &node]);
        [id, secret("istio-system", "cacerts"), secret("metallb-system", "memberlist")]
    };
    let before = facts();
    let state = lab::sys::state::State::open().expect("state").existing(DAMAGED).expect("the lab");
    let logs = ["lab.json", "events.jsonl", "journal.jsonl"];
    let files: Vec<String> =
        state.files().expect("files").into_iter().filter(|f| !logs.contains(&f.as_str())).collect();
    for (at, file) in files.iter().enumerate() {
        for (_, damage) in DAMAGES.into_iter().enumerate().filter(|(which, _)| chosen(at, *which)) {
            match damage {
                Some(bytes) => std::fs::write(state.path(file), bytes).expect("writes"),
                // What is not made anew, as the last verdict, may be gone since the damage before.
                None if !state.path(file).exists() => {}
                None => std::fs::remove_file(state.path(file)).expect("removes"),
            }
            let status = text(&lab(&["status", DAMAGED]).stderr);
            assert!(!status.contains("lab down"), "{file} {damage:?}: {status}");
            lab_ok(&["up", &scenario, "--no-verify"]);
            assert_eq!(facts(), before, "{file} {damage:?}");
            if damage.is_none() && file != "ca/root-key.pem" && file != "verdict.json" {
                assert!(state.path(file).exists(), "{file} is made anew");
            }
        }
    }
    // A lab that has lost its own file takes its keys with it.
    std::fs::remove_file(state.path("lab.json")).expect("removes");
    assert!(lab_ok(&["list"]).lines().any(|l| l.contains(DAMAGED) && l.contains("damaged")));
    let refused = lab(&["status", DAMAGED]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("`lab down e2e-damaged`"), "{}", text(&refused.stderr));
    lab_ok(&["down", DAMAGED]);
    assert!(!state.path("").exists() && things(DAMAGED).is_empty());
}

#[test]
fn each_file_of_the_state_heals() {
    // Another damage for each.
    damage(|file, which| file % DAMAGES.len() == which);
}

#[test]
fn damaged_in_full() {
    damage(|_, _| true);
}
