//! The main job on the real stack: three clusters on three networks. Every test uses one lab; `mutate_` tests break it and mend it.

mod e2e;

use std::process::Command;

use e2e::{LAB, Running, assert_cause, block_on, client, lab_ok, mend, source, text, verify_red};
use k8s_openapi::api::core::v1::{Node, Secret, Service};
use lab::sys::kube::{Manifest, load_balancer_addresses};
use serde_json::{Value, json};

const NAME: &str = "three-network";

fn running() -> Running {
    e2e::shared(NAME)
}

#[test]
fn every_source_sends_enough_requests() {
    let running = running();
    let needed = u64::from(lab::verdict::requests_needed(3, 3));
    for cluster in ["c1", "c2", "c3"] {
        assert!(source(&running.verdict, cluster)["requests"].as_u64() >= Some(needed));
    }
    assert_eq!(running.verdict["passed"], true);
}

#[test]
fn endpoints_are_the_local_pod_and_the_other_gateways() {
    let running = running();
    let endpoints = source(&running.verdict, "c1")["endpoints"].as_array().expect("endpoints").clone();
    let addresses: Vec<&str> = endpoints.iter().filter_map(|e| e["address"].as_str()).collect();
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    assert!(addresses.iter().any(|a| a.starts_with("10.101.") && a.ends_with(":5000")), "{addresses:?}");
    assert!(addresses.contains(&"172.30.255.20:15443"), "{addresses:?}");
    assert!(addresses.contains(&"172.30.255.30:15443"), "{addresses:?}");
    assert!(endpoints.iter().all(|e| e["healthy"] == true), "{endpoints:?}");
}

#[test]
fn a_plain_curl_sees_all_versions_from_everywhere() {
    e2e::assert_plain_curl_agrees(&running(), &["c1", "c2", "c3"], &["v1", "v2", "v3"]);
}

