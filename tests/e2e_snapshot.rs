//! A lab that is kept, taken down and restored: the same mesh, with what its pods keep on volumes, and the same verdict.

mod e2e;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{LAB, Own, in_short, lab, lab_as_is, lab_ok, run_dir, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const NAME: &str = "e2e-snapshot";
/// Snapshots of this test.
const KEPT: &str = "e2e-kept";
const IMPORTED: &str = "e2e-imported";
/// The lab beside it.
const FORK: &str = "e2e-snapshot-fork";

/// What is in a pod's volume, and in a cluster beside what lab applies.
const NOTE: &str = "written before the snapshot";

/// Removes the snapshots at the end, also when an assertion failed, and what `up` has kept by itself.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        let by_itself = names().into_iter().filter(|name| name.starts_with(&format!("{NAME}@")));
        for name in by_itself.chain([KEPT, IMPORTED].map(str::to_owned)) {
            lab(&["snapshots", "remove", &name]);
        }
    }
}

/// `lab up` as a user has it, which keeps the lab that it builds and takes it again.
const UP: [&str; 4] = ["up", "scenarios/two-network.yaml", "--name", NAME];

/// Brings the lab up; it must pass. Gives what was said.
fn up() -> String {
    let output = lab_as_is(&[&UP[..], &["--output", "json"]].concat());
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
    text(&output.stderr)
}

/// Brings it up until it makes clusters, and interrupts it. Gives what it said until then.
fn up_until_it_builds(flags: &[&str]) -> String {
    let mut up = Command::new(LAB);
    let mut up = up.args(UP).args(flags).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("lab");
    let mut said = String::new();
    for line in BufReader::new(up.stderr.take().expect("stderr")).lines().map_while(Result::ok) {
        if line.contains("kind cluster: ") {
            signal(up.id(), Signal::INT);
        }
        said += &(line + "\n");
    }
    assert_eq!(up.wait().expect("ended").code(), Some(130), "it must build: {said}");
    lab_ok(&["down", NAME]);
    said
}

fn signal(process: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("signalled");
}

/// What `up` has kept of the lab.
fn kept_by_itself() -> Option<String> {
    names().into_iter().find(|name| name.starts_with(&format!("{NAME}@")))
}

fn spoil(file: &Path) {
    let mut bytes = std::fs::read(file).expect("the file of a node");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).expect("spoiled");
}

fn listed() -> Value {
    serde_json::from_str(&lab_ok(&["snapshots", "list", "--output", "json"])).expect("a list")
}

fn names() -> Vec<String> {
    let listed = listed();
    listed.as_array().expect("a list").iter().filter_map(|s| Some(s["name"].as_str()?.to_owned())).collect()
}

/// Where lab keeps its state.
fn state() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".local/state");
    std::env::var_os("XDG_STATE_HOME").map_or_else(home, PathBuf::from).join("lab")
}

/// The file with what a node of a snapshot has on its volumes.
fn volumes(snapshot: &str) -> PathBuf {
    state().join(".snapshots").join(snapshot).join(format!("{NAME}-c2-control-plane.volumes.tar.gz"))
}

/// The snapshot as a second lab, while the first one runs: both pass, and neither sees what is written in the other.
fn stands_beside(first: &Own) {
    lab(&["down", FORK]);
    let restored = lab(&["restore", KEPT, "--name", FORK, "--output", "json"]);
    assert!(
        !text(&restored.stderr).contains(": metadata.labels[\"dev.lab.lab\"]"),
        "that an object is the fork's is no news"
    );
    let fork = Own { name: FORK.to_owned(), verdict: Value::Null, file: UP[1].to_owned() };
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let verdict: Value = serde_json::from_slice(&restored.stdout).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
    let note = ["-n", "sample", "get", "configmap", "note", "-o", "jsonpath={.data.text}"];
    assert_eq!(fork.kubectl("c1", &note), NOTE);
    fork.kubectl("c1", &["-n", "sample", "delete", "configmap", "note"]);
    assert_eq!(first.kubectl("c1", &note), NOTE);
    lab_ok(&["verify", NAME]);
    let status: Value = serde_json::from_str(&lab_ok(&["status", FORK, "--output", "json"])).expect("a status");
    let nodes =
        status["clusters"].as_array().expect("clusters").iter().flat_map(|c| c["nodes"].as_array().expect("nodes"));
    assert!(nodes.clone().all(|node| node["ready"] == true) && nodes.count() == 2, "{status:#}");
    // It starts again by itself, and is what it was.
    assert!(lab_ok(&["up", FORK]).contains("PASSED"));
}

