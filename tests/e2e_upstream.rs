//! Labs from lab's registry source on a node image that is not lab's own. `kindest/node` can be pulled by few who test, so it is made: by kind's own
//! program from kind's own files, on the Debian of kind's Dockerfile (`tests/upstream`). Everything else that the registry source pulls is lab's own
//! package-built image under upstream's reference. What no package registry has is stood in for, and proves nothing: kindnetd, the images of
//! local-path-provisioner, and Istio's own Envoy (`ISTIO`).

mod e2e;

#[path = "e2e/node.rs"]
mod node;

mod upstream;

use std::fs;
use std::path::Path;

use e2e::{Own, in_short, lab_ok, run_dir};
use serde_json::Value;
use upstream::{Engine, run};

/// What lab gives Istio where its proxy is built from packages, and what Istio's own needs nothing of.
const ISTIO: &str = r#"
mesh:
  values:
    global: { imagePullPolicy: IfNotPresent }
    pilot:
      env: { PILOT_DISABLE_MX_ALPN: "true", PILOT_ENABLE_ALPN_FILTER: "false", PILOT_ENABLE_METADATA_EXCHANGE: "false" }
    telemetry: { enabled: false }
"#;

/// Makes the engine, and has the tests below run where it can be reached: as this program again, in the engine's network.
#[test]
fn labs_come_up_on_upstreams_node_in_full() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("upstream");
    let engine = Engine::with_upstreams_images(&dir);
    let program = std::env::current_exe().expect("this program");
    // From here on every command finds the images of the registry source made.
    eprintln!("{}", run(engine.inside(e2e::LAB).args(["images", "build", "--images", "registry"])));
    let mut tests = engine.inside(&program.to_string_lossy());
    let status = tests.args(["--ignored", "--nocapture", "--test-threads=1"]).status().expect("this program starts");
    assert!(status.success(), "{status}: see above");
}

/// Brings two clusters of two nodes each up, which must be green.
fn up(name: &str, clusters: &str) -> Own {
    let file = run_dir().join(format!("{name}.yaml"));
    fs::write(&file, format!("name: {name}\nclusters: {clusters}\n{ISTIO}")).expect("a scenario");
    let mut own = Own { name: name.to_owned(), verdict: Value::Null, file: file.to_string_lossy().into_owned() };
    let output = lab_ok(&["up", &own.file, "--output", "json"]);
    own.verdict = serde_json::from_str(&output).expect("a verdict");
    assert_eq!(own.verdict["passed"], true, "{}", in_short(&own.verdict));
    own
}

/// What the node was made of, so that nobody is fooled by an image of lab's own.
fn assert_is_upstreams(own: &Own) {
    let said = |command: &[&str]| e2e::text(&own.node("c1", command).stdout);
    assert!(said(&["cat", "/etc/os-release"]).contains("trixie"));
    assert!(said(&["cat", "/kind/manifests/default-cni.yaml"]).contains("kindnet"));
    assert!(!own.node("c1", &["test", "-e", "/usr/local/libexec/lab"]).status.success());
}

#[test]
#[ignore = "run by labs_come_up_on_upstreams_node_in_full"]
fn two_networks() {
    let mut own = up("upstream", "[{ name: c1, nodes: { workers: 1 } }, { name: c2, nodes: { workers: 1 } }]");
    assert_is_upstreams(&own);
    // Every image was unpacked when the node image was made: upstream's, which are in it packed, as well.
    let list = own.node("c1", &["ctr", "--namespace", "k8s.io", "images", "check"]);
    let list = e2e::text(&list.stdout);
    let packed = |l: &&str| l.contains("registry.k8s.io/") || l.contains("kindest/") || l.contains("istio/");
    let images: Vec<&str> = list.lines().filter(packed).collect();
    assert!(images.len() > 8 && images.iter().all(|l| l.trim_end().ends_with("true")), "{list}");

    // Nothing is left to do, and what a node forgets when it restarts comes back.
    let diff = e2e::lab(&["diff", &own.file]);
    assert!(diff.status.success(), "{}", e2e::text(&diff.stdout));
    lab_ok(&["restart", &own.name, "c2"]);
    own.mend();
}

#[test]
#[ignore = "run by labs_come_up_on_upstreams_node_in_full"]
fn one_network_with_routes_between_nodes() {
    let clusters =
        "[{ name: c1, network: flat, nodes: { workers: 1 } }, { name: c2, network: flat, nodes: { workers: 1 } }]";
    let own = up("upstream-flat", clusters);
    // Without a gateway: the endpoints are the pods themselves.
    let endpoints = own.endpoints("c1");
    assert!(endpoints.iter().any(|e| e.starts_with("10.102.")), "{endpoints:?}");
}

#[test]
#[ignore = "run by labs_come_up_on_upstreams_node_in_full"]
fn volumes_policies_and_host_ports() {
    node::does_what_kinds_own_does();
}
