//! Meshes that lab did not make: found by contexts of a kubeconfig, judged, explained, and left as they were.
//!
//! One lab is built beforehand. Another user, with a state directory of his own and without a Docker engine, knows nothing of it but a kubeconfig.

mod e2e;

#[path = "e2e/objects.rs"]
mod objects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use e2e::{LAB, Own, assert_cause, in_short, text};
use serde_json::Value;

/// The engineer who has a kubeconfig, and nothing else.
struct Engineer {
    /// Where his state and his files are.
    home: PathBuf,
}

impl Engineer {
    fn new() -> Self {
        let home = e2e::run_dir().join("engineer");
        std::fs::create_dir_all(&home).expect("a directory");
        Self { home }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(LAB);
        command.args(args).current_dir(&self.home).env_remove("CI").env_remove("KUBECONFIG").env("HOME", &self.home);
        command.env("XDG_STATE_HOME", self.home.join("state"));
        // Nothing of this needs an engine.
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        command
    }

    fn lab(&self, args: &[&str]) -> Output {
        let start = Instant::now();
        let output = self.command(args).output().expect("lab starts");
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("engineer$ lab {} ({seconds:.1} s, {})\n{}", args.join(" "), output.status, text(&output.stderr));
        output
    }

    /// What it prints; it must end well.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.lab(args);
        assert!(output.status.success(), "lab {args:?}: {}\n{}", text(&output.stderr), text(&output.stdout));
        text(&output.stdout)
    }

    /// What it says; it must end with this code, and what it says must have all these words and a remedy.
    fn refused(&self, args: &[&str], code: i32, words: &[&str]) {
        let output = self.lab(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        for word in words {
            assert!(said.replace("\n ", " ").contains(word) || said.contains(word), "{word} is not in: {said}");
        }
        assert!(said.contains("hint: "), "no remedy: {said}");
    }

    /// A verdict, and whether it is green.
    fn verdict(&self, args: &[&str]) -> Value {
        let output = self.lab(&[&["verify", "found", "--output", "json"], args].concat());
        let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
        assert_eq!(output.status.code(), Some(i32::from(verdict["passed"] != true)), "{verdict:#}");
        verdict
    }

    /// A verdict that must be red, within a time, for this cause.
    fn red(&self, words: &str) {
        let verdict = self.verdict(&[]);
        assert_eq!(verdict["passed"], false, "{verdict:#}");
        eprintln!("{}", in_short(&verdict));
        assert_cause(&verdict, words);
    }

    /// Where the explanation of a call of helloworld from c1 to c2 ends.
    fn explained(&self) -> Value {
        let call = ["explain", "found", "c1", "c2", "--service", "helloworld.sample:5000/hello", "--output", "json"];
        let output = self.lab(&call);
        let explanation: Value = serde_json::from_slice(&output.stdout).expect("an explanation");
        eprintln!("{explanation:#}");
        explanation["hops"].as_array().and_then(|hops| hops.last()).expect("hops").clone()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.home.join(name);
        std::fs::write(&path, content).expect("a file");
        path.display().to_string()
    }
}

/// Every object of a cluster.
fn objects(own: &Own, cluster: &str) -> BTreeMap<String, String> {
    objects::objects(|args| own.kubectl(cluster, args))
}

/// Nothing of the clusters is other than it was.
fn unchanged(own: &Own, before: &[BTreeMap<String, String>]) {
    for (cluster, before) in ["c1", "c2"].into_iter().zip(before) {
        let now = objects(own, cluster);
        let changed = objects::changed(before, &now);
        assert!(changed.is_empty(), "changed in {cluster}: {changed:?}");
        eprintln!("{cluster}: {} objects, none of them changed", now.len());
    }
}

