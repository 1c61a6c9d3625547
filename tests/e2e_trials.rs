//! What a lab survives: lab killed at the boundaries of steps and at any moment in between, two of it at once, a disk that takes nothing more. Each trial is
//! drawn by a seed, which is printed, and ends well: `lab up` is green, or `lab down` leaves nothing. A lab beside it must notice nothing.

mod e2e;
#[path = "e2e/things.rs"]
mod things;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use e2e::{LAB, lab, lab_ok, run_dir, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use things::things;

const NAME: &str = "e2e-trials";
const NEIGHBOUR: &str = "e2e-neighbour";
const KEPT: &str = "e2e-trials-kept";

/// Trials of one run, and the seed that they are drawn by.
const TRIALS: usize = 40;
const SEED: u64 = 20_261_127;
/// More lines than `up` of this lab says; a draw beyond what it says kills it at its end.
const LINES: std::ops::Range<usize> = 1..30;

/// Removes all at the end, also when an assertion failed.
struct CleanUp;

impl Drop for CleanUp {
    fn drop(&mut self) {
        lab(&["down", NAME]);
        lab(&["down", NEIGHBOUR]);
        lab(&["snapshots", "remove", KEPT]);
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker starts");
    text(&output.stdout)
}

/// A scenario in a file.
fn scenario(name: &str, rest: &str) -> String {
    let file = run_dir().join(format!("{name}.yaml"));
    std::fs::write(&file, format!("name: {name}\n{rest}\n")).expect("a scenario");
    file.display().to_string()
}

/// Containers of the engine that nobody has: what a killed run may leave anonymous volumes of.
fn volumes() -> usize {
    docker(&["volume", "ls", "--quiet", "--filter", "dangling=true"]).lines().count()
}

/// What must stay as it is of the lab beside it: its node, when that was started, and whether its API server answers.
fn neighbour() -> String {
    let node = format!("{NEIGHBOUR}-c1-control-plane");
    let ready = ["exec", &node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "--raw", "/readyz"];
    docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.State.Running}}", &node]) + &docker(&ready)
}

/// Starts lab, and kills it when it has said so many lines, or after a time.
fn killed(args: &[&str], lines: Option<usize>, after: Duration) -> bool {
    let mut child = Command::new(LAB)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env_remove("CI")
        .spawn()
        .expect("lab starts");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    let stderr = BufReader::new(child.stderr.take().expect("stderr"));
    match lines {
        // The pipe is read to its end, so that nothing is killed by it but at the line that was drawn.
        Some(lines) => {
            let _ = stderr.lines().map_while(Result::ok).nth(lines - 1);
        }
        None => std::thread::sleep(after),
    }
    let was_there = child.try_wait().expect("looks").is_none();
    let _ = kill_process(pid, Signal::KILL);
    child.wait().expect("an exit status");
    was_there
}

/// Brings the lab up; it must be green.
fn is_green(file: &str) {
    let verdict: Value = serde_json::from_str(&lab_ok(&["up", file, "--output", "json"])).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", e2e::in_short(&verdict));
}

/// Takes the lab down; nothing may be left, nor come back.
fn leaves_nothing(trial: &str) {
    lab_ok(&["down", NAME]);
    for wait in [0, 2] {
        std::thread::sleep(Duration::from_secs(wait));
        assert_eq!(things(NAME), [""; 0], "{trial}");
    }
}

