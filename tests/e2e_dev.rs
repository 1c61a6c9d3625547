//! `lab dev`: an edit is live in every cluster in seconds, and one that does not do leaves what ran before.

mod e2e;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use e2e::{LAB, lab, lab_ok, text};
use serde_json::Value;

const NAME: &str = "two-network";
const NAMESPACE: &str = "dev-e2e";
const CLUSTERS: [&str; 2] = ["c1", "c2"];
const BUILD: &str = "CGO_ENABLED=0 go build -o hello .";

/// How long anything may take on a machine that does other work too.
const PATIENCE: Duration = Duration::from_secs(120);

/// The example's directory, to be edited.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().expect("a directory"));
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("labs/sandbox/hello");
        let copied = Command::new("cp").arg("-r").arg(from).arg(project.0.path()).status().expect("cp");
        assert!(copied.success());
        project
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("hello")
    }

    /// Replaces words of a file, as an editor does; gives the time.
    fn edit(&self, file: &str, from: &str, to: &str) -> Instant {
        let path = self.directory().join(file);
        let old = std::fs::read_to_string(&path).expect("the file");
        assert!(old.contains(from), "{old}");
        let new = old.replace(from, to);
        let written = Instant::now();
        std::fs::write(&path, new).expect("writes");
        written
    }

    /// `lab dev` with these words more.
    fn args(&self, more: &[&str]) -> Vec<String> {
        let directory = self.directory().display().to_string();
        let args = ["dev", NAME, &directory, "--namespace", NAMESPACE, "--build", BUILD];
        args.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }
}

/// Lines of a program, with the time at which each came, until it ends or this is dropped.
struct Lines {
    child: Child,
    lines: Receiver<(Instant, String)>,
}

impl Lines {
    fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn next(&self, until: Instant) -> (Instant, String) {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("nothing came in time"),
            Err(RecvTimeoutError::Disconnected) => panic!("it has ended"),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `lab dev`, by its events.
struct Watch(Lines);

impl Watch {
    /// The next event of one of these kinds.
    fn until(&self, kinds: &[&str]) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, line) = self.0.next(end);
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            e2e::fits("dev", &event);
            if event["event"] != "log" {
                eprintln!("{line}");
            }
            if kinds.iter().any(|kind| event["event"] == *kind) {
                return event;
            }
        }
    }
}

/// Answers to a caller in a cluster, one after the other without an end.
fn answers(cluster: &str) -> Lines {
    let script = format!("while :; do curl -s -m 2 hello.{NAMESPACE}:8080; sleep 0.1; done");
    Lines::of(Command::new(LAB).args(["exec", NAME, cluster, "sleep", "--", "sh", "-c", &script]))
}

/// When each caller had the first answer with these words from each cluster, in seconds since then. No older words may come any more at the end.
fn first_answers(words: &str, callers: &[Lines], since: Instant) -> Vec<f64> {
    let end = Instant::now() + PATIENCE;
    let mut seconds = Vec::new();
    for caller in callers {
        let mut left: Vec<String> =
            CLUSTERS.iter().map(|cluster| format!("{words} from {NAME}-{cluster}-control-plane")).collect();
        while !left.is_empty() {
            let (at, line) = caller.next(end);
            if let Some(place) = left.iter().position(|wanted| *wanted == line) {
                left.remove(place);
                seconds.push(at.saturating_duration_since(since).as_secs_f64());
            }
        }
    }
    seconds
}

/// All that comes to a caller in a second.
fn sample(caller: &Lines) -> Vec<String> {
    while caller.lines.try_recv().is_ok() {}
    std::thread::sleep(Duration::from_secs(2));
    caller.lines.try_iter().map(|(_, line)| line).collect()
}

struct Namespace;

