//! `lab eject`: what is in the directory, for every shipped scenario and for arbitrary labs, without a cluster.

#[path = "plan/any_lab.rs"]
mod any_lab;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use any_lab::any_lab;
use lab::commands::eject::waits;
use lab::eject::{File, Material, files, refusal};
use lab::plan::{Lab, Plan, Wait};
use lab::scenario::{Authority, Pem, PemFile};
use proptest::prelude::*;
use serde_json::{Value, json};

fn lab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .output()
        .expect("the binary starts")
}

/// Every shipped scenario, resolved.
fn shipped() -> Vec<(PathBuf, Lab)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let paths = fs::read_dir(folder).expect("scenarios").map(|e| e.expect("an entry").path());
    let scenarios = paths.filter(|p| p.extension().is_some_and(|e| e == "yaml"));
    let resolved = scenarios.map(|path| {
        let output = lab(&["plan", &path.display().to_string(), "--output", "json"]);
        let plan: Value = serde_json::from_slice(&output.stdout).expect("a plan");
        (path, serde_json::from_value(plan["lab"].clone()).expect("a lab"))
    });
    resolved.collect()
}

/// What steps could apply: a kind, something secret and something that runs, for each step about a cluster.
fn material(plan: &Plan) -> Material {
    let objects = |id: &str| {
        let name = id.replace('/', "-");
        vec![
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "demo" } }),
            json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": name } }),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": { "key": "c2VjcmV0" } }),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "demo" } }),
        ]
    };
    let applied = ["metallb/", "address-pool/", "istio", "external-istiod/", "east-west", "ingress", "apps/"];
    let steps = plan.steps.iter().filter(|s| applied.iter().any(|a| s.id.0.starts_with(a)));
    Material {
        node_image: "lab/node:0123456789abcdef".to_owned(),
        source: "packages".to_owned(),
        objects: steps.map(|s| (s.id.clone(), objects(&s.id.0))).collect(),
        certificates: ["root-cert.pem", "root-key.pem", "c1/ca-cert.pem", "c1/ca-key.pem"]
            .map(|path| (path.to_owned(), format!("PEM of {path}")))
            .into(),
        ..Material::default()
    }
}

fn ejected(lab: &Lab) -> Vec<File> {
    let plan = Plan::of(lab);
    files(lab, &plan, &Material { waits: waits(lab, &plan), ..material(&plan) })
}

#[test]
fn all_that_steps_wait_for_is_in_the_script() {
    for (path, lab) in shipped() {
        if refusal(&lab).is_some() {
            continue;
        }
        let files = ejected(&lab);
        let script = text(&files, "up.sh");
        for (step, waits) in waits(&lab, &Plan::of(&lab)) {
            let cluster = step.0.rsplit('/').next().unwrap_or_default();
            for wait in waits {
                let wanted = match wait {
                    Wait::Available { deployment, .. } => format!("rollout status deployment/{deployment}"),
                    Wait::OnEveryNode { daemon_set, .. } => format!("rollout status daemonset/{daemon_set}"),
                    Wait::Address { service, address, .. } => {
                        let address = address.expect("the addresses of a lab that makes its clusters are planned");
                        format!("ip}}'={address} --timeout=\"$PATIENCE\" service/{service}")
                    }
                    Wait::Token { secret, .. } => format!("token}}' --timeout=\"$PATIENCE\" secret/{secret}"),
                    Wait::Certificate { pods, .. } => format!("annotate pods -l {pods}"),
                    Wait::Injects { .. } => format!("try injects {cluster}"),
                    // Of what runs among the objects.
                    Wait::RolledOut { .. } => format!("rollout status deployment/apps-{cluster}"),
                };
                let is_there = |line: &str| line.contains(&wanted) && line.contains(cluster);
                assert!(script.lines().any(is_there), "{}: {step}: no `{wanted}`", path.display());
            }
        }
    }
}

fn text<'a>(files: &'a [File], path: &str) -> &'a str {
    &files.iter().find(|f| f.path == path).unwrap_or_else(|| panic!("no {path}")).text
}

/// Writes the files where a script finds them.
fn written(files: &[File]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for file in files {
        let path = dir.path().join(&file.path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, &file.text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).expect("permissions");
    }
    dir
}

/// Identifiers of the steps of the script, in its order.
fn steps(up: &str) -> Vec<&str> {
    up.lines().filter_map(|l| l.strip_prefix("step ")?.split(' ').next()).collect()
}

fn assert_follows_the_plan(lab: &Lab, up: &str) {
    let plan = Plan::of(lab);
    let order = steps(up);
    let mut done = BTreeSet::new();
    for id in &order {
        let step = plan.steps.iter().find(|s| s.id.0 == **id).unwrap_or_else(|| panic!("{id} is no step of the plan"));
        for need in &step.needs {
            assert!(done.contains(need.0.as_str()), "{id} comes before {need}");
        }
        assert!(done.insert(*id), "{id} is there twice");
    }
    assert_eq!(done.len(), plan.steps.len(), "{order:?}");
}