#[test]
fn killed_in_full() {
    let _clean_up = CleanUp;
    lab_ok(&["up", &scenario(NEIGHBOUR, "mesh: none\nclusters: [c1]"), "--no-verify"]);
    let (file, beside, before) = (scenario(NAME, "clusters: [c1]"), neighbour(), volumes());
    let mut draw = fastrand::Rng::with_seed(SEED);
    let (mut is_up, mut is_kept) = (false, false);
    for trial in 0..TRIALS {
        let after = Duration::from_millis(draw.u64(10..2500));
        let at_line = draw.bool().then(|| draw.usize(LINES));
        let verb = match (is_up, draw.u8(0..4)) {
            (false, 0) if is_kept => "restore",
            (false, _) => "up",
            (true, 0 | 1) => "down",
            (true, 2) => "snapshot",
            (true, _) => "up",
        };
        let args: Vec<&str> = match verb {
            "restore" => vec!["restore", KEPT],
            "snapshot" => vec!["snapshot", NAME, KEPT],
            "down" => vec!["down", NAME],
            _ => vec!["up", &file, "--fresh"],
        };
        if verb == "snapshot" && is_kept {
            lab_ok(&["snapshots", "remove", KEPT]);
            is_kept = false;
        }
        let was_there = killed(&args, at_line.filter(|_| verb == "up"), after);
        let trial =
            format!("trial {trial} of seed {SEED}: {verb} killed at {at_line:?} or {after:?} (alive: {was_there})");
        eprintln!("{trial}");
        // The snapshot that was killed is there whole or not at all.
        let listed = lab_ok(&["snapshots", "list", "--output", "json"]);
        let is_listed = listed.contains(KEPT);
        if draw.bool() || !(is_listed || is_kept) && draw.bool() {
            is_green(&file);
            is_up = true;
            if verb == "snapshot" && !is_listed {
                lab_ok(&["snapshot", NAME, KEPT]);
            }
        } else {
            leaves_nothing(&trial);
            is_up = false;
        }
        is_kept = lab_ok(&["snapshots", "list", "--output", "json"]).contains(KEPT);
        assert_eq!(neighbour(), beside, "{trial}: a lab beside it noticed");
    }
    leaves_nothing("at the end");
    if is_kept {
        lab_ok(&["snapshots", "remove", KEPT]);
    }
    assert!(volumes() <= before, "volumes were left: {} rather than {before}", volumes());
}

/// Starts lab without waiting for it.
fn begin(args: &[&str]) -> std::process::Child {
    let mut command = Command::new(LAB);
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("CI").spawn().expect("lab starts")
}

fn ended(child: std::process::Child) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("lab ends");
    (status.code(), text(&stderr) + &text(&stdout))
}

#[test]
fn at_once_in_full() {
    let _clean_up = CleanUp;
    let file = scenario(NAME, "clusters: [c1]");
    // Two build one lab: one does, and the other finds it built.
    let (one, other) = (begin(&["up", &file, "--fresh"]), begin(&["up", &file, "--fresh"]));
    for (code, said) in [ended(one), ended(other)] {
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("PASSED"), "{said}");
    }
    // One builds and one removes: the second waits for the first, so either is whole at the end.
    let (up, down) = (begin(&["up", &file, "--fresh"]), begin(&["down", NAME]));
    let (up, down) = (ended(up), ended(down));
    assert_eq!((up.0, down.0), (Some(0), Some(0)), "{}\n{}", up.1, down.1);
    if things(NAME).is_empty() {
        is_green(&file);
    } else {
        lab_ok(&["verify", NAME]);
    }
    leaves_nothing("up and down at once");
    // Three labs side by side.
    let names = [NAME, NEIGHBOUR, "e2e-third"];
    let files = names.map(|name| scenario(name, "mesh: none\nclusters: [c1]"));
    let all: Vec<_> = files.iter().map(|file| begin(&["up", file, "--no-verify", "--fresh"])).collect();
    for (code, said) in all.into_iter().map(ended) {
        assert_eq!(code, Some(0), "{said}");
    }
    for name in names {
        assert_eq!(lab(&["status", name]).status.code(), Some(0));
        lab_ok(&["down", name]);
        assert_eq!(things(name), [""; 0]);
    }
}

/// Runs `up` where no file may grow beyond so many blocks of 1024 bytes, as on a disk that is full: what the kernel says then is another word for it, and
/// it comes at every write that the limit meets.
fn on_a_full_disk(file: &str, blocks: u32) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" up \"$1\" --no-verify --fresh");
    let mut command = Command::new("bash");
    command.args(["-c", &script, LAB, file]).env_remove("CI");
    command.output().expect("bash starts")
}

#[test]
fn a_full_disk_in_full() {
    let _clean_up = CleanUp;
    let file = scenario(NAME, "mesh: none\nclusters: [c1]");
    for blocks in [0, 1, 2, 4, 8, 16] {
        let output = on_a_full_disk(&file, blocks);
        let (code, said) = (output.status.code(), text(&output.stderr));
        eprintln!("{blocks} KiB: {code:?}\n{said}");
        assert!(!said.contains("panicked"), "{said}");
        if code != Some(0) {
            assert!(matches!(code, Some(3 | 4)), "{blocks}: {code:?} {said}");
            assert!(said.to_lowercase().contains("file too large"), "the reason must be told: {said}");
        }
        // With room again it goes on, or goes away.
        if blocks % 4 == 0 {
            lab_ok(&["up", &file, "--no-verify"]);
        }
        leaves_nothing(&format!("{blocks} KiB"));
    }
}
