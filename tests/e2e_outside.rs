//! A lab in the hands of other people's tools: istioctl over all clusters from this machine, and Istio's own tests.

mod e2e;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{LAB, Own, assert_cause, in_short, lab, lab_ok, text};
use serde_json::Value;

/// The Go module of the stack's Istio, as it is shipped.
fn module() -> PathBuf {
    let mut go = Command::new("go");
    go.args(["list", "-m", "-f", "{{.Dir}}", "istio.io/istio"]);
    let output = go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("stack/go/istio")).output();
    let output = output.expect("go starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    PathBuf::from(text(&output.stdout).trim())
}

/// Brings up the clusters that Istio's own continuous integration has.
fn istios_clusters(name: &str) -> Own {
    let topology = module().join("prow/config/topology/multicluster.json").display().to_string();
    let scenario = lab_ok(&["scenario", "--from-istio-topology", &topology, "--name", name]);
    let file = e2e::run_dir().join(format!("{name}.yaml")).display().to_string();
    fs::write(&file, scenario).expect("a scenario");
    lab(&["down", name]);
    let mut own = Own { name: name.to_owned(), verdict: Value::Null, file };
    own.mend();
    own
}

/// Runs istioctl on this machine as `lab run` has it; gives what it printed.
fn istioctl(own: &Own, args: &[&str]) -> String {
    let output = lab(&[&["run", &own.name, "--", "istioctl"], args].concat());
    assert!(output.status.success(), "istioctl {args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The server that a remote secret leads to.
fn server(secret: &str) -> &str {
    let line = secret.lines().map(str::trim).find(|line| line.starts_with("server: "));
    line.unwrap_or_else(|| panic!("no server: {secret}"))
}

/// Whether istioctl sees, by remote secrets alone, that a Service has not the same ports everywhere.
fn finds_what_differs(own: &Own) {
    for (port, cluster) in [(81, "primary"), (82, "remote"), (83, "cross-network-primary")] {
        let ports = format!(r#"[{{"name":"http","port":{port}}}]"#);
        own.apply(cluster, r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"differs"}}"#);
        let service = format!(
            r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"web","namespace":"differs"}},"spec":{{"ports":{ports}}}}}"#
        );
        own.apply(cluster, &service);
    }
    let output = lab(&["run", &own.name, "--", "istioctl", "analyze", "--namespace", "differs"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("is inconsistent across clusters"), "{said}");
    // The one that is asked has no name of its own there.
    for cluster in ["default", "remote", "cross-network-primary"] {
        assert!(said.contains(&format!("\"{cluster}\"")), "{cluster} is not in {said}");
    }
}

#[test]
fn istioctl_and_istios_own_tests_in_full() {
    let mut own = istios_clusters("istio-tests");

    finds_what_differs(&own);
    // What it is for: without it the names in remote secrets lead nowhere on this machine.
    let without =
        ["timeout", "20", "env", "-u", "HTTPS_PROXY", "-u", "https_proxy", "istioctl", "analyze", "-n", "differs"];
    let without = lab(&[&["run", &own.name, "--"], &without[..]].concat());
    assert!(text(&without.stderr).contains("no such host"), "{}", text(&without.stderr));

    // A remote secret that istioctl makes leads where lab's own does, so clusters can use it.
    let made = istioctl(&own, &["--context", "remote", "create-remote-secret", "--name", "remote"]);
    let kept = own.kubectl(
        "primary",
        &[
            "-n",
            "istio-system",
            "get",
            "secret",
            "istio-remote-secret-remote",
            "-o",
            r#"go-template={{index .data "remote" | base64decode}}"#,
        ],
    );
    assert!(kept.contains(server(&made).trim_start_matches("server: ")), "{made}\n{kept}");

    // Nodes that come back at other addresses have the same names.
    let nodes = ["remote", "cross-network-primary"].map(|cluster| format!("{}-{cluster}-control-plane", own.name));
    let docker = |args: &[&str]| {
        let output = Command::new("docker").args(args).output().expect("docker starts");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let address =
        |node: &str| docker(&["inspect", node, "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"]);
    let before = nodes.each_ref().map(|node| address(node));
    docker(&["stop", &nodes[0], &nodes[1]]);
    let first = usize::from(before[0] < before[1]);
    docker(&["start", &nodes[first]]);
    docker(&["start", &nodes[1 - first]]);
    assert_ne!(before, nodes.each_ref().map(|node| address(node)), "the addresses should differ");
    own.mend();
    finds_what_differs(&own);
    let clusters = istioctl(&own, &["--context", "primary", "remote-clusters"]);
    assert_eq!(clusters.matches("synced").count(), 3, "{clusters}");

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/istio/run");
    let output = Command::new(script).arg(&own.name).env("LAB_BINARY", LAB).output().expect("the script starts");
    let said = text(&output.stdout) + &text(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success() && said.contains("--- PASS: TestMultiClusterWithSecrets"), "{said}");

    // What they leave behind is not lab's, and the mesh is as it was.
    let verdict = lab(&["verify", &own.name, "--output", "json"]);
    let verdict: Value = serde_json::from_slice(&verdict.stdout).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
    // And such a mesh can be red.
    own.kubectl("remote", &["-n", "sample", "delete", "deployments", "--all"]);
    assert_cause(&own.red("helloworld"), "helloworld");
}
