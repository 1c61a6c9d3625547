//! What a developer does with a lab that is up: reads logs, opens a shell on it, runs commands in it, brings images of his own, pauses it, and
//! restarts a part.

mod e2e;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use e2e::{LAB, block_on, client, lab, lab_ok, text};
use lab::sys::kube::Manifest;
use serde_json::{Value, json};

const NAME: &str = "two-network";

fn running() {
    e2e::shared(NAME);
}

/// Runs `lab`, which must refuse with this exit code and these words, and print no data.
fn refused(args: &[&str], code: i32, words: &str) {
    let output = lab(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}");
    assert_eq!(text(&output.stdout), "", "{args:?}");
    let said = text(&output.stderr);
    assert!(said.starts_with("error: ") && said.contains(words) && said.contains("\nhint: "), "{said}");
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker starts");
    assert!(output.status.success(), "docker {args:?}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn node(cluster: &str) -> String {
    format!("{NAME}-{cluster}-control-plane")
}

#[test]
fn logs_name_cluster_and_pod_of_each_line() {
    running();
    let all = lab_ok(&["logs", NAME, "--tail", "5"]);
    for part in ["istiod-", "istio-eastwestgateway-", "helloworld-v", "sleep-"] {
        for cluster in ["c1", "c2"] {
            let start = format!("{cluster} {part}");
            assert!(all.lines().any(|l| l.starts_with(&start) && l.contains(" | ")), "no line of {start}\n{all}");
        }
    }
    let one = lab_ok(&["logs", NAME, "c2", "gateway", "--tail", "3"]);
    assert!((1..=3).contains(&one.lines().count()), "{one}");
    assert!(one.lines().all(|l| l.starts_with("c2 istio-eastwestgateway-")), "{one}");
    let both = lab_ok(&["logs", NAME, "istiod", "--tail", "1"]);
    assert!(both.lines().all(|l| l.contains(" istiod-")) && both.lines().count() == 2, "{both}");

    refused(&["logs", "two-netwrok"], 2, "no lab named two-netwrok");
    refused(&["logs", NAME, "c9", "istiod"], 2, "no cluster c9");
    refused(&["logs", NAME, "c1", "httpbin"], 2, "no pod of httpbin runs in c1");
}

#[test]
fn env_is_what_a_shell_evaluates() {
    running();
    let script = format!("eval \"$('{LAB}' env {NAME})\" && echo \"$LAB\" && cat \"$KUBECONFIG\"");
    let output = Command::new("sh").args(["-euc", &script]).output().expect("a shell");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let (name, config) = printed.split_once('\n').expect("lines");
    assert_eq!(name, NAME);
    let mut config: Value = serde_yaml::from_str(config).expect("a kubeconfig");
    for cluster in ["c1", "c2"] {
        config["current-context"] = json!(cluster);
        // A client lives as long as the runtime that it was made in.
        block_on(async {
            let client = lab::sys::kube::Cluster::connect(&config.to_string()).await.expect("a client");
            assert!(client.is_ready().await, "{cluster}");
        });
    }
    refused(&["env", "two-netwrok"], 2, "no lab named two-netwrok");
}

/// Runs `lab` with this on its standard input.
fn with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(LAB)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lab starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let fed = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("lab ends");
    let _ = fed.join();
    output
}

