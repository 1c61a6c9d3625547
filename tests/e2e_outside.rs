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

/// Runs cargo on a project beside lab's, as a user does who has `lab` on PATH; gives whether it ended well, and what it said.
fn cargo(project: &str, args: &[&str]) -> (bool, String) {
    let binary = Path::new(LAB).parent().expect("a folder").display();
    let path = format!("{binary}:{}", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("cargo");
    command
        .args(args)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(project))
        .env("PATH", path)
        .env_remove("CI");
    // What runs this test tells its own tests where they are.
    let own = |name: &str| ["CARGO_", "NEXTEST_", "RUSTUP_TOOLCHAIN"].iter().any(|start| name.starts_with(start));
    for (name, _) in std::env::vars().filter(|(name, _)| own(name) && name != "CARGO_HOME") {
        command.env_remove(name);
    }
    let output = command.env("CARGO_TARGET_DIR", target()).output().expect("cargo starts");
    let said = text(&output.stdout) + &text(&output.stderr);
    eprintln!("$ cargo {} ({})\n{said}", args.join(" "), output.status);
    (output.status.success(), said)
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("shop")
}

/// The library's own tests and the code in its documentation, and the example that uses it: green on a lab that is well, red with the cause on one that is not.
#[test]
fn a_shop_is_tested_by_its_own_tests_in_full() {
    assert!(cargo("testing", &["test"]).0);

    lab(&["down", "shop"]);
    let own = Own { name: "shop".to_owned(), verdict: Value::Null, file: "examples/shop/scenario.yaml".to_owned() };
    let (well, said) = cargo("examples/shop", &["nextest", "run", "--locked", "--profile", "ci"]);
    assert!(well, "{said}");
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/target/nextest/ci/junit.xml");
    let junit = fs::read_to_string(results).expect("JUnit");
    // Eleven, and the script that brings the lab up.
    assert!(junit.contains(r#"tests="12""#) && junit.contains(r#"failures="0""#), "{junit}");
    assert!(junit.contains("c2_reaches_stock"), "{junit}");

    own.apply("c3", r#"{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"nobody","namespace":"shop"},"spec":{"selector":{"matchLabels":{"app":"stock"}}}}"#);
    // The callee learns of it a moment after it was made.
    let explain = ["explain", "shop", "c1", "c3", "--service", "stock.shop:8080/echo"];
    let is_denied = (0..60).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        !lab(&explain).status.success()
    });
    assert!(is_denied, "the policy never held");
    let (well, said) =
        cargo("examples/shop", &["nextest", "run", "--locked", "--no-fail-fast", "-E", "test(c1_reaches)"]);
    assert!(!well && said.contains("AuthorizationPolicy") && said.contains("remedy:"), "{said}");
    assert!(said.contains("1 failed") && said.contains("2 passed"), "{said}");
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/shop-c1_reaches_stock.tar.gz");
    assert!(archive.is_file(), "no archive: {said}");
    fs::remove_file(archive).expect("removed");
}
