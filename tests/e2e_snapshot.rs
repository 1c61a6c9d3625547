//! A lab that is kept, taken down and restored: the same mesh, with what its pods keep on volumes, and the same verdict.

mod e2e;

use std::path::PathBuf;

use e2e::{Own, in_short, lab, lab_ok, run_dir, text};
use serde_json::Value;

const NAME: &str = "e2e-snapshot";
/// Snapshots of this test.
const KEPT: &str = "e2e-kept";
const IMPORTED: &str = "e2e-imported";

/// What is in a pod's volume, and in a cluster beside what lab applies.
const NOTE: &str = "written before the snapshot";

/// Removes the snapshots at the end, also when an assertion failed.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        for name in [KEPT, IMPORTED] {
            lab(&["snapshots", "remove", name]);
        }
    }
}

fn listed() -> Value {
    serde_json::from_str(&lab_ok(&["snapshots", "list", "--output", "json"])).expect("a list")
}

fn names() -> Vec<String> {
    let listed = listed();
    listed.as_array().expect("a list").iter().filter_map(|s| Some(s["name"].as_str()?.to_owned())).collect()
}

/// Where the files of a snapshot are.
fn directory(name: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".local/state");
    std::env::var_os("XDG_STATE_HOME").map_or_else(home, PathBuf::from).join("lab/.snapshots").join(name)
}

#[test]
fn a_lab_that_is_down_comes_back_from_its_snapshot() {
    let _kept = Kept;
    drop(Kept);
    let own = Own::up_as("two-network", NAME);
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
    let node = directory(IMPORTED).join(format!("{NAME}-c2-control-plane.volumes.tar.gz"));
    let mut bytes = std::fs::read(&node).expect("the file of a node");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&node, bytes).expect("spoiled");
    let refused = lab(&["restore", IMPORTED]);
    assert!(text(&refused.stderr).contains("is spoiled"), "{}", text(&refused.stderr));
    assert!(!lab_ok(&["list"]).contains(NAME));
    lab_ok(&["snapshots", "remove", IMPORTED]);
    assert!(!names().iter().any(|n| n == KEPT || n == IMPORTED));
}