#[test]
fn exec_is_as_if_the_command_ran_here() {
    running();
    let exec = |cluster: &str, command: &[&str]| lab(&[&["exec", NAME, cluster, "sleep", "--"], command].concat());
    // Streams apart, and the command's own exit code.
    let output = exec("c2", &["sh", "-c", "echo out; echo err >&2; exit 42"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(output.status.code(), Some(42));
    let hosts = exec("c1", &["hostname"]);
    assert!(hosts.status.success() && text(&hosts.stdout).starts_with("sleep-"), "{hosts:?}");
    assert_ne!(hosts.stdout, exec("c2", &["hostname"]).stdout);
    // It calls as the pod does: through its sidecar into the mesh.
    let answer = exec("c1", &["curl", "-s", "http://helloworld.sample:5000/hello"]);
    assert!(text(&answer.stdout).starts_with("Hello version: v"), "{answer:?}");

    // Input and output whole, to their ends.
    let data: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let output = with_input(&["exec", NAME, "c1", "sleep", "--", "cat"], &data);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stdout == data, "{} bytes of {}", output.stdout.len(), data.len());
    // A command that reads nothing ends although there is something to read.
    let output = with_input(&["exec", NAME, "c1", "sleep", "--", "echo", "done"], &data[..10_000]);
    assert_eq!((text(&output.stdout), output.status.code()), ("done\n".to_owned(), Some(0)));
    // One that prints for ever ends when nobody reads any more.
    let endless = format!("'{LAB}' exec {NAME} c1 sleep -- sh -c 'while echo y; do :; done' </dev/null | head -n 1");
    let output = Command::new("sh").args(["-c", &endless]).output().expect("a shell");
    assert_eq!(text(&output.stdout), "y\n", "{}", text(&output.stderr));

    // Another container and another namespace.
    let args = [
        "exec",
        NAME,
        "c1",
        "sleep",
        "--container",
        "istio-proxy",
        "--",
        "pilot-agent",
        "request",
        "GET",
        "server_info",
    ];
    assert!(lab_ok(&args).contains("\"state\": \"LIVE\""));
    let args = ["exec", NAME, "c1", "istiod", "--namespace", "istio-system", "--", "pilot-discovery", "version"];
    assert!(!lab_ok(&args).is_empty());

    refused(&["exec", "two-netwrok", "c1", "sleep", "--", "true"], 2, "no lab named two-netwrok");
    refused(&["exec", NAME, "c9", "sleep", "--", "true"], 2, "no cluster c9");
    refused(&["exec", NAME, "c1", "slep", "--", "true"], 2, "helloworld, sleep");
    refused(&["exec", NAME, "c1", "sleep", "--container", "proxy", "--", "true"], 2, "sleep, istio-proxy");
    let absent = exec("c1", &["nosuch"]);
    assert_eq!(absent.status.code(), Some(3));
    assert!(text(&absent.stderr).contains("\"nosuch\": executable file not found"), "{absent:?}");
}

/// An image with a text that is in no other, gone at the end.
struct Image(&'static str);

impl Image {
    fn build(name: &'static str, text: &str) -> Self {
        let base = docker(&["images", "lab/images/sleep", "--format", "{{.Repository}}:{{.Tag}}"]);
        let base = base.lines().next().expect("an image of sleep").to_owned();
        let dir = e2e::run_dir().join("image");
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("Dockerfile"), format!("FROM {base}\nCOPY proof /proof\n")).expect("a Dockerfile");
        std::fs::write(dir.join("proof"), text).expect("a file");
        docker(&["build", "--quiet", "--tag", name, &dir.to_string_lossy()]);
        Self(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", self.0]).output();
    }
}

/// No registry has it: a pod of it runs only where it was put.
const IMAGE: &str = "registry.invalid/sandbox:e2e";

#[test]
fn a_loaded_image_runs_in_every_cluster() {
    running();
    let proof = format!("built by {}\n", std::process::id());
    let _image = Image::build(IMAGE, &proof);
    let listed = |cluster: &str| docker(&["exec", &node(cluster), "ctr", "-n", "k8s.io", "images", "list", "-q"]);
    for cluster in ["c1", "c2"] {
        // Of an earlier run on the same lab.
        docker(&["exec", &node(cluster), "ctr", "-n", "k8s.io", "images", "rm", IMAGE]);
        assert!(!listed(cluster).lines().any(|l| l == IMAGE));
    }

    refused(&["load", NAME, IMAGE, "registry.invalid/nosuch:1"], 2, "no image registry.invalid/nosuch:1");
    let id = docker(&["images", "--quiet", IMAGE]);
    refused(&["load", NAME, &id], 2, "is not an image name with a tag");
    refused(&["load", "two-netwrok", IMAGE], 2, "no lab named two-netwrok");
    assert!(!listed("c1").lines().any(|l| l == IMAGE), "what is refused is not done in part");

    lab_ok(&["load", NAME, IMAGE]);
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "sandbox" } });
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "mine", "namespace": "sandbox" },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "mine" } },
            "template": {
                "metadata": { "labels": { "app": "mine" } },
                "spec": { "containers": [{ "name": "mine", "image": IMAGE, "imagePullPolicy": "IfNotPresent" }] },
            },
        },
    });
    let objects = Manifest::from_values([namespace.clone(), deployment]).expect("a manifest");
    for cluster in ["c1", "c2"] {
        assert!(listed(cluster).lines().any(|l| l == IMAGE), "{cluster}");
        block_on(async {
            let client = client(NAME, cluster).await;
            client.apply(&objects).await.expect("applied");
            let limit = std::time::Duration::from_secs(120);
            client.until_available("sandbox", "mine", limit, &e2e::Quiet).await.expect("it runs");
        });
        assert_eq!(lab_ok(&["exec", NAME, cluster, "mine", "--namespace", "sandbox", "--", "cat", "/proof"]), proof);
        let namespace = Manifest::from_values([namespace.clone()]).expect("a manifest");
        block_on(async { client(NAME, cluster).await.delete(&namespace.objects[0]).await }).expect("deleted");
    }
}