#[test]
fn a_second_up_changes_nothing_and_is_quick() {
    running();
    let start = std::time::Instant::now();
    let output = Command::new(LAB)
        .args(["up", "scenarios/three-network.yaml", "--fresh"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("lab starts");
    let took = start.elapsed().as_secs_f64();
    let progress = text(&output.stderr);
    assert!(output.status.success(), "{progress}");
    assert!(progress.contains("nothing changed"), "{progress}");
    // The target is 10 s on a quiet machine of two cores; CI shares its cores with other tests.
    assert!(took < 30.0, "took {took:.1} s\n{progress}");
    eprintln!("second up: {took:.1} s");
}

#[test]
fn verify_writes_a_case_for_each_source_and_version() {
    running();
    let file = e2e::run_dir().join("three-network-junit.xml");
    lab_ok(&["verify", NAME, "--junit", &file.to_string_lossy()]);
    let xml = std::fs::read_to_string(file).expect("a JUnit file");
    for source in ["c1", "c2", "c3"] {
        for version in ["v1", "v2", "v3"] {
            assert!(xml.contains(&format!("name=\"{source} to {version}\"")), "{xml}");
        }
    }
    assert!(xml.contains("failures=\"0\""), "{xml}");
}

#[test]
fn gateways_have_the_addresses_of_the_plan() {
    running();
    block_on(async {
        for (cluster, address) in [("c1", "172.30.255.10"), ("c2", "172.30.255.20"), ("c3", "172.30.255.30")] {
            let service: Option<Service> =
                client(NAME, cluster).await.get("istio-system", "istio-eastwestgateway").await.expect("an answer");
            assert_eq!(load_balancer_addresses(&service.expect("a gateway")), [address]);
        }
    });
}

#[test]
fn nodes_carry_their_locality() {
    running();
    let nodes: Vec<Node> = block_on(async { client(NAME, "c2").await.list().await.expect("nodes") });
    let labels = nodes[0].metadata.labels.clone().expect("labels");
    assert_eq!(labels["topology.kubernetes.io/region"], "region1");
    assert_eq!(labels["topology.kubernetes.io/zone"], "zone2");
}

#[test]
fn remote_secrets_name_nodes_and_never_the_own_cluster() {
    running();
    block_on(async {
        let cluster = client(NAME, "c1").await;
        for other in ["c2", "c3"] {
            let secret: Option<Secret> =
                cluster.get("istio-system", &format!("istio-remote-secret-{other}")).await.expect("an answer");
            let data = secret.expect("a remote secret").data.expect("data");
            let kubeconfig = text(&data[other].0);
            assert!(kubeconfig.contains(&format!("https://three-network-{other}-control-plane:6443")), "{kubeconfig}");
        }
        let own: Option<Secret> = cluster.get("istio-system", "istio-remote-secret-c1").await.expect("an answer");
        assert!(own.is_none());
    });
}

#[test]
fn one_root_signed_every_cluster() {
    running();
    let roots: Vec<String> = block_on(async {
        let mut roots = Vec::new();
        for cluster in ["c1", "c2", "c3"] {
            let secret: Option<Secret> =
                client(NAME, cluster).await.get("istio-system", "cacerts").await.expect("an answer");
            let data = secret.expect("cacerts").data.expect("data");
            assert_eq!(data.len(), 4, "a partial bundle is fatal to istiod");
            assert_eq!(text(&data["cert-chain.pem"].0), text(&data["ca-cert.pem"].0) + &text(&data["root-cert.pem"].0));
            roots.push(text(&data["root-cert.pem"].0));
        }
        roots
    });
    assert!(roots.iter().all(|r| *r == roots[0]));
}

#[test]
fn status_and_list_know_the_lab() {
    running();
    let status: Value = serde_json::from_str(&lab_ok(&["status", NAME, "--output", "json"])).expect("JSON");
    assert_eq!(status["clusters"].as_array().map(Vec::len), Some(3));
    assert!(status["clusters"].as_array().expect("clusters").iter().all(|c| c["apiServer"] == "ready"), "{status:#}");
    let list: Value = serde_json::from_str(&lab_ok(&["list", "--output", "json"])).expect("JSON");
    let row = list.as_array().expect("rows").iter().find(|r| r["name"] == NAME).expect("the lab").clone();
    assert_eq!((&row["clusters"], &row["nodesRunning"]), (&json!(3), &json!(3)));
}

#[test]
fn state_is_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    running();
    let state = lab::sys::state::State::open().expect("state").existing(NAME).expect("the lab");
    let mut pending = vec![state.path("")];
    let mut seen = 0;
    while let Some(path) = pending.pop() {
        let mode = path.metadata().expect("metadata").permissions().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{} is {mode:o}", path.display());
        if path.is_dir() {
            pending.extend(path.read_dir().expect("a directory").map(|e| e.expect("an entry").path()));
        }
        seen += 1;
    }
    assert!(seen > 10);
}

#[test]
fn mutate_a_deleted_remote_secret_is_red() {
    running();
    block_on(async {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "istio-remote-secret-c2", "namespace": "istio-system" } });
        let manifest = Manifest::from_values([secret]).expect("a manifest");
        client(NAME, "c1").await.delete(&manifest.objects[0]).await.expect("deleted");
    });
    let verdict = verify_red(NAME);
    assert_eq!(source(&verdict, "c1")["missing"], json!(["v2"]), "{verdict:#}");
    assert_cause(&verdict, "istiod of c1 does not watch c2");
    mend(NAME);
}

#[test]
fn mutate_a_gateway_scaled_to_zero_is_red() {
    running();
    block_on(async {
        let cluster = client(NAME, "c2").await;
        let before = cluster.pods("istio-system", "istio=eastwestgateway").await.expect("pods");
        cluster.scale("istio-system", "istio-eastwestgateway", 0).await.expect("scaled");
        // While it drains, it still serves the connections that it has.
        e2e::gone(&cluster, &before).await;
    });
    let verdict = verify_red(NAME);
    assert_eq!(source(&verdict, "c1")["missing"], json!(["v2"]), "{verdict:#}");
    assert_eq!(source(&verdict, "c3")["missing"], json!(["v2"]), "{verdict:#}");
    assert_cause(&verdict, "the east-west gateway of c2 does not run");
    mend(NAME);
}