impl Drop for Namespace {
    fn drop(&mut self) {
        for cluster in CLUSTERS {
            let node = format!("{NAME}-{cluster}-control-plane");
            let kubectl = ["exec", &node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
            let _ = Command::new("docker").args(kubectl).args(["delete", "namespace", NAMESPACE]).output();
        }
    }
}

#[test]
fn an_edit_is_live_in_every_cluster_in_full() {
    e2e::shared(NAME);
    let _namespace = Namespace;
    let project = Project::new();
    let args = project.args(&["--output", "json"]);
    let watch = Watch(Lines::of(Command::new(LAB).args(&args)));
    assert_eq!(watch.until(&["live", "failed"])["event"], "live");
    let callers: Vec<Lines> = CLUSTERS.iter().map(|cluster| answers(cluster)).collect();
    first_answers("hello", &callers, Instant::now());

    let mut old = "hello".to_owned();
    for round in 1..=3 {
        let new = format!("edit {round}");
        let written = project.edit("main.go", &format!("\"{old}\""), &format!("\"{new}\""));
        let seconds = first_answers(&new, &callers, written);
        let last = seconds.iter().copied().fold(0.0, f64::max);
        let live = watch.until(&["live", "failed"]);
        eprintln!("edit {round}: answered in every cluster after {last:.2} s, told live after {} s", live["after"]);
        assert!(live["event"] == "live" && last < 90.0, "{live}, {seconds:?}");
        let stale: Vec<String> = sample(&callers[0]).into_iter().filter(|line| line.contains(&old)).collect();
        assert!(stale.is_empty(), "{stale:?}");
        old = new;
    }
    // Nobody made new pods for that, and the Deployment has what was built.
    let status: Value = serde_json::from_str(&lab_ok(&["status", NAME, "--output", "json"])).expect("JSON");
    let apps = status["clusters"][0]["apps"].as_array().expect("apps");
    assert!(apps.iter().any(|app| app["name"] == "hello" && app["replicas"]["ready"] == 1), "{apps:?}");

    // What does not build is told, and the old version stays.
    project.edit("main.go", "const text", "cons text");
    let failed = watch.until(&["live", "failed"]);
    assert!(
        failed["phase"] == "build" && failed["problem"].as_str().is_some_and(|p| p.contains("main.go:")),
        "{failed}"
    );
    let lines = sample(&callers[1]);
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("edit 3 from ")), "{lines:?}");
    let once = project.args(&["--once"]);
    let once: Vec<&str> = once.iter().map(String::as_str).collect();
    assert_eq!(lab(&once).status.code(), Some(1));
    project.edit("main.go", "cons text", "const text");
    watch.until(&["unchanged", "live"]);

    // A spoiled manifest is told with its place.
    project.edit("k8s/hello.yaml", "replicas: 1", "replicas: many");
    let failed = watch.until(&["live", "failed"]);
    let told = failed["problem"].as_str().expect("a problem");
    assert!(failed["phase"] == "manifests" && told.contains("k8s/hello.yaml:12:"), "{failed}");
    let ended = lab(&once);
    assert!(ended.status.code() == Some(2) && text(&ended.stdout).contains("k8s/hello.yaml:12:"), "{ended:?}");
    assert!(sample(&callers[0]).iter().all(|line| line.starts_with("edit 3 from ")));
    // One that only an API server refuses too.
    project.edit("k8s/hello.yaml", "replicas: many", "replicas: -1");
    let failed = watch.until(&["live", "failed"]);
    let told = failed["problem"].as_str().expect("a problem");
    assert!(told.contains("k8s/hello.yaml:") && told.contains("replicas"), "{failed}");
    project.edit("k8s/hello.yaml", "replicas: -1", "replicas: 2");
    assert_eq!(watch.until(&["live", "failed"])["event"], "live");

    // What ends at once is told with its words.
    project.edit("main.go", "node := ", "log.Fatal(\"no way\")\n\tnode := ");
    let failed = watch.until(&["live", "failed"]);
    let told = failed["problem"].as_str().expect("a problem");
    assert!(failed["phase"] == "live" && told.contains("no way"), "{failed}");
    assert!(failed["remedy"].as_str().is_some_and(|r| r.contains("the version before runs again")), "{failed}");
    first_answers("edit 3", &callers, Instant::now());
    project.edit("main.go", "log.Fatal(\"no way\")\n\tnode := ", "node := ");
    assert_eq!(watch.until(&["live", "failed"])["event"], "live");
    first_answers("edit 3", &callers, Instant::now());

    // Ctrl-C leaves the app.
    let mut watch = watch.0;
    let interrupted = Command::new("kill").args(["-INT", &watch.child.id().to_string()]).status().expect("kill");
    assert!(interrupted.success() && watch.child.wait().expect("it ends").success());
    first_answers("edit 3", &callers, Instant::now());
    assert!(lab(&once).status.success());
    on_another_image(&project, &callers);
}

