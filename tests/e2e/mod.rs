//! What the end-to-end tests share: one lab for all tests of a scenario, brought up by the first of them, and the `lab` binary itself.
#![expect(dead_code, reason = "each test binary uses a part of it")]

#[path = "../validator/mod.rs"]
mod validator;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use lab::sys::kube::Cluster;
use serde_json::Value;

/// The `lab` binary that is tested.
pub const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// A lab that is up.
pub struct Running {
    /// Its name.
    pub name: &'static str,
    /// The verdict that `lab up` gave, as it was printed.
    pub verdict: Value,
}

/// Runs `lab` from the repository's root and gives what it printed. What `up` does is build: a lab that an earlier test run has kept would hide that it
/// can.
pub fn lab(args: &[&str]) -> Output {
    let builds = args.first() == Some(&"up") && !args.contains(&"--dry-run");
    lab_as_is(&[args, if builds { &["--fresh"] } else { &[] }].concat())
}

/// The same with these very arguments. What a test shows of it when it fails is short enough that the panic is
/// not lost in a log that is cut off; the whole is in the test run's directory.
pub fn lab_as_is(args: &[&str]) -> Output {
    // Where this is continuous integration, every lab that is broken on purpose would leave an archive.
    let mut command = Command::new(LAB);
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("CI");
    let started = Instant::now();
    let output = command.output().expect("lab starts");
    let (said, seconds) = (text(&output.stderr), started.elapsed().as_secs_f64());
    let head = format!("$ lab {} ({seconds:.1} s, {})", args.join(" "), output.status);
    let thread = std::thread::current().name().unwrap_or("test").replace("::", "-");
    let log = File::options().create(true).append(true).open(run_dir().join(format!("{thread}.log")));
    let _ = log.and_then(|mut log| write!(log, "{head}\n{said}{}\n", text(&output.stdout)));
    fits_its_schema(args, &output.stdout);
    let lines: Vec<&str> = said.lines().filter(|l| !l.is_empty()).collect();
    let last = if output.status.success() { 1 } else { 15 };
    eprintln!("{head}\n{}", lines[lines.len().saturating_sub(last)..].join("\n"));
    output
}

/// Holds what a verb printed as JSON against the schema that scripts have of it.
fn fits_its_schema(args: &[&str], printed: &[u8]) {
    let Some(Ok(value)) = args.contains(&"json").then(|| serde_json::from_slice::<Value>(printed)) else { return };
    let verb = match args {
        ["images" | "snapshots", verb, ..] => format!("{}-{verb}", args[0]),
        ["up", ..] if args.contains(&"--dry-run") => "diff".to_owned(),
        [verb, ..] => (*verb).to_owned(),
        [] => return,
    };
    fits(&verb, &value);
}

/// Holds a value against the schema of what a verb prints.
pub fn fits(verb: &str, value: &Value) {
    let schema = Command::new(LAB).args(["schema", "--output", verb]).output().expect("lab starts");
    let schema = serde_json::from_slice(&schema.stdout).unwrap_or_else(|e| panic!("schema of {verb}: {e}"));
    assert_eq!(validator::mistakes(&schema, value, verb), [""; 0], "{value:#}");
}

/// What of a verdict a reader needs who wants to know why it is red: sources that are not as expected, cells that are wrong, findings.
pub fn in_short(verdict: &Value) -> String {
    let mut short = verdict.clone();
    let keep = |list: &mut Value, wanted: fn(&Value) -> bool| {
        if let Some(list) = list.as_array_mut() {
            list.retain(wanted);
        }
    };
    keep(&mut short["sources"], |s| s["passed"] != true);
    keep(&mut short["reachability"], |c| c["expected"] != c["found"]);
    format!("{short:#}")
}

/// Runs `lab` and gives its standard output; the exit code must be 0.
pub fn lab_ok(args: &[&str]) -> String {
    let output = lab(args);
    assert!(output.status.success(), "lab {args:?} ended with {}:\n{}", output.status, text(&output.stdout));
    text(&output.stdout)
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory of this test run.
pub fn run_dir() -> PathBuf {
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("pid-{}", std::process::id()));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e").join(run);
    fs::create_dir_all(&dir).expect("a directory for the test run");
    dir
}

