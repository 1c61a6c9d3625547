//! `lab prove`, `lab rotate` and `lab upgrade`: a lab is broken in every way that its plan knows, what its clusters trust each other by is replaced, and its
//! Istio becomes another version.

mod e2e;

use std::fs;

use e2e::{Own, lab, run_dir, text};
use serde_json::{Value, json};

/// What a verb printed as JSON, and its exit code.
fn told(args: &[&str]) -> (Value, Option<i32>) {
    let output = lab(&[args, &["--output", "json"]].concat());
    let told = serde_json::from_slice(&output.stdout);
    (told.unwrap_or_else(|e| panic!("{e}: {}", text(&output.stdout))), output.status.code())
}

/// Every break is noticed and named, and one check is told as worthless, because whatever is broken it stays green. Then everything that
/// certificates hang on is replaced, and nothing is lost.
#[test]
fn prove_and_rotate_in_full() {
    let file = run_dir().join("prove.yaml");
    let scenario = "name: prove\nclusters: [c1, c2]\nchecks:\n  - rotation\n  - request:\n      name: nobody is called\n      url: http://nobody.sample:80/\n      times: 3\n      expect: { denied: true, reason: Could not resolve host }\n";
    fs::write(&file, scenario).expect("a scenario");
    let file = file.to_string_lossy().into_owned();
    let mut own = Own { name: "prove".to_owned(), verdict: Value::Null, file };
    own.mend();
    let (proof, code) = told(&["prove", "prove"]);
    let worthless = proof["worthless"].as_array().expect("a list");
    assert!(worthless.len() == 1 && worthless[0].as_str().is_some_and(|w| w.contains("nobody is called")), "{proof:#}");
    assert_eq!((code, &proof["passed"]), (Some(1), &Value::Bool(false)));
    let trials = proof["trials"].as_array().expect("trials");
    assert!(trials.len() >= 12, "{proof:#}");
    for trial in trials {
        assert_eq!(trial["outcome"], "named", "{trial:#}");
        assert_eq!(trial["problems"], json!([]), "{trial:#}");
    }

    for what in ["remote-secret", "intermediate", "root"] {
        let before = fingerprints(&own);
        let (passage, code) = told(&["rotate", "prove", what]);
        assert_eq!((code, &passage["passed"]), (Some(0), &Value::Bool(true)), "{passage:#}");
        let after = fingerprints(&own);
        assert_eq!(before.0 != after.0, what == "root", "the root of c1 changes with the root alone");
        assert_eq!(before.1 != after.1, what != "remote-secret", "its intermediate changes with either");
    }
    let verdict = lab(&["verify", "prove"]);
    assert!(verdict.status.success(), "{}", text(&verdict.stdout));
}