/// A program on an image that nodes have: of an edit they get the program alone.
fn on_another_image(project: &Project, callers: &[Lines]) {
    std::fs::remove_file(project.directory().join("Dockerfile")).expect("removes");
    let images = ["images", "lab/images/sleep", "--format", "{{.Repository}}:{{.Tag}}"];
    let listed = Command::new("docker").args(images).output().expect("docker starts");
    let base = text(&listed.stdout).lines().next().expect("an image of sleep").to_owned();
    let args = project.args(&["--output", "json", "--no-logs", "--binary", "hello", "--base", &base]);
    let watch = Watch(Lines::of(Command::new(LAB).args(&args)));
    let whole = watch.until(&["loaded"])["bytes"].as_u64().expect("bytes");
    assert_eq!(watch.until(&["live", "failed"])["event"], "live");
    project.edit("main.go", "edit 3", "on another image");
    let part = watch.until(&["loaded"])["bytes"].as_u64().expect("bytes");
    let program = std::fs::metadata(project.directory().join("hello")).expect("a program").len();
    eprintln!("nodes got {whole} bytes, and {part} of the edit, in which the program has {program}");
    assert!(part < program + 100_000, "{part}");
    assert_eq!(watch.until(&["live", "failed"])["event"], "live");
    first_answers("on another image", callers, Instant::now());
    drop(watch);

    // On nothing, which needs no engine.
    let args = project.args(&["--output", "json", "--no-logs", "--binary", "hello"]);
    let watch = Watch(Lines::of(Command::new(LAB).args(&args)));
    assert_eq!(watch.until(&["live", "failed"])["event"], "live");
    let written = project.edit("main.go", "on another image", "on nothing");
    let seconds = first_answers("on nothing", callers, written);
    let last = seconds.iter().copied().fold(0.0, f64::max);
    let live = watch.until(&["live", "failed"]);
    eprintln!("a program alone: answered in every cluster after {last:.2} s, told live after {} s", live["after"]);
    assert!(live["event"] == "live" && last < 90.0, "{live}, {seconds:?}");
}

#[test]
fn what_cannot_be_watched_is_refused_in_full() {
    e2e::shared(NAME);
    let project = Project::new();
    let directory = project.directory().display().to_string();
    let refused = |args: &[&str], words: &str| {
        let output = lab(&[&["dev"], args].concat());
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(words), "{args:?}: {said}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    };
    refused(&["nosuch", &directory], "no lab named nosuch");
    refused(&[NAME, "nosuch"], "nosuch is no directory");
    refused(&[NAME, "docs"], "docs has no Dockerfile");
    refused(&[NAME, &directory, "--cluster", "c9"], "no cluster c9");
    refused(&[NAME, &directory, "--binary", "/bin/sh"], "/bin/sh is not in");
    refused(&[NAME, &directory, "--manifests", "../hello.yaml"], "../hello.yaml is not in");
    refused(&[NAME, &directory, "--image", "Hello World"], "cannot be the name of an image");
    let other = lab(&["dev", NAME, &directory, "--image", "other", "--build", BUILD, "--once"]);
    assert!(other.status.code() == Some(2) && text(&other.stdout).contains("has the image `other`"), "{other:?}");
    std::fs::write(project.directory().join("Dockerfile"), "FROM scratch\nCOPI a b\n").expect("writes");
    let broken = lab(&["dev", NAME, &directory, "--once"]);
    assert!(
        broken.status.code() == Some(1) && text(&broken.stdout).contains("Dockerfile:2: unknown instruction: COPI"),
        "{broken:?}"
    );
    std::fs::remove_dir_all(project.directory().join("k8s")).expect("removes");
    refused(&[NAME, &directory], "has no directory k8s or manifests");
}