/// The lab of a scenario. The first test to come brings it up; the others wait for it and use it. Each nextest test is a process, so a
/// file lock is between them, and a file tells that it is up.
pub fn shared(name: &'static str) -> Running {
    let dir = run_dir();
    let lock = File::create(dir.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let file = dir.join(format!("{name}.json"));
    if let Ok(text) = fs::read_to_string(&file) {
        return Running { name, verdict: serde_json::from_str(&text).expect("the verdict of the first test") };
    }
    let output = lab_ok(&["up", &format!("scenarios/{name}.yaml"), "--output", "json"]);
    let verdict = serde_json::from_str(&output).expect("a verdict on standard output");
    fs::write(&file, output).expect("the verdict's file");
    Running { name, verdict }
}

/// The entry of one source in a verdict.
pub fn source<'a>(verdict: &'a Value, cluster: &str) -> &'a Value {
    let sources = verdict["sources"].as_array().expect("sources");
    sources.iter().find(|s| s["cluster"] == cluster).unwrap_or_else(|| panic!("no source {cluster} in {verdict:#}"))
}

/// Makes the calls without lab's judgement, with a plain curl in the sleep pod of every cluster, side by side: nothing fails, every version answers
/// everywhere, and lab's own verdict said the same.
pub fn assert_plain_curl_agrees(running: &Running, clusters: &[&str], versions: &[&str]) {
    const CALLS: &str = "for i in $(seq 60); do curl -sS -m 5 helloworld.sample:5000/hello; done";
    let calls = clusters.iter().map(|cluster| async move {
        let client = client(running.name, cluster).await;
        let pod = client.pod("sample", "app=sleep").await.expect("sleep");
        client.exec("sample", &pod, "sleep", &["sh", "-c", CALLS]).await.expect("exec").stdout
    });
    let answers = block_on(futures::future::join_all(calls));
    for (cluster, answers) in clusters.iter().zip(answers) {
        assert_eq!(
            answers.lines().filter(|l| l.starts_with("Hello version: ")).count(),
            60,
            "from {cluster}: {answers}"
        );
        let source = source(&running.verdict, cluster);
        assert_eq!((&source["failures"], &source["missing"]), (&Value::from(0), &serde_json::json!([])), "{source:#}");
        for version in versions {
            assert!(answers.contains(&format!("Hello version: {version},")), "from {cluster}: {answers}");
            assert!(source["versions"][*version].as_u64() > Some(0), "{version} did not answer {cluster}: {source:#}");
        }
    }
}

/// Runs asynchronous code in a test.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}

/// A client for one cluster of a lab, by the context that `lab kubeconfig` prints.
pub async fn client(name: &str, cluster: &str) -> Cluster {
    let merged = lab_ok(&["kubeconfig", name]);
    let mut config: Value = serde_yaml::from_str(&merged).expect("a kubeconfig");
    config["current-context"] = serde_json::json!(format!("lab-{name}-{cluster}"));
    Cluster::connect(&config.to_string()).await.expect("a client")
}

/// Runs `lab verify` on a lab that was broken; it must be red. Gives the verdict.
pub fn verify_red(name: &str) -> Value {
    let output = lab(&["verify", name, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "a broken lab must be red:\n{}", text(&output.stdout));
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
    assert_eq!(verdict["passed"], false);
    eprintln!("{}", in_short(&verdict));
    verdict
}

/// Asserts that a finding's cause says this.
pub fn assert_cause(verdict: &Value, words: &str) {
    let findings = verdict["findings"].as_array().expect("findings");
    let causes: Vec<&str> = findings.iter().filter_map(|f| f["cause"].as_str()).collect();
    assert!(causes.iter().any(|c| c.contains(words)), "no cause says {words:?}: {causes:#?}");
    for finding in findings {
        assert!(finding["evidence"].as_str().is_some_and(|e| !e.is_empty()), "{finding:#}");
        assert!(finding["remedy"].as_str().is_some_and(|r| !r.is_empty()), "{finding:#}");
    }
}

/// The entries of the verdict whose check has this in its name.
pub fn of_check<'a>(verdict: &'a Value, words: &str) -> Vec<&'a Value> {
    let sources = verdict["sources"].as_array().expect("sources");
    sources.iter().filter(|s| s["check"].as_str().is_some_and(|c| c.contains(words))).collect()
}