#[test]
fn judges_a_mesh_that_it_did_not_make_in_full() {
    let mut own = Own::of("beforehand", "clusters: [c1, c2]\n");
    let engineer = Engineer::new();
    let kubeconfig = engineer.file("config", &e2e::lab_ok(&["kubeconfig", "beforehand"]));
    let before = ["c1", "c2"].map(|cluster| objects(&own, cluster));

    bad_input(&own, &engineer, &kubeconfig);
    let both = ["--context", "lab-beforehand-c1", "--context", "lab-beforehand-c2", "--kubeconfig", &kubeconfig];
    let scenario = engineer.ok(&[&["inspect"], &both[..]].concat());
    eprintln!("{scenario}");
    for word in [
        "topology: multi-primary",
        "network: network-c1",
        "eastWestGateway: { service: istio-system/istio-eastwestgateway, address:",
        "istiod of c1 watches c2",
        "root certificate",
    ] {
        assert!(scenario.contains(word), "{word} is not in {scenario}");
    }
    engineer.file("found.yaml", &scenario);
    engineer.refused(&["up", "found.yaml"], 2, &["somebody else installed it"]);
    engineer.ok(&["attach", "found.yaml"]);
    looked_at(&engineer);
    unchanged(&own, &before);

    let verdict = engineer.verdict(&["--probes"]);
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
    for cluster in ["c1", "c2"] {
        let source = e2e::source(&verdict, cluster);
        assert_eq!(source["caller"], "lab-probes/sleep");
        assert!(
            source["versions"]["c1"].as_u64() > Some(0) && source["versions"]["c2"].as_u64() > Some(0),
            "{source:#}"
        );
    }
    interrupted(&own, &engineer);
    // Namespaces are as they were, with all that others run in them.
    unchanged(&own, &before);
    broken(&mut own, &engineer);
    engineer.ok(&["down", "found"]);
    engineer.refused(&["verify", "found"], 2, &["no lab named found"]);
}

/// What only looks.
fn looked_at(engineer: &Engineer) {
    let green = engineer.verdict(&[]);
    assert_eq!(green["passed"], true, "{}", in_short(&green));
    assert_eq!(green["links"].as_array().map(Vec::len), Some(2));
    let last = engineer.explained();
    assert_eq!((last["name"].as_str(), last["finding"].is_null()), (Some("answer"), true), "{last:#}");
    let status: Value = serde_json::from_str(&engineer.ok(&["status", "found", "--output", "json"])).expect("JSON");
    assert_eq!(status["clusters"][1]["apiServer"], "ready", "{status:#}");
    assert_eq!(status["clusters"][0]["remoteClusters"][0]["sync"], "synced", "{status:#}");
    assert!(engineer.ok(&["graph", "found", "--format", "mermaid"]).contains("network-c2"));
    assert!(engineer.ok(&["report", "found"]).contains("found"));
    engineer.ok(&["dump", "found", "--output", "dump.tar.gz"]);
    assert!(engineer.ok(&["kubeconfig", "found"]).contains("lab-found-c2"));
    assert!(engineer.ok(&["list"]).contains("found"));
    for verb in [&["restart", "found", "c1"][..], &["pause", "found"], &["up", "found"], &["diff", "found.yaml"]] {
        engineer.refused(verb, 2, &["somebody else installed it"]);
    }
}

/// What nobody can look at says so, in time, and what to do.
fn bad_input(own: &Own, engineer: &Engineer, kubeconfig: &str) {
    let inspect = |file: &str, contexts: &[&str], code: i32, words: &[&str]| {
        let contexts = contexts.iter().flat_map(|context| ["--context", *context]);
        let args: Vec<&str> = ["inspect", "--kubeconfig", file].into_iter().chain(contexts).collect();
        let start = Instant::now();
        engineer.refused(&args, code, words);
        assert!(start.elapsed() < Duration::from_secs(30), "it took {} s", start.elapsed().as_secs());
    };
    inspect(kubeconfig, &[], 2, &["no context is named", "lab-beforehand-c1"]);
    inspect(kubeconfig, &["nosuch"], 2, &["has no context nosuch", "lab-beforehand-c1"]);
    inspect("nosuch", &["a"], 2, &["cannot read the kubeconfig", "it is not there"]);
    inspect(&engineer.file("bad", "a: ["), &["a"], 2, &["it is no YAML of a kubeconfig"]);
    let mut config: Value = serde_yaml::from_str(&std::fs::read_to_string(kubeconfig).expect("a file")).expect("YAML");
    let alias = |config: &mut Value, name: &str, cluster: &str, user: &str| {
        let context = serde_json::json!({ "name": name, "context": { "cluster": cluster, "user": user } });
        config["contexts"].as_array_mut().expect("contexts").push(context);
    };
    let (cluster, user) = ("lab-beforehand-c1", "lab-beforehand-c1");
    alias(&mut config, "again", cluster, user);
    alias(&mut config, "stranger", cluster, "nobody");
    alias(&mut config, "away", "gone", user);
    alias(&mut config, "silent", "blackhole", user);
    // It takes connections, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("https://{}", listener.local_addr().expect("an address"));
    let token = own.kubectl("c1", &["-n", "default", "create", "token", "default"]);
    let nobody = serde_json::json!({ "name": "nobody", "user": { "token": token.trim() } });
    config["users"].as_array_mut().expect("users").push(nobody);
    for (name, server) in [("gone", "https://127.0.0.1:1"), ("blackhole", silent.as_str())] {
        let cluster = serde_json::json!({ "name": name, "cluster": { "server": server } });
        config["clusters"].as_array_mut().expect("clusters").push(cluster);
    }
    let config = engineer.file("more", &config.to_string());
    inspect(&config, &[cluster, "again"], 2, &["lead to the same cluster"]);
    inspect(&config, &["stranger"], 3, &["stranger", "may not look", "lab-reader"]);
    inspect(&config, &[cluster, "away"], 3, &["away", "cannot be reached"]);
    inspect(&config, &["silent"], 3, &["silent", "did not answer within 10 s"]);
    drop(listener);
}