#[test]
fn every_step_of_every_shipped_scenario_is_in_the_script_after_what_it_needs() {
    let mut ejectable = 0;
    for (path, lab) in shipped() {
        if refusal(&lab).is_none() {
            ejectable += 1;
            assert_follows_the_plan(&lab, text(&ejected(&lab), "up.sh"));
        } else {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            assert!(name.starts_with("karmada") || name == "private-registry", "{name} is refused");
        }
    }
    assert!(ejectable >= 12, "{ejectable}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_script_follows_the_plan_of_any_lab(lab in any_lab()) {
        let files = ejected(&lab);
        assert_follows_the_plan(&lab, text(&files, "up.sh"));
        let paths: BTreeSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
        prop_assert_eq!(paths.len(), files.len());
    }
}

/// Scenarios that have all kinds of steps between them: a linter takes a second for each.
const LINTED: [&str; 3] = ["external-control-plane.yaml", "mixed-networks.yaml", "ingress.yaml"];

/// Asks shellcheck, where there is one. Functions that are called by name only look unreachable to it.
fn lint(script: &Path) {
    if let Ok(lint) = Command::new("shellcheck").args(["-e", "SC2317"]).arg(script).output() {
        assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
    }
}

#[test]
fn scripts_are_bash_and_name_only_files_that_are_there() {
    for (path, lab) in shipped() {
        let files = ejected(&lab);
        let dir = written(&files);
        for script in files.iter().filter(|f| f.text.starts_with("#!")) {
            let shell = if script.text.starts_with("#!/bin/sh") { "sh" } else { "bash" };
            let status = Command::new(shell).arg("-n").arg(dir.path().join(&script.path)).status().expect("a shell");
            assert!(status.success(), "{}: {}", path.display(), script.path);
            if shell == "bash" && LINTED.iter().any(|name| path.ends_with(name)) {
                lint(&dir.path().join(&script.path));
            }
        }
        let up = text(&files, "up.sh");
        let named: BTreeSet<&str> = up
            .lines()
            .filter(|l| !l.trim_start().starts_with('#'))
            .flat_map(|l| l.split(|c: char| c.is_whitespace() || matches!(c, ')' | '<' | '"')))
            .filter(|w| ["kind/", "manifests/", "nodes/"].iter().any(|d| w.starts_with(d)))
            .collect();
        for file in &named {
            assert!(files.iter().any(|f| f.path == *file), "{}: up.sh names {file}", path.display());
        }
        for file in files.iter().filter(|f| ["kind/", "manifests/", "nodes/"].iter().any(|d| f.path.starts_with(d))) {
            assert!(named.contains(file.path.as_str()), "{}: up.sh does not name {}", path.display(), file.path);
        }
    }
}

#[test]
fn manifests_say_what_the_steps_apply_and_keys_are_for_their_owner_only() {
    for (path, lab) in shipped() {
        let plan = Plan::of(&lab);
        let material = material(&plan);
        let mut objects = Vec::new();
        for file in files(&lab, &plan, &material) {
            if Path::new(&file.path).extension().is_some_and(|e| e == "yaml") {
                let documents: Vec<Value> = serde_yaml::from_multiple(&file.text).expect("YAML");
                let is_private = documents.iter().any(|d| d["kind"] == "Secret" && d.get("data").is_some());
                assert_eq!(file.mode, if is_private { 0o600 } else { 0o644 }, "{}", file.path);
                objects.extend(file.path.starts_with("manifests/").then_some(documents).into_iter().flatten());
            }
            assert_eq!(
                file.path.ends_with("key.pem"),
                file.mode == 0o600 && file.path.starts_with("certs"),
                "{}",
                file.path
            );
            assert!(!file.text.contains("dev.lab.lab"), "{} has a label of lab's", file.path);
        }
        for object in material.objects.values().flatten().filter(|o| o["kind"] != "Namespace") {
            assert!(objects.contains(object), "{}: {object} is in no file", path.display());
        }
    }
}

