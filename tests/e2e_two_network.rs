//! The smallest mesh: two clusters, everything else derived. It lives beside the lab of the three-network tests.

mod e2e;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{Running, assert_cause, block_on, client, mend, restart, source, text, verify_red};
use k8s_openapi::api::core::v1::ConfigMap;
use lab::plan::render::{Intermediate, cacerts};
use lab::sys::kube::Manifest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

const NAME: &str = "two-network";

fn running() -> Running {
    e2e::shared(NAME)
}

#[test]
fn a_plain_curl_sees_both_versions_from_both() {
    e2e::assert_plain_curl_agrees(&running(), &["c1", "c2"], &["v1", "v2"]);
}

#[test]
fn derived_addresses_are_those_of_the_plan() {
    let running = running();
    let plan: serde_json::Value =
        serde_json::from_str(&e2e::lab_ok(&["plan", "scenarios/two-network.yaml", "--output", "json"])).expect("JSON");
    let gateway = plan["lab"]["clusters"][1]["addresses"]["eastWestGateway"].as_str().expect("an address").to_owned();
    let endpoints = source(&running.verdict, "c1")["endpoints"].clone();
    let wanted = format!("{gateway}:15443");
    assert!(endpoints.as_array().expect("endpoints").iter().any(|e| e["address"] == wanted.as_str()), "{endpoints:#}");
}