#[test]
fn a_lab_that_is_down_comes_back_from_its_snapshot() {
    let _kept = Kept;
    drop(Kept);
    lab(&["down", NAME]);
    let own = Own { name: NAME.to_owned(), verdict: Value::Null, file: UP[1].to_owned() };
    let said = up();
    assert!(said.contains("is kept for the next `lab up`") && !said.contains("restored"), "{said}");
    let kept_before = kept_by_itself().expect("it is listed");
    assert!(lab_ok(&["images", "list"]).contains(&kept_before));
    own.kubectl("c1", &["-n", "sample", "create", "configmap", "note", &format!("--from-literal=text={NOTE}")]);

    lab_ok(&["snapshot", NAME, KEPT]);
    let (listed, is_kept) = (listed(), |s: &&Value| s["name"] == KEPT);
    let kept = listed.as_array().expect("a list").iter().find(is_kept).expect("it is listed");
    assert_eq!((&kept["lab"], &kept["clusters"], &kept["nodes"]), (&NAME.into(), &2.into(), &2.into()), "{kept:#}");
    assert!(kept["bytes"].as_u64() < Some(300_000_000), "{kept:#}");
    // The lab goes on as if nothing had been; another snapshot of that name is refused, as is the lab beside itself.
    lab_ok(&["verify", NAME]);
    for refused in [lab(&["snapshot", NAME, KEPT]), lab(&["restore", "e2e-nosuch"])] {
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    }
    let refused = lab(&["restore", KEPT]);
    assert!(text(&refused.stderr).contains(&format!("`lab down {NAME}`")), "{}", text(&refused.stderr));
    stands_beside(&own);

    // By way of an archive, as to another machine.
    let archive = run_dir().join("kept.tar");
    let archive = archive.to_string_lossy();
    let sum = lab_ok(&["snapshots", "export", KEPT, &archive]);
    let sum = sum.split_whitespace().next().expect("a checksum");
    // It makes containers with all rights, so that what it is must be known.
    for unknown in [&[][..], &["--sha256", &"0".repeat(64)]] {
        let refused = lab(&[&["snapshots", "import", &archive, IMPORTED], unknown].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    }
    assert!(!names().iter().any(|n| n == IMPORTED));
    lab_ok(&["snapshots", "import", &archive, IMPORTED, "--sha256", sum]);
    lab_ok(&["snapshots", "remove", KEPT]);
    lab_ok(&["down", NAME]);

    let restored = lab(&["restore", IMPORTED, "--output", "json"]);
    let said = text(&restored.stderr);
    assert!(restored.status.success(), "{said}");
    assert!(said.contains(&format!("lab {NAME} is restored from snapshot {IMPORTED}")), "{said}");
    let verdict: Value = serde_json::from_slice(&restored.stdout).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
    let note = own.kubectl("c1", &["-n", "sample", "get", "configmap", "note", "-o", "jsonpath={.data.text}"]);
    assert_eq!(note, NOTE);
    let clusters = text(
        &std::process::Command::new("docker").args(["ps", "--format", "{{.Labels}}"]).output().expect("docker").stdout,
    );
    assert!(clusters.contains(&format!("io.x-k8s.kind.cluster={NAME}-c1")), "kind must know it: {clusters}");

    // What is spoiled is refused, and nothing is left of it.
    lab_ok(&["down", NAME]);
    spoil(&volumes(IMPORTED));
    let refused = lab(&["restore", IMPORTED]);
    assert!(text(&refused.stderr).contains("is spoiled"), "{}", text(&refused.stderr));
    assert!(!lab_ok(&["list"]).contains(NAME));
    lab_ok(&["snapshots", "remove", IMPORTED]);
    assert!(!names().iter().any(|n| n == KEPT || n == IMPORTED));
    it_comes_up_again_from_what_was_kept_when_it_was_built(&own, &kept_before);
}

fn it_comes_up_again_from_what_was_kept_when_it_was_built(own: &Own, kept: &str) {
    let said = up_until_it_builds(&["--fresh"]);
    assert!(!said.contains("restored"), "{said}");
    // Killed in the middle, it is begun again from nothing.
    let mut killed = Command::new(LAB).args(UP).stderr(Stdio::null()).spawn().expect("lab");
    while !state().join(NAME).join("restoring").exists() {
        assert!(killed.try_wait().expect("looks").is_none(), "it never restored anything");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    signal(killed.id(), Signal::KILL);
    killed.wait().expect("ended");
    let said = up();
    assert!(
        said.contains("what an interrupted restore left") && said.contains(&format!("is restored from {kept}")),
        "{said}"
    );
    let notes = own.kubectl("c1", &["-n", "sample", "get", "configmaps", "-o", "name"]);
    assert!(!notes.contains("note"), "it was kept before the note was written: {notes}");
    // What was restored is kept already.
    assert!(!said.contains("is kept for the next"), "{said}");
    lab_ok(&["down", NAME]);

    // What is spoiled is not used, and forgotten.
    spoil(&volumes(kept));
    let said = up_until_it_builds(&[]);
    assert!(said.contains("is spoiled") && said.contains("it is built"), "{said}");
    assert_eq!(kept_by_itself(), None);
}