/// What the scenario brings is in its state alone; a root that lab made has no other copy.
#[test]
fn the_key_of_the_users_own_root_is_not_given_away() {
    let (_, mut lab) = shipped().into_iter().find(|(p, _)| p.ends_with("two-network.yaml")).expect("the scenario");
    let certs = |lab: &Lab| {
        let files = ejected(lab).into_iter().filter_map(|f| f.path.strip_prefix("certs/").map(str::to_owned));
        files.collect::<Vec<_>>()
    };
    assert_eq!(certs(&lab), ["c1/ca-cert.pem", "c1/ca-key.pem", "root-cert.pem", "root-key.pem"]);
    let file = |path: &str| PemFile { path: path.to_owned(), fingerprint: None, pem: Pem::default() };
    let (root_cert, root_key) = (file("mine.pem"), Some(file("mine-key.pem")));
    lab.mesh.ca = Some(Authority { root_cert, root_key, intermediates: BTreeMap::new() });
    assert_eq!(certs(&lab), ["c1/ca-cert.pem", "c1/ca-key.pem", "root-cert.pem"]);
    for file in ejected(&lab) {
        assert!(!file.text.contains("PEM of root-key"), "{}", file.path);
    }
    assert!(text(&ejected(&lab), "README.md").contains("the key of your root is not here"));
}

/// kubectl reads YAML 1.1, where more words than `true` are truth.
#[test]
fn texts_stay_texts() {
    let (_, lab) = shipped().into_iter().find(|(p, _)| p.ends_with("two-network.yaml")).expect("the scenario");
    let plan = Plan::of(&lab);
    let mut material = material(&plan);
    let words = [
        "on",
        "off",
        "yes",
        "No",
        "y",
        "~",
        "null",
        "0x1f",
        "1_000",
        "010",
        "1e3",
        "12:30",
        "",
        " a",
        "a: b",
        "- a",
        "2026-01-01",
    ];
    let long = format!("a line of {}words and no end\n\nand: another\n\ttabbed \n", "many ".repeat(60));
    let step = plan.steps.iter().find(|s| s.id.0 == "apps/c1").expect("apps");
    let wanted = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" },
        "data": { "words": words, "long": long, "line": long.replace('\n', " ") } });
    material.objects.insert(step.id.clone(), vec![wanted.clone()]);
    let files = files(&lab, &plan, &material);
    let file = files.iter().find(|f| f.path.ends_with("-apps.yaml") && f.path.contains("/c1/")).expect("the file");
    assert_eq!(serde_yaml::from_str::<Value>(&file.text).expect("YAML"), wanted);
    for word in &words {
        assert!(!file.text.lines().any(|l| l.trim() == format!("- {word}")), "{word} is bare:\n{}", file.text);
    }
}

/// Runs check.sh with a kubectl that answers for every pod.
fn check(dir: &Path, replies: &str) -> Output {
    let kubectl = dir.join("kubectl");
    let script = format!("#!/bin/sh\ncase \"$*\" in *get*pods*) echo pod/sleep-1 ;; *) printf '{replies}' ;; esac\n");
    fs::write(&kubectl, script).expect("written");
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("permissions");
    Command::new(dir.join("check.sh")).env("KUBECTL", &kubectl).env("PATIENCE", "0").output().expect("bash")
}

#[test]
fn the_check_counts_versions_and_is_red_when_one_is_missing_or_a_call_fails() {
    let (_, lab) = shipped().into_iter().find(|(p, _)| p.ends_with("two-network.yaml")).expect("the scenario");
    let dir = written(&ejected(&lab));
    let reply = |version: &str| format!("Hello version: {version}, instance: x\\n\\nstatus: 200\\n");
    let (v1, v2) = (reply("v1").repeat(20), reply("v2").repeat(20));
    let green = check(dir.path(), &format!("{v1}{v2}"));
    let said = String::from_utf8_lossy(&green.stdout).into_owned();
    assert_eq!(green.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&green.stderr));
    assert!(said.contains("c1: 40 calls") && said.contains("20 v2"), "{said}");
    for (replies, words) in [
        (v1.repeat(2), "missing: v2"),
        (format!("{v1}{v2}").replacen("200", "503", 1), "failed: 1"),
        ("upstream connect error\\nstatus: 503\\n".to_owned(), "missing: v1 v2"),
        (format!("{v1}{v2}").replace("v2", "v22"), "missing: v2"),
    ] {
        let red = check(dir.path(), &replies);
        let said = String::from_utf8_lossy(&red.stdout).into_owned();
        assert_eq!(red.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn what_cannot_be_ejected_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let full = dir.path().join("full");
    fs::create_dir(&full).expect("a directory");
    fs::write(full.join("mine"), "").expect("a file");
    let new = dir.path().join("new");
    for (scenario, to, words) in [
        ("scenarios/karmada.yaml", &new, "federation"),
        ("scenarios/private-registry.yaml", &new, "registry"),
        ("scenarios/two-network.yaml", &full, "not an empty directory"),
        ("scenarios/two-network.yaml", &full.join("mine"), "not an empty directory"),
    ] {
        let output = lab(&["eject", scenario, &to.display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && said.contains("hint:"), "{said}");
        assert!(!new.exists(), "{scenario}");
    }
    assert_eq!(fs::read_dir(&full).expect("there").count(), 1);
}
