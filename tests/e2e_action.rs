//! The GitHub Action and the GitLab job, step by step as their runners would do it, on a real lab: green, and red with a dump and nothing left.

mod e2e;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::{LAB, lab, text};
use serde_json::Value;
use tempfile::TempDir;

const NAME: &str = "e2e-action";
/// Steps that are other people's actions are left to their authors: a cache that holds nothing, and an upload.
const OURS: &str = "bash";

/// A runner of composite actions, as far as this action needs one.
struct Runner {
    dir: TempDir,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    path: String,
    failed: bool,
}

impl Runner {
    fn new(action: &Value, inputs: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).expect("a directory");
        std::os::unix::fs::symlink(LAB, bin.join("lab")).expect("a link");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let defaults = action["inputs"].as_object().expect("inputs");
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for (name, input) in defaults {
            all.insert(name.clone(), input["default"].as_str().unwrap_or_default().to_owned());
        }
        all.extend(inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { dir, inputs: all, outputs: BTreeMap::new(), path, failed: false }
    }

    /// The value of `${{ ... }}`.
    fn value(&self, text: &str) -> String {
        let Some(name) = text.strip_prefix("${{ ").and_then(|t| t.strip_suffix(" }}")) else { return text.to_owned() };
        if let Some(input) = name.strip_prefix("inputs.") {
            return self.inputs.get(input).unwrap_or_else(|| panic!("no input {input}")).clone();
        }
        match name {
            "github.action_path" => format!("{}/action", env!("CARGO_MANIFEST_DIR")),
            name if name.starts_with("github.") => String::new(),
            name => self.outputs.get(name).cloned().unwrap_or_default(),
        }
    }

    /// Whether a step runs. What the action asks is a list of conditions that must all hold.
    fn holds(&self, condition: Option<&str>) -> bool {
        let Some(condition) = condition else { return !self.failed };
        let always = condition.contains("always()") || condition.contains("failure()");
        let all = condition.split(" && ").all(|one| match one {
            "always()" => true,
            "failure()" => self.failed,
            "success()" => !self.failed,
            one => {
                let (name, op, wanted) = match (one.split_once(" != "), one.split_once(" == ")) {
                    (Some((name, wanted)), _) => (name, false, wanted),
                    (None, Some((name, wanted))) => (name, true, wanted),
                    (None, None) => panic!("a condition that this test does not know: {one}"),
                };
                (self.value(&format!("${{{{ {name} }}}}")) == wanted.trim_matches('\'')) == op
            }
        });
        all && (always || !self.failed)
    }

    fn run(&mut self, action: &Value) -> Vec<String> {
        let mut done = Vec::new();
        for step in action["runs"]["steps"].as_array().expect("steps") {
            if step["shell"] != OURS || !self.holds(step["if"].as_str()) {
                continue;
            }
            let name = step["name"].as_str().expect("a name").to_owned();
            let output_file = self.dir.path().join("output");
            fs::write(&output_file, "").expect("a file");
            let mut bash = Command::new("bash");
            bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().expect("a script")]);
            bash.current_dir(env!("CARGO_MANIFEST_DIR")).env("PATH", &self.path).env("RUNNER_TEMP", self.dir.path());
            bash.env("GITHUB_OUTPUT", &output_file).env("GITHUB_PATH", self.dir.path().join("path")).env_remove("CI");
            for (key, value) in step["env"].as_object().into_iter().flatten() {
                bash.env(key, self.value(value.as_str().expect("text")));
            }
            let ended = bash.output().expect("bash");
            eprintln!("$ {name} ({})\n{}", ended.status, text(&ended.stderr));
            self.failed |= !ended.status.success();
            if let Some(id) = step["id"].as_str() {
                let written = fs::read_to_string(&output_file).expect("a file");
                for (key, value) in written.lines().filter_map(|l| l.split_once('=')) {
                    self.outputs.insert(format!("steps.{id}.outputs.{key}"), value.to_owned());
                }
            }
            done.push(name);
        }
        done
    }
}

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file");
    serde_yaml::from_str(&text).expect("YAML")
}

/// A scenario of one cluster.
fn scenario() -> String {
    let file = e2e::run_dir().join("action.yaml");
    fs::write(&file, format!("name: {NAME}\nclusters: [c1]\n")).expect("a scenario");
    file.display().to_string()
}

struct Down;

impl Drop for Down {
    fn drop(&mut self) {
        lab(&["down", NAME]);
    }
}

fn is_gone() -> bool {
    !text(&lab(&["list"]).stdout).contains(NAME)
}

#[test]
fn the_action_proves_tests_and_takes_down_in_full() {
    let _down = Down;
    let action = yaml("action/action.yml");
    let file = scenario();
    let dir = tempfile::tempdir().expect("a directory");
    let junit = dir.path().join("lab.xml").display().to_string();
    let dump = dir.path().join("dump.tar.gz").display().to_string();
    let common = [("scenario", file.as_str()), ("junit", &junit), ("dump", &dump), ("cache", "false")];

    let test = "[[ $LAB == e2e-action ]] && grep -q lab-e2e-action-c1 \"$KUBECONFIG\"";
    let mut runner = Runner::new(&action, &[&common[..], &[("test", test)]].concat());
    let done = runner.run(&action);
    assert!(!runner.failed, "{done:?}");
    assert_eq!(done, ["Install lab", "Name the stack", "Bring the lab up", "Run the tests", "Take the lab down"]);
    assert_eq!(runner.outputs["steps.stack.outputs.digest"].len(), 64);
    assert!(fs::read_to_string(&junit).expect("JUnit").contains("failures=\"0\""));
    assert!(is_gone() && !Path::new(&dump).exists());

    let mut runner = Runner::new(&action, &[&common[..], &[("test", "false")]].concat());
    let done = runner.run(&action);
    assert!(runner.failed);
    assert_eq!(done[3..], ["Run the tests", "Gather what went wrong", "Take the lab down"]);
    assert!(Path::new(&dump).exists() && is_gone());
}

#[test]
fn the_gitlab_job_dumps_when_it_failed_in_full() {
    let _down = Down;
    let job = &yaml("action/gitlab.yml")[".lab"];
    let dir = tempfile::tempdir().expect("a directory");
    let lines = |key: &str| {
        let lines = job[key].as_array().expect("lines").iter().map(|l| l.as_str().expect("text"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let file = scenario();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    std::os::unix::fs::symlink(LAB, bin.join("lab")).expect("a link");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let run = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-ec", script]).current_dir(dir.path()).env("PATH", &path).env_remove("CI");
        shell.env("LAB_SCENARIO", &file).env("LAB_IMAGES", "auto").env("CI_JOB_STATUS", "failed");
        let ended = shell.output().expect("sh");
        eprintln!("{}", text(&ended.stderr));
        assert!(ended.status.success(), "{script}");
    };
    run(&format!("{}\ntest -s \"$KUBECONFIG\"", lines("before_script")));
    run(&lines("after_script"));
    assert!(dir.path().join("lab-dump.tar.gz").exists() && dir.path().join("lab.junit.xml").exists() && is_gone());
}