/// What the other network reaches of a node is its API server, and nothing that runs on it: neither a port of the host that leads to a pod, nor a
/// pod on the host's network.
#[test]
fn ports_of_nodes_are_closed_to_other_networks() {
    running();
    let on_host = |name: &str, spec: serde_json::Value| {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "kube-public" }, "spec": spec,
        })
    };
    let pods = [
        on_host(
            "host-network",
            serde_json::json!({ "hostNetwork": true, "containers": [
            { "name": "helloworld", "image": "lab.internal/apps/helloworld:1.0" }] }),
        ),
        on_host(
            "host-port",
            serde_json::json!({ "containers": [
            { "name": "helloworld", "image": "lab.internal/apps/helloworld:1.0",
              "ports": [{ "containerPort": 5000, "hostPort": 5080 }] }] }),
        ),
    ];
    let pods = Manifest::from_values(pods).expect("a manifest");
    let from = |cluster: &str, url: &str| {
        let node = format!("{NAME}-{cluster}-control-plane");
        let command = ["exec", &node, "curl", "-s", "-k", "-m", "3", url];
        text(&std::process::Command::new("docker").args(command).output().expect("docker starts").stdout)
    };
    block_on(async {
        let cluster = client(NAME, "c2").await;
        cluster.apply(&pods).await.expect("applied");
        for port in [5000, 5080] {
            let url = format!("http://{NAME}-c2-control-plane:{port}/hello");
            for _ in 0..120 {
                if from("c2", &url).contains("Hello version") {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            assert!(from("c2", &url).contains("Hello version"), "{url} from its own network");
            assert_eq!(from("c1", &url), "", "{url} from another network");
        }
        let version = from("c1", &format!("https://{NAME}-c2-control-plane:6443/version"));
        assert!(version.contains("gitVersion"), "{version}");
        for pod in &pods.objects {
            cluster.delete(pod).await.expect("deleted");
        }
    });
}

/// What the examples for scripts print of this lab, and how they end.
fn scripts() -> [(&'static str, Option<i32>, String); 2] {
    let binary = std::path::Path::new(e2e::LAB).parent().expect("a folder").display();
    let path = format!("{binary}:{}", std::env::var("PATH").unwrap_or_default());
    let run = |words: [&'static str; 2]| {
        let mut command = Command::new(words[0]);
        // `go run` ends with 1 whatever the program has ended with, which here is the same.
        let verb = if words[0] == "go" { &["run"][..] } else { &[] };
        command.args(verb).args([words[1], "scenarios/two-network.yaml"]).env("PATH", &path).env_remove("CI");
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it starts");
        eprintln!("{words:?}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
        (words[0], output.status.code(), text(&output.stdout))
    };
    [["python3", "examples/python/mesh.py"], ["go", "examples/go/mesh.go"]].map(run)
}

/// Scripts in other languages see by JSON what people see, and what `lab up` cannot mend.
#[test]
fn mutate_scripts_see_green_and_red_in_full() {
    running();
    for (language, code, printed) in scripts() {
        assert_eq!(code, Some(0), "{language}: {printed}");
        for cluster in ["c1", "c2"] {
            assert!(printed.contains(&format!("{cluster}: API server ready")), "{language}: {printed}");
            let told = |line: &&str| {
                line.starts_with(&format!("{cluster}: ")) && line.contains(" requests, 0 failed, answers ")
            };
            assert!(printed.lines().any(|line| told(&line)), "{language}: {printed}");
        }
    }
    // Strict rules of somebody else: no call without an identity that is not there.
    let deny = serde_json::json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": { "name": "nobody", "namespace": "sample" },
        "spec": { "selector": { "matchLabels": { "app": "helloworld", "version": "v2" } } },
    });
    let deny = Manifest::from_values([deny]).expect("a manifest");
    block_on(async { client(NAME, "c2").await.apply(&deny).await.expect("applied") });
    let scripts = scripts();
    block_on(async { client(NAME, "c2").await.delete(&deny.objects[0]).await.expect("deleted") });
    for (language, code, printed) in scripts {
        assert_eq!(code, Some(1), "{language}: {printed}");
        assert!(printed.contains("AuthorizationPolicy"), "{language}: {printed}");
    }
    mend(NAME);
}

/// Another root in one cluster: discovery works, every endpoint is healthy, and mutual TLS fails.
#[test]
fn mutate_a_wrong_root_is_red() {
    running();
    block_on(async {
        let cluster = client(NAME, "c2").await;
        let foreign = Manifest::from_values([cacerts(&foreign_ca())]).expect("a manifest");
        assert!(cluster.apply(&foreign).await.expect("applied"));
        restart_mesh(&cluster).await;
        let root: Option<ConfigMap> = cluster.get("sample", "istio-ca-root-cert").await.expect("an answer");
        assert!(root.is_some());
    });
    let verdict = verify_red(NAME);
    assert_eq!(source(&verdict, "c1")["missing"], serde_json::json!(["v2"]), "{verdict:#}");
    assert_cause(&verdict, "c1 and c2 trust different root certificates");
    let explained = text(&e2e::lab(&["explain", NAME, "c1", "c2"]).stdout);
    assert!(explained.contains("BROKEN") && explained.contains("trust different root"), "{explained}");

    // `lab up` puts the lab's own certificates back; what runs has to take them up.
    e2e::lab_ok(&["up", "scenarios/two-network.yaml", "--no-verify"]);
    block_on(async { restart_mesh(&client(NAME, "c2").await).await });
    mend(NAME);
}

async fn restart_mesh(cluster: &lab::sys::kube::Cluster) {
    restart(cluster, "istio-system", "app=istiod", &["istiod"]).await;
    restart(cluster, "istio-system", "istio=eastwestgateway", &["istio-eastwestgateway"]).await;
    restart(cluster, "sample", "app=helloworld", &["helloworld-v2"]).await;
    restart(cluster, "sample", "app=sleep", &["sleep"]).await;
}

fn foreign_ca() -> Intermediate {
    let params = |constraints| {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(constraints);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    };
    let key = || KeyPair::generate().expect("a key");
    let root = CertifiedIssuer::self_signed(params(BasicConstraints::Unconstrained), key()).expect("a root");
    let own = CertifiedIssuer::signed_by(params(BasicConstraints::Constrained(0)), key(), &root).expect("signed");
    Intermediate {
        certificate: own.pem(),
        key: own.key().serialize_pem(),
        root: root.pem(),
        chain: own.pem() + &root.pem(),
    }
}

/// An API server that stalls on open connections, while a verdict is made and before an explanation: both end in time and name the cluster.
#[test]
fn mutate_an_api_server_that_stalls_is_named_in_time() {
    running();
    let node = |command: &str| {
        let docker = ["exec", "two-network-c2-control-plane", "sh", "-c", command];
        assert!(Command::new("docker").args(docker).status().expect("docker starts").success(), "{command}");
    };
    // The kubelet would start it anew.
    node("systemctl stop kubelet");
    let start = Instant::now();
    let verify = Command::new(e2e::LAB).args(["verify", NAME]).stdout(Stdio::piped()).spawn().expect("lab starts");
    std::thread::sleep(Duration::from_millis(350));
    node("pkill -STOP kube-apiserver");
    let verify = verify.wait_with_output().expect("an end");
    let verified = start.elapsed();
    let asked = Instant::now();
    let explained = e2e::lab(&["explain", NAME, "c1", "c2"]);
    let explaining = asked.elapsed();
    node("pkill -CONT kube-apiserver; systemctl start kubelet");
    let (verdict, explanation) = (text(&verify.stdout), text(&explained.stdout));
    assert_eq!(verify.status.code(), Some(1), "{verdict}");
    assert!(verdict.contains("the API server of c2 does not answer"), "{verdict}");
    assert!(verified < Duration::from_secs(150), "{verified:?}");
    assert_eq!(explained.status.code(), Some(1), "{explanation}");
    assert!(explanation.contains("the API server of c2 does not answer"), "{explanation}");
    assert!(explaining < Duration::from_secs(40), "{explaining:?}");
    mend(NAME);
}
