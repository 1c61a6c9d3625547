//! `lab mirror`: calls from another cluster reach a process of this machine, its own calls rotate over the mesh, and however it ends the pods are back.

mod e2e;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use e2e::{LAB, lab, lab_ok, text};
use serde_json::{Value, json};

const NAME: &str = "two-network";
const NAMESPACE: &str = "mirror-e2e";
const HOST: &str = "greeter.mirror-e2e";
/// How long anything may take on a machine that does other work too.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the pods of the cluster answer.
const OLD: &str = "Hello version: old";
/// What the process of this machine answers.
const NEW: &str = "this machine";

fn kubectl(cluster: &str, args: &[&str], input: &str) -> String {
    let node = format!("{NAME}-{cluster}-control-plane");
    let mut command = Command::new("docker");
    command.args(["exec", "-i", &node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"]).args(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("docker starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("writes");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "kubectl {args:?} in {cluster}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A service in both clusters whose one pod, in c1, takes calls by mutual TLS alone.
struct Greeter;

impl Greeter {
    fn new() -> Self {
        let image = [
            "-n",
            "sample",
            "get",
            "deployment",
            "helloworld-v1",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].image}",
        ];
        let image = kubectl("c1", &image, "");
        let metadata = json!({ "name": "greeter", "namespace": NAMESPACE });
        let labels = json!({ "app": "greeter" });
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE, "labels": { "istio-injection": "enabled" } } });
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {
            "selector": labels, "ports": [{ "name": "http", "port": 80, "targetPort": "web" }, { "name": "http-more", "port": 81, "targetPort": 5001 }] } });
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
        let strict = json!({ "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": metadata, "spec": { "mtls": { "mode": "STRICT" } } });
        let container = json!({ "name": "greeter", "image": image, "imagePullPolicy": "IfNotPresent",
            "env": [{ "name": "SERVICE_VERSION", "value": "old" }], "ports": [{ "name": "web", "containerPort": 5000 }] });
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "serviceAccountName": "greeter", "containers": [container] } } } });
        let greeter = Self;
        let list = |items: &[&Value]| json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
        kubectl("c1", &["apply", "-f", "-"], &list(&[&namespace, &service, &account, &strict, &deployment]));
        kubectl("c2", &["apply", "-f", "-"], &list(&[&namespace, &service]));
        kubectl("c1", &["-n", NAMESPACE, "rollout", "status", "deployment/greeter", "--timeout=120s"], "");
        greeter
    }
}

impl Drop for Greeter {
    fn drop(&mut self) {
        lab(&["heal", NAME]);
        for cluster in ["c1", "c2"] {
            let node = format!("{NAME}-{cluster}-control-plane");
            let kubectl = ["exec", &node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
            let _ = Command::new("docker").args(kubectl).args(["delete", "namespace", NAMESPACE]).output();
        }
    }
}

/// A process of this machine: answers every request on the loopback, and keeps what it was told of callers.
struct Process {
    port: u16,
    callers: Arc<Mutex<BTreeSet<String>>>,
}

impl Process {
    fn on(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let callers = Arc::new(Mutex::new(BTreeSet::new()));
        let seen = Arc::clone(&callers);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || answer(&stream, &seen));
            }
        });
        Self { port, callers }
    }

    fn was_called_by(&self, account: &str) -> bool {
        self.callers.lock().expect("no panic").iter().any(|caller| caller.contains(account))
    }
}

fn answer(stream: &TcpStream, seen: &Mutex<BTreeSet<String>>) {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(1..)) {
            return;
        }
        // The sidecar has checked the caller's certificate, and says whose it is.
        if line.to_lowercase().starts_with("x-forwarded-client-cert:") {
            seen.lock().expect("no panic").insert(line.clone());
        }
        let body = format!("{NEW}\n");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        if line == "\r\n" && writer.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// `lab mirror`, by its events, until it is dropped.
struct Mirror {
    child: Child,
    lines: Receiver<String>,
}

