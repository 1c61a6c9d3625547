//! An ejected lab on real clusters: its own script builds it, lab's verdict on it is green, its own check sees it go red, and nothing of it
//! stays.

mod e2e;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use e2e::{LAB, in_short, lab_ok, text};
use serde_json::Value;
use tempfile::TempDir;

const NAME: &str = "ejected";
const SCENARIO: &str = "scenarios/primary-remote.yaml";

/// The directory of an ejected lab, whose clusters are gone when the test ends, also when it fails.
struct Ejected {
    dir: TempDir,
    /// What the README says to put before a script on this machine.
    programs: String,
}

impl Drop for Ejected {
    fn drop(&mut self) {
        self.script("./down.sh");
    }
}

impl Ejected {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().display().to_string();
        let up = lab_ok(&["eject", SCENARIO, &path, "--name", NAME]);
        assert_eq!(up.trim(), format!("{path}/up.sh"));
        let readme = fs::read_to_string(dir.path().join("README.md")).expect("a README");
        let line = readme.lines().find_map(|l| l.strip_suffix(" ./up.sh")).expect("a line with the programs");
        Self { programs: line.to_owned(), dir }
    }

    /// Runs one of its scripts with the programs that lab uses, and with kubectl of this machine or, where it has none, of the node image.
    fn script(&self, command: &str) -> Output {
        let started = Instant::now();
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{} {command}", self.programs)]).current_dir(self.dir.path());
        if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
            bash.env("KUBECTL", self.kubectl());
        }
        let output = bash.output().expect("bash");
        eprintln!(
            "$ {command} ({:.1} s, {})\n{}",
            started.elapsed().as_secs_f64(),
            output.status,
            text(&output.stderr)
        );
        output
    }

    fn kubectl(&self) -> String {
        let file = self.dir.path().join("kubectl").display().to_string();
        if !Path::new(&file).exists() {
            let up = fs::read_to_string(self.dir.path().join("up.sh")).expect("up.sh");
            let image = up.lines().find_map(|l| l.strip_prefix("NODE_IMAGE=${NODE_IMAGE:-")?.strip_suffix('}'));
            docker(&["create", "--name", "ejected-kubectl", image.expect("an image")]);
            docker(&["cp", "ejected-kubectl:/usr/bin/kubectl", &file]);
            docker(&["rm", "ejected-kubectl"]);
        }
        file
    }

    /// The verdict of lab itself: it is told of clusters that it did not make, in a state of its own.
    fn verdict(&self) -> Value {
        let state = self.dir.path().join("state");
        let lab_state = state.join("lab").join(NAME);
        fs::create_dir_all(lab_state.join("kubeconfigs")).expect("a directory");
        let plan: Value =
            serde_json::from_str(&lab_ok(&["plan", SCENARIO, "--name", NAME, "--output", "json"])).expect("JSON");
        fs::write(lab_state.join("lab.json"), plan["lab"].to_string()).expect("written");
        for cluster in ["c1", "c2"] {
            let file = format!("kubeconfigs/{cluster}.yaml");
            fs::copy(self.dir.path().join(&file), lab_state.join(&file)).expect("a kubeconfig");
        }
        let mut verify = Command::new(LAB);
        verify.args(["verify", NAME, "--output", "json"]).env("XDG_STATE_HOME", &state).env_remove("CI");
        let output = verify.output().expect("lab starts");
        let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
        assert_eq!(output.status.success(), verdict["passed"] == true);
        verdict
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker starts");
    assert!(output.status.success(), "docker {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What there is on the engine by the lab's name, and by lab's labels.
fn left() -> String {
    let clusters = format!("name=^{NAME}-c");
    let label = format!("label=dev.lab.lab={NAME}");
    let network = format!("name=^lab-{NAME}$");
    [
        docker(&["ps", "-aq", "--filter", &clusters]),
        docker(&["ps", "-aq", "--filter", &label]),
        docker(&["network", "ls", "-q", "--filter", &network]),
    ]
    .concat()
}

#[test]
fn the_ejected_script_builds_the_lab_and_its_check_goes_red() {
    assert_eq!(left(), "", "something of an earlier run is there");
    let ejected = Ejected::new();
    let up = ejected.script("./up.sh");
    assert!(up.status.success(), "{}", text(&up.stdout));
    // Clusters of this name run, and lab takes none of them for its own.
    assert_eq!(docker(&["ps", "-q", "--filter", &format!("label=dev.lab.lab={NAME}")]), "");
    assert!(!lab_ok(&["list", "--output", "json"]).contains(&format!("\"{NAME}\"")));

    let check = ejected.script("./check.sh");
    let said = text(&check.stdout);
    assert!(check.status.success() && said.contains("c1: 40 calls") && said.contains("c2: 40 calls"), "{said}");
    let verdict = ejected.verdict();
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));

    // Without the remote secret of c2, istiod in c1 forgets what runs in c2.
    let secret =
        "\"${KUBECTL:-kubectl}\" --kubeconfig kubeconfigs/c1.yaml -n istio-system delete secret istio-remote-secret-c2";
    assert!(ejected.script(&format!("bash -c '{secret}'")).status.success());
    let until = Instant::now() + Duration::from_secs(120);
    let red = loop {
        let red = ejected.script("PATIENCE=0 ./check.sh");
        if !red.status.success() || Instant::now() > until {
            break red;
        }
    };
    let said = text(&red.stdout);
    assert_eq!(red.status.code(), Some(1), "{said}");
    assert!(said.contains("missing: v2"), "{said}");
    assert_eq!(ejected.verdict()["passed"], false);

    assert!(ejected.script("./down.sh").status.success());
    assert_eq!(left(), "");
}