fn states() -> Vec<(String, String)> {
    let status: Value = serde_json::from_str(&lab_ok(&["status", NAME, "--output", "json"])).expect("JSON");
    let clusters = status["clusters"].as_array().expect("clusters");
    let state = |c: &Value| {
        let node = c["nodes"][0]["status"].as_str().expect("a status");
        (c["apiServer"].as_str().expect("a state").to_owned(), node.to_owned())
    };
    clusters.iter().map(state).collect()
}

#[test]
fn mutate_a_paused_lab_takes_no_processor_and_goes_on() {
    running();
    refused(&["resume", NAME], 3, "no node of lab two-network is paused");
    refused(&["pause", "two-netwrok"], 2, "no lab named two-netwrok");
    refused(&["resume", "two-netwrok"], 2, "no lab named two-netwrok");
    // The second time longer than the 40 s that a control plane waits for a node, so that it shows what becomes of that.
    for least in [0, 45] {
        lab_ok(&["pause", NAME]);
        let paused = std::time::Instant::now();
        for cluster in ["c1", "c2"] {
            assert_eq!(docker(&["inspect", "--format", "{{.State.Paused}}", &node(cluster)]), "true");
        }
        for (api_server, node) in states() {
            assert!(api_server == "no answer" && node.contains("(Paused)"), "{api_server}, {node}");
        }
        let again = lab(&["pause", NAME]);
        assert!(again.status.success() && text(&again.stderr).contains("no node of lab two-network is running"));
        for verb in [&["verify", NAME][..], &["logs", NAME], &["exec", NAME, "c1", "sleep", "--", "true"]] {
            refused(verb, 3, "lab two-network is paused");
        }
        std::thread::sleep(std::time::Duration::from_secs(least).saturating_sub(paused.elapsed()));

        let resumed = lab(&["resume", NAME]);
        assert!(resumed.status.success());
        let said = text(&resumed.stderr);
        let seconds = said.rsplit_once("rotates over every version again after ").and_then(|(_, s)| s.split_once(" s"));
        let seconds: f64 = seconds.expect("the time").0.parse().expect("a number");
        eprintln!("a full rotation {seconds} s after `lab resume`");
        assert!(seconds < 30.0, "{said}");
        for (api_server, node) in states() {
            assert!(api_server == "ready" && !node.contains("(Paused)"), "{api_server}, {node}");
        }
        lab_ok(&["verify", NAME]);
    }
}

#[test]
fn mutate_a_restarted_cluster_comes_back_green() {
    running();
    let started = |cluster: &str| docker(&["inspect", "--format", "{{.State.StartedAt}}", &node(cluster)]);
    let before = (started("c1"), started("c2"));
    refused(&["restart", NAME, "c9"], 2, "no cluster c9");
    refused(&["restart", "two-netwrok", "c1"], 2, "no lab named two-netwrok");
    assert_eq!((started("c1"), started("c2")), before, "what is refused restarts nothing");

    let verdict = lab_ok(&["restart", NAME, "c2"]);
    assert!(verdict.contains("PASSED  two-network"), "{verdict}");
    assert_eq!(started("c1"), before.0);
    assert_ne!(started("c2"), before.1);
    lab_ok(&["verify", NAME]);
}