impl Mirror {
    fn new(to: u16, more: &[&str]) -> Self {
        let to = to.to_string();
        let args = ["mirror", NAME, HOST, "--to", &to, "--port", "80", "--output", "json"];
        let mut command = Command::new(LAB);
        command.args(args).args(more).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next event of this kind.
    fn until(&self, kind: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => panic!("no {kind} came in time"),
                Err(RecvTimeoutError::Disconnected) => panic!("it has ended without {kind}"),
            };
            eprintln!("{line}");
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
            e2e::fits("mirror", &event);
            if event["event"] == kind {
                return event;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill starts").success());
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a caller in a cluster gets, so many times.
fn calls(cluster: &str, count: usize) -> Vec<String> {
    let script = format!("for i in $(seq {count}); do curl -s -m 5 -w '%{{http_code}}\\n' {HOST}/hello; done");
    let output = lab_ok(&["exec", NAME, cluster, "sleep", "--", "sh", "-c", &script]);
    output.lines().map(str::to_owned).collect()
}

/// Waits until a caller gets these words and nothing else: its sidecar hears of other endpoints a moment later.
fn settles(cluster: &str, words: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let lines = calls(cluster, 5);
        if lines.iter().all(|line| line.starts_with(words) || line == "200") {
            return;
        }
        assert!(Instant::now() < end, "{cluster} does not get {words:?} alone: {lines:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// What this machine gets of a URL by the proxy of a mirror, as curl would with `http_proxy` set to it.
fn by_proxy(proxy: &str, host: &str, path: &str) -> String {
    let (user, at) = proxy.strip_prefix("http://").and_then(|rest| rest.split_once('@')).expect("a password");
    let mut stream = TcpStream::connect(at).expect("the proxy");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let user = base64::engine::general_purpose::STANDARD.encode(user);
    let head = format!("GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic {user}\r\n");
    stream.write_all((head + "Connection: close\r\n\r\n").as_bytes()).expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// The mirrors that the lab has, as its status tells.
fn mirrors() -> Vec<Value> {
    let status: Value = serde_json::from_str(&lab_ok(&["status", NAME, "--output", "json"])).expect("a status");
    status["mirrors"].as_array().expect("mirrors").clone()
}

/// All is as it was: no mirror, and the pods of before answer both clusters.
fn is_as_before() {
    let end = Instant::now() + PATIENCE;
    while !mirrors().is_empty() {
        assert!(Instant::now() < end, "the mirror is still there");
        std::thread::sleep(Duration::from_millis(500));
    }
    for cluster in ["c1", "c2"] {
        settles(cluster, OLD);
    }
    let left = kubectl("c1", &["-n", NAMESPACE, "get", "deployments", "-o", "name"], "");
    assert_eq!(left.trim(), "deployment.apps/greeter");
    assert_eq!(kubectl("c1", &["-n", NAMESPACE, "get", "secrets", "-l", "dev.lab.mirror", "-o", "name"], ""), "");
}

/// Kills the process that would put everything back.
fn kill_keeper() {
    let words = format!("keep-mirror\0{NAME}\0");
    let processes = fs::read_dir("/proc").expect("processes").filter_map(|entry| Some(entry.ok()?.path()));
    let is_keeper = |process: &std::path::PathBuf| {
        fs::read(process.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&words))
    };
    let keepers: Vec<_> = processes.filter(is_keeper).collect();
    assert_eq!(keepers.len(), 1, "{keepers:?}");
    let pid = keepers[0].file_name().expect("a number").to_string_lossy().into_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill starts").success());
}

#[test]
fn calls_reach_this_machine_and_its_own_go_out_in_full() {
    e2e::shared(NAME);
    let _greeter = Greeter::new();
    settles("c2", OLD);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let process = Process::on(listener);

    // In: from both clusters, through the gateway of c1, by mutual TLS.
    let mut mirror = Mirror::new(process.port, &["--cluster", "c1"]);
    let stands = mirror.until("mirrored");
    assert_eq!(
        (&stands["service"], &stands["stopped"]),
        (&json!("greeter.mirror-e2e:80"), &json!(["greeter"])),
        "{stands}"
    );
    for cluster in ["c2", "c1"] {
        settles(cluster, NEW);
        let lines = calls(cluster, 20);
        assert_eq!(lines.iter().filter(|line| *line == NEW).count(), 20, "{cluster}: {lines:?}");
    }
    assert!(mirror.until("in")["connection"].as_u64() >= Some(1));
    assert!(process.was_called_by("ns/sample/sa/default"), "{:?}", process.callers);

    // Out: over both clusters, and as who the pods are that it stands in for.
    let proxy = stands["proxy"].as_str().expect("a proxy");
    let answers: Vec<String> = (0..30).map(|_| by_proxy(proxy, "helloworld.sample:5000", "/hello")).collect();
    for version in ["v1", "v2"] {
        let of_it = answers.iter().filter(|answer| answer.contains(&format!("Hello version: {version},"))).count();
        eprintln!("{of_it} of 30 calls of this machine were answered by {version}");
        assert!(of_it > 0, "{answers:?}");
    }
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200 ")), "{answers:?}");
    assert!(by_proxy(proxy, "greeter.mirror-e2e:80", "/").contains(NEW));
    let other = proxy.replacen("lab:", "lab:x", 1);
    assert!(by_proxy(&other, "helloworld.sample:5000", "/hello").starts_with("HTTP/1.1 407 "));
    assert!(process.was_called_by(&format!("ns/{NAMESPACE}/sa/greeter")), "{:?}", process.callers);
    assert!(mirror.until("out")["connection"].as_u64() >= Some(1));

    // It is told where one asks, and not made twice.
    assert!(mirrors()[0].as_str().is_some_and(|m| m.contains("greeter.mirror-e2e:80 in c1")), "{:?}", mirrors());
    let twice = lab(&["mirror", NAME, HOST, "--to", "1", "--port", "80"]);
    assert_eq!(twice.status.code(), Some(3), "{}", text(&twice.stderr));
    assert!(text(&twice.stderr).contains("there is a mirror already"), "{}", text(&twice.stderr));
    let snapshot = lab(&["snapshot", NAME, "mirrored"]);
    assert!(text(&snapshot.stderr).contains("has a mirror"), "{}", text(&snapshot.stderr));

    // Ctrl-C brings the pods back.
    mirror.signal("-INT");
    let ended = mirror.until("ended");
    assert!(ended["connectionsIn"].as_u64() > Some(0) && ended["connectionsOut"].as_u64() > Some(30), "{ended}");
    assert!(mirror.child.wait().expect("it ends").success());
    is_as_before();
}

#[test]
fn however_it_ends_the_pods_are_back_in_full() {
    e2e::shared(NAME);
    let _greeter = Greeter::new();
    let process = Process::on(TcpListener::bind(("127.0.0.1", 0)).expect("a port"));

    // Where nothing listens calls fail, and that is told: what the answers of the other test are worth.
    let free = TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("an address").port();
    let mut mirror = Mirror::new(free, &["--cluster", "c1"]);
    mirror.until("mirrored");
    settles("c1", "upstream connect error");
    let failed = mirror.until("failed");
    assert!(
        failed["problem"].as_str().is_some_and(|p| p.contains(&format!("port {free} of this machine"))),
        "{failed}"
    );
    // As soon as something does they are answered.
    let _process = Process::on(TcpListener::bind(("127.0.0.1", free)).expect("the port"));
    settles("c1", NEW);
    mirror.signal("-TERM");
    assert!(mirror.until("ended")["connectionsFailed"].as_u64() > Some(0));
    assert!(mirror.child.wait().expect("it ends").success());
    is_as_before();

    // Killed: its keeper puts everything back.
    let mirror = Mirror::new(process.port, &["--cluster", "c1"]);
    mirror.until("mirrored");
    settles("c1", NEW);
    mirror.signal("-KILL");
    let killed = Instant::now();
    is_as_before();
    eprintln!("killed, and as before after {:.1} s", killed.elapsed().as_secs_f64());

    // Both killed: `lab heal` does.
    let mirror = Mirror::new(process.port, &["--cluster", "c1"]);
    mirror.until("mirrored");
    kill_keeper();
    mirror.signal("-KILL");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(mirrors().len(), 1);
    settles("c1", "upstream connect error");
    let healed = lab(&["heal", NAME]);
    assert!(text(&healed.stderr).contains("ended: calls to greeter.mirror-e2e:80 in c1"), "{}", text(&healed.stderr));
    is_as_before();

    // Its time is over.
    let mut mirror = Mirror::new(process.port, &["--cluster", "c1", "--for", "2s"]);
    mirror.until("ended");
    assert!(mirror.child.wait().expect("it ends").success());
    is_as_before();

    // Beside the pods, where there are some, and ended by another process.
    let mut mirror = Mirror::new(process.port, &["--beside"]);
    let stands = mirror.until("mirrored");
    assert!(stands["stopped"].is_null() && stands["cluster"] == "c1", "{stands}");
    let end = Instant::now() + PATIENCE;
    loop {
        let lines = calls("c1", 40);
        if [OLD, NEW].iter().all(|words| lines.iter().any(|line| line.starts_with(words))) {
            break;
        }
        assert!(Instant::now() < end, "not both answer: {lines:?}");
    }
    lab_ok(&["heal", NAME]);
    mirror.until("ended");
    assert!(mirror.child.wait().expect("it ends").success());
    is_as_before();
}

#[test]
fn what_cannot_be_mirrored_is_refused_in_full() {
    e2e::shared(NAME);
    let _greeter = Greeter::new();
    let refused = |args: &[&str], words: &[&str]| {
        let output = lab(&[&["mirror"], args].concat());
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && words.iter().all(|w| said.contains(w)), "{args:?}: {said}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    };
    refused(&["nosuch", "web", "--to", "1"], &["no lab named nosuch"]);
    refused(&[NAME, "web", "--to", "1"], &["there is no Service web in namespace sample", "helloworld"]);
    refused(&[NAME, "web.nowhere", "--to", "1"], &["there is no Service web in namespace nowhere", "has none"]);
    refused(&[NAME, "helloworld", "--to", "1", "--cluster", "c9"], &["no cluster c9"]);
    refused(&[NAME, "helloworld", "--to", "1", "--port", "80"], &["has no port 80", "it has 5000"]);
    refused(&[NAME, HOST, "--to", "1"], &["has the ports 80, 81", "--port"]);
    refused(&[NAME, HOST, "--to", "1", "--port", "80", "--cluster", "c2"], &["no Deployment says which number"]);
    refused(&[NAME, "kubernetes.default", "--to", "1"], &["selects no pods"]);
    refused(&[NAME, "kube-dns.kube-system", "--to", "1", "--port", "9153"], &["gets no sidecar"]);
    assert_eq!(mirrors().len(), 0);
}