/// A soak by a seed bears its faults; one whose callee goes meanwhile does not, and ends.
#[test]
fn soak_in_full() {
    let mut own = Own::of("soak", "clusters: [c1, c2]\napps: [helloworld, sleep]\n");
    let listed = lab(&["soak", "soak", "--seed", "5", "--list"]);
    let (soak, code) = told(&["soak", "soak", "--seed", "5", "--for", "3m"]);
    assert_eq!((code, &soak["passed"]), (Some(0), &Value::Bool(true)), "{soak:#}");
    let rounds = soak["rounds"].as_array().expect("rounds");
    assert!(rounds.len() >= 2, "{soak:#}");
    for (round, line) in rounds.iter().zip(text(&listed.stdout).lines()) {
        let fault = &round["fault"];
        assert_eq!(format!("{}, for {} s", fault["fault"].as_str().expect("a fault"), fault["seconds"]), line);
        assert_eq!(round["endpoints"], serde_json::json!({ "c1": 2, "c2": 2 }), "{round:#}");
        assert!(round["held"]["memory"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{round:#}");
    }

    own.kubectl("c1", &["-n", "sample", "delete", "deployment", "helloworld-v1"]);
    let output = lab(&["soak", "soak", "--seed", "5", "--for", "3m"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("FAILED"),
        "it breaks nothing in a lab that is red: {}",
        text(&output.stdout)
    );
    own.mend();
}

/// Root and intermediate of c1, as its istiod has them.
fn fingerprints(own: &Own) -> (String, String) {
    let of = |key: &str| {
        let path = format!("jsonpath={{.data.{key}\\.pem}}");
        own.kubectl("c1", &["-n", "istio-system", "get", "secret", "cacerts", "-o", &path])
    };
    (of("root-cert"), of("ca-cert"))
}

/// Istio becomes another version and the first one again, once from the end and once from half-way, and no control plane loses a request.
#[test]
fn upgrade_in_full() {
    let text = "versions: { istio: '1.31' }\nclusters: [c1, c2]\n";
    let mut own = Own::of("upgrade", text);
    let listed = text_of(&["upgrade", "upgrade"]);
    assert!(listed.lines().any(|l| l.starts_with("1.31") && l.contains("c1, c2")), "{listed}");

    passes(&own, "1.32");
    for cluster in ["c1", "c2"] {
        assert_eq!(istiods(&own, cluster), ["istiod-1-32"]);
        assert_eq!(revisions(&own, cluster), ["1-32"]);
    }
    let up = lab(&["up", "upgrade"]);
    assert!(up.status.success(), "{}", e2e::text(&up.stderr));
    assert_eq!(istiods(&own, "c1"), ["istiod-1-32"], "`lab up` keeps what it has become");
    let refused = lab(&["up", &own.file]);
    let said = e2e::text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("lab upgrade"), "{said}");

    // Half-way: no node takes the new istiod, so it stops, and goes back to what is still there.
    own.kubectl("c1", &["cordon", "upgrade-c1-control-plane"]);
    let stopped = lab(&["upgrade", "upgrade", "--istio", "1.31"]);
    let said = e2e::text(&stopped.stderr);
    assert!(!stopped.status.success() && said.contains("--istio 1.32` goes back"), "{said}");
    assert!(said.contains("istiod-1-31") && said.contains("fits on no node"), "{said}");
    own.kubectl("c1", &["uncordon", "upgrade-c1-control-plane"]);
    assert_eq!(istiods(&own, "c1"), ["istiod-1-31", "istiod-1-32"]);
    passes(&own, "1.32");
    assert_eq!(istiods(&own, "c1"), ["istiod-1-32"]);

    passes(&own, "1.31");
    assert_eq!((istiods(&own, "c2"), revisions(&own, "c2")), (vec!["istiod-1-31".to_owned()], vec!["1-31".to_owned()]));
    own.mend();
}

fn text_of(args: &[&str]) -> String {
    e2e::text(&lab(args).stdout)
}

/// Upgrades; every phase was called through, and none without restarts lost anything.
fn passes(own: &Own, version: &str) {
    let (passage, code) = told(&["upgrade", &own.name, "--istio", version]);
    assert_eq!((code, &passage["passed"]), (Some(0), &Value::Bool(true)), "{passage:#}");
    let phases = passage["phases"].as_array().expect("phases");
    assert!(phases.last().is_some_and(|p| p["name"] == "the other istiods retired"), "{passage:#}");
    for phase in phases.iter().filter(|p| p["restarts"] == false) {
        for cluster in ["c1", "c2"] {
            let calls = &phase["calls"][cluster];
            assert!(calls["sent"].as_u64() > Some(0) && calls["lost"] == json!({}), "{phase:#}");
        }
    }
}

/// The control planes of a cluster.
fn istiods(own: &Own, cluster: &str) -> Vec<String> {
    let names = "jsonpath={.items[*].metadata.name}";
    let args = ["-n", "istio-system", "get", "deployments", "-l", "app=istiod", "-o", names];
    own.kubectl(cluster, &args).split_whitespace().map(str::to_owned).collect()
}

/// The revisions of which the pods of a cluster have their sidecars.
fn revisions(own: &Own, cluster: &str) -> Vec<String> {
    let path = r"jsonpath={.items[*].metadata.annotations.istio\.io/rev}";
    let said = own.kubectl(cluster, &["-n", "sample", "get", "pods", "-o", path]);
    let mut all: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
    all.sort();
    all.dedup();
    all
}