/// Asserts that the check with these words in its name is red from these clusters, and from no other.
pub fn assert_red(verdict: &Value, words: &str, clusters: &[&str]) {
    let red = of_check(verdict, words).into_iter().filter(|s| s["passed"] == false);
    let red: Vec<&str> = red.filter_map(|s| s["cluster"].as_str()).collect();
    assert_eq!(red, clusters, "{words}: {}", in_short(verdict));
}

/// Asserts that a finding names each of these.
pub fn assert_named(verdict: &Value, things: &[&str]) {
    let findings = verdict["findings"].to_string();
    for thing in things {
        assert!(findings.contains(thing), "no finding names {thing}: {}", in_short(verdict));
    }
}

/// Brings the lab up again, which must mend it.
pub fn mend(name: &str) {
    let output = lab_ok(&["up", &format!("scenarios/{name}.yaml"), "--output", "json"]);
    let verdict: Value = serde_json::from_str(&output).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
}

/// Listens to nothing.
pub struct Quiet;

impl lab::sys::kube::Listener for Quiet {
    fn say(&self, _: String) {}
}

/// Deletes the pods that have the labels, and waits until each of these Deployments is available again.
pub async fn restart(cluster: &Cluster, namespace: &str, selector: &str, deployments: &[&str]) {
    let before = cluster.pods(namespace, selector).await.expect("pods");
    for pod in &before {
        let pod = serde_json::json!({ "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": pod.metadata.name, "namespace": namespace } });
        let manifest = lab::sys::kube::Manifest::from_values([pod]).expect("a manifest");
        cluster.delete(&manifest.objects[0]).await.expect("deleted");
    }
    gone(cluster, &before).await;
    for deployment in deployments {
        let limit = std::time::Duration::from_secs(120);
        cluster.until_available(namespace, deployment, limit, &Quiet).await.expect("available");
    }
}