/// Probes go, also when lab is interrupted while they are there.
fn interrupted(own: &Own, engineer: &Engineer) {
    let has_probes = || {
        let named = own.kubectl("c1", &["get", "namespaces", "-o", "name"]);
        named.contains("namespace/lab-probes")
    };
    assert!(!has_probes());
    let mut verify = engineer.command(&["verify", "found", "--probes"]).stderr(Stdio::piped()).spawn().expect("starts");
    let until = |wanted: bool| {
        let start = Instant::now();
        while has_probes() != wanted {
            assert!(start.elapsed() < Duration::from_secs(120), "namespace lab-probes: still {}", !wanted);
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    until(true);
    let pid = verify.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill starts").success());
    assert_eq!(verify.wait().expect("an end").code(), Some(130));
    until(false);
    // A namespace of that name that lab did not make stays.
    own.kubectl("c2", &["create", "namespace", "lab-probes"]);
    engineer.refused(&["verify", "found", "--probes"], 3, &["lab-probes that lab found did not make"]);
    own.kubectl("c2", &["delete", "namespace", "lab-probes"]);
}

/// What breaks the mesh is named, by verify and by explain; mended it is green.
fn broken(own: &mut Own, engineer: &Engineer) {
    own.kubectl("c1", &["-n", "istio-system", "delete", "secret", "istio-remote-secret-c2"]);
    engineer.red("istiod of c1 does not watch c2: it has no remote secret for it");
    let last = engineer.explained();
    assert_eq!(last["name"], "remote secret", "{last:#}");
    assert!(
        last["finding"]["remedy"].as_str().is_some_and(|r| r.contains("istioctl create-remote-secret")),
        "{last:#}"
    );
    own.mend();
    assert_eq!(engineer.verdict(&[])["passed"], true);

    let label = "topology.istio.io/network=elsewhere";
    own.kubectl("c2", &["label", "--overwrite", "namespace", "istio-system", label]);
    engineer.red("istiod does not know that c2 is on network network-c2");
    own.mend();

    own.kubectl("c2", &["-n", "istio-system", "scale", "deployment/istio-eastwestgateway", "--replicas=0"]);
    own.kubectl(
        "c2",
        &["-n", "istio-system", "wait", "pods", "-l", "istio=eastwestgateway", "--for=delete", "--timeout=60s"],
    );
    engineer.red("the east-west gateway of c2 does not run");
    own.mend();

    own.kubectl("c2", &["-n", "istio-system", "delete", "gateways.networking.istio.io", "--all"]);
    engineer.red("the east-west gateway of c2 has no listener for what comes to it");
    own.mend();
    assert_eq!(engineer.verdict(&[])["passed"], true);
}

/// A cluster without Istio is refused, with what to do.
#[test]
fn a_cluster_without_istio_is_no_mesh_in_full() {
    let _own = Own::of("bare", "mesh: none\nclusters: [c1]\n");
    let engineer = Engineer::new();
    let kubeconfig = engineer.file("bare", &e2e::lab_ok(&["kubeconfig", "bare"]));
    assert!(Path::new(&kubeconfig).is_absolute());
    engineer.refused(
        &["inspect", "--context", "lab-bare-c1", "--kubeconfig", &kubeconfig],
        3,
        &["the cluster has no Istio"],
    );
}