/// Waits until these pods no longer exist.
pub async fn gone(cluster: &Cluster, pods: &[Pod]) {
    for pod in pods {
        let (namespace, name) = (pod.metadata.namespace.as_deref().unwrap_or("default"), pod.metadata.name.as_deref());
        for _ in 0..600 {
            if cluster.get::<Pod>(namespace, name.expect("a name")).await.expect("an answer").is_none() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

/// A lab of one test alone, gone when the test ends, also when it fails.
pub struct Own {
    /// Its name.
    pub name: String,
    /// The verdict that `lab up` gave.
    pub verdict: Value,
    /// The file or directory that it came from.
    pub file: String,
}

impl Drop for Own {
    fn drop(&mut self) {
        lab(&["down", &self.name]);
    }
}

impl Own {
    /// Brings a shipped scenario up; its verdict must be green.
    pub fn up(name: &str) -> Self {
        Self::up_as(name, name)
    }

    /// The same under another name, beside a lab that other tests share.
    pub fn up_as(scenario: &str, name: &str) -> Self {
        let file = format!("scenarios/{scenario}.yaml");
        let mut own = Self { name: name.to_owned(), verdict: Value::Null, file: file.clone() };
        let output = lab_ok(&["up", &file, "--name", name, "--output", "json"]);
        own.verdict = serde_json::from_str(&output).expect("a verdict");
        assert_eq!(own.verdict["passed"], true, "{}", in_short(&own.verdict));
        own
    }

    /// Brings a lab of a text up, which is a scenario without its name; its verdict must be green.
    pub fn of(name: &str, text: &str) -> Self {
        let file = run_dir().join(format!("{name}.yaml")).display().to_string();
        let mut own = Self { name: name.to_owned(), verdict: Value::Null, file };
        lab(&["down", name]);
        own.becomes(text, &[]);
        own
    }

    /// Brings it up as another text has it; gives what `lab up` said.
    pub fn becomes(&mut self, text: &str, flags: &[&str]) -> String {
        fs::write(&self.file, format!("name: {}\n{text}", self.name)).expect("a scenario");
        let output = lab(&[&["up", &self.file, "--output", "json"], flags].concat());
        let said = self::text(&output.stderr);
        self.verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
        assert_eq!(self.verdict["passed"], true, "{}", in_short(&self.verdict));
        said
    }

    /// Brings it up again, which must mend it.
    pub fn mend(&mut self) {
        let output = lab_ok(&["up", &self.file, "--name", &self.name, "--output", "json"]);
        self.verdict = serde_json::from_str(&output).expect("a verdict");
        assert_eq!(self.verdict["passed"], true, "{}", in_short(&self.verdict));
    }

    /// Explains the call from one cluster to another. Prints it as a user sees it.
    pub fn explain(&self, from: &str, to: &str) -> Value {
        eprintln!("{}", text(&lab(&["explain", &self.name, from, to]).stdout));
        let output = lab(&["explain", &self.name, from, to, "--output", "json"]);
        let explanation: Value = serde_json::from_slice(&output.stdout).expect("an explanation");
        let last = explanation["hops"].as_array().and_then(|h| h.last()).expect("hops");
        assert_eq!(output.status.code(), Some(i32::from(!last["finding"].is_null())), "{explanation:#}");
        explanation
    }

    /// Waits until an explanation ends at this hop: a sidecar learns of a new rule a moment after it was made.
    pub fn settles(&self, from: &str, to: &str, hop: &str) {
        for _ in 0..60 {
            let explanation = self.explain(from, to);
            if explanation["hops"].as_array().and_then(|h| h.last()).expect("hops")["name"] == hop {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }

    /// Explains a call that must end at a hop, for a cause with these words.
    pub fn broken_at(&self, from: &str, to: &str, hop: &str, words: &str) {
        let explanation = self.explain(from, to);
        let last = explanation["hops"].as_array().and_then(|h| h.last()).expect("hops");
        assert_eq!(last["name"], hop, "{explanation:#}");
        let finding = &last["finding"];
        assert!(
            finding["cause"].as_str().is_some_and(|c| c.contains(words)),
            "no cause says {words:?}: {explanation:#}"
        );
        assert!(finding["remedy"].as_str().is_some_and(|r| !r.is_empty()), "{explanation:#}");
    }

    /// Judges the lab, which must be red for a cause with these words.
    pub fn red(&self, words: &str) -> Value {
        let verdict = verify_red(&self.name);
        assert_cause(&verdict, words);
        verdict
    }

    /// Runs a command in a cluster's control-plane node.
    pub fn node(&self, cluster: &str, command: &[&str]) -> Output {
        let node = format!("{}-{cluster}-control-plane", self.name);
        Command::new("docker").args(["exec", &node]).args(command).output().expect("docker starts")
    }

    /// Runs kubectl in a cluster's node; it must succeed. Gives what it printed.
    pub fn kubectl(&self, cluster: &str, args: &[&str]) -> String {
        let kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
        let output = self.node(cluster, &[&kubectl, args].concat());
        assert!(output.status.success(), "kubectl {args:?} in {cluster}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Applies an object from its JSON, which has no apostrophe.
    pub fn apply(&self, cluster: &str, object: &str) {
        let command = format!("echo '{object}' | kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f -");
        let output = self.node(cluster, &["sh", "-c", &command]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// Replaces the pods of a Deployment and waits until they are gone, not until there are new ones.
    pub fn delete_pods(&self, cluster: &str, namespace: &str, selector: &str) {
        self.kubectl(cluster, &["-n", namespace, "delete", "pod", "-l", selector, "--wait=true"]);
    }

    /// Restarts a Deployment, and waits until the new pods are there and the old ones gone.
    pub fn restart(&self, cluster: &str, namespace: &str, deployment: &str) {
        let deployment = format!("deployment/{deployment}");
        self.kubectl(cluster, &["-n", namespace, "rollout", "restart", &deployment]);
        self.kubectl(cluster, &["-n", namespace, "rollout", "status", &deployment, "--timeout=120s"]);
    }

    /// Addresses of the endpoints that a source's Envoy had.
    pub fn endpoints(&self, cluster: &str) -> Vec<String> {
        let endpoints = source(&self.verdict, cluster)["endpoints"].as_array().expect("endpoints");
        endpoints.iter().filter_map(|e| Some(e["address"].as_str()?.to_owned())).collect()
    }
}
