//! A mesh of lab's own in clusters that it did not make: two kind clusters made by hand, with workloads of others, and an engineer who has kubeconfigs and no
//! Docker. One cluster has a load balancer of its own, the other gets MetalLB by lab.

mod e2e;

#[path = "e2e/objects.rs"]
mod objects;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2e::{LAB, assert_cause, in_short, lab_ok, run_dir, text};
use objects::{changed, objects};
use serde_json::Value;

/// Names of the kind clusters.
const MADE: [&str; 2] = ["byhand1", "byhand2"];

/// Two kind clusters that were made by hand, until this is dropped.
struct ByHand {
    home: PathBuf,
    kind: String,
    ends: Arc<AtomicBool>,
}

/// The local name of a part of the stack.
fn part(list: &Value, name: &str) -> String {
    let all = list.as_array().or_else(|| list["images"].as_array()).expect("a list");
    let named = all.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"));
    named["local"].as_str().unwrap_or_else(|| panic!("{name} is not on this machine: {named:#}")).to_owned()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    output
}

/// kubectl in the node of a cluster.
fn kubectl_of(cluster: &str, args: &[&str]) -> Output {
    let node = format!("{cluster}-control-plane");
    let kubectl = ["exec", &node, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
    Command::new("docker").args(kubectl).args(args).output().expect("docker starts")
}

fn kubectl(at: usize, args: &[&str]) -> String {
    let output = kubectl_of(MADE[at], args);
    assert!(output.status.success(), "kubectl {args:?} in {}: {}", MADE[at], text(&output.stderr));
    text(&output.stdout)
}

impl ByHand {
    fn make() -> Self {
        let list: Value = serde_json::from_str(&lab_ok(&["images", "list", "--output", "json"])).expect("JSON");
        let (kind, image) = (part(&list, "kind"), part(&list, "node with images (packages)"));
        let home = run_dir().join("byhand");
        std::fs::create_dir_all(&home).expect("a directory");
        let made = Self { home, kind, ends: Arc::default() };
        for (at, name) in MADE.iter().enumerate() {
            // kind gives up on a machine that is busy; what it could not make it takes away.
            assert!((0..3).any(|_| made.create(at, name, &image)), "kind could not make a cluster");
        }
        for at in [0, 1] {
            kubectl(at, &["create", "namespace", "shop"]);
            kubectl(at, &["-n", "shop", "create", "deployment", "web", "--image=lab.internal/apps/helloworld:1.0"]);
            kubectl(at, &["-n", "shop", "create", "configmap", "settings", "--from-literal=colour=blue"]);
        }
        made.give_addresses();
        made
    }

    fn create(&self, at: usize, name: &str, image: &str) -> bool {
        let config = self.home.join(format!("{name}.yaml"));
        let said = format!(
            "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnetworking: {{ podSubnet: 10.13{at}.0.0/16, serviceSubnet: 10.14{at}.0.0/16 }}\nkubeadmConfigPatches: ['{{\"kind\":\"KubeletConfiguration\",\"failCgroupV1\":false}}']\n"
        );
        std::fs::write(&config, said).expect("a file");
        let mut command = Command::new(&self.kind);
        command.args(["create", "cluster", "-q", "--name", name, "--image", image, "--config"]).arg(&config);
        command.arg("--kubeconfig").arg(self.home.join(format!("{name}.kubeconfig")));
        let output = command.output().expect("kind starts");
        eprintln!("kind create cluster {name}: {}\n{}", output.status, e2e::text(&output.stderr));
        output.status.success()
    }

    /// The load balancer of the first cluster: it gives its node's address to each Service that waits for one.
    fn give_addresses(&self) {
        let ends = Arc::clone(&self.ends);
        let node = format!("{}-control-plane", MADE[0]);
        let format = "{{.NetworkSettings.Networks.kind.IPAddress}}";
        let address = text(&run(Command::new("docker").args(["inspect", "-f", format, &node])).stdout);
        let status = format!(r#"{{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{}"}}]}}}}}}"#, address.trim());
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let waiting = r#"{range .items[?(@.spec.type=="LoadBalancer")]}{.metadata.namespace}/{.metadata.name}/{.status.loadBalancer.ingress[0].ip}{"\n"}{end}"#;
                let listed = kubectl_of(MADE[0], &["get", "services", "-A", "-o", &format!("jsonpath={waiting}")]);
                for line in text(&listed.stdout).lines() {
                    if let [namespace, name, ""] = line.split('/').collect::<Vec<_>>()[..] {
                        let patch = ["-n", namespace, "patch", "service", name, "--subresource=status", "-p", &status];
                        kubectl_of(MADE[0], &patch);
                    }
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        });
    }

    /// A scenario over both, the second one by another context if one is given.
    fn scenario(&self, name: &str, second: (&str, &str)) -> String {
        let subnet = text(
            &run(Command::new("docker").args([
                "network",
                "inspect",
                "kind",
                "-f",
                "{{range .IPAM.Config}}{{.Subnet}} {{end}}",
            ]))
            .stdout,
        );
        let subnet = subnet.split_whitespace().find(|s| s.contains('.')).expect("an IPv4 subnet").to_owned();
        let start: Vec<&str> = subnet.split('.').take(2).collect();
        let pool = format!("{0}.255.200-{0}.255.209", start.join("."));
        let (file, context) = second;
        let text = format!(
            "name: ours\nclusters:\n  - {{ name: c1, existing: {{ kubeconfig: {0}.kubeconfig, context: kind-{0}, server: 'https://{0}-control-plane:6443' }} }}\n  - {{ name: c2, existing: {{ kubeconfig: {file}, context: {context}, server: 'https://{1}-control-plane:6443' }}, loadBalancer: {{ pool: {pool} }} }}\n",
            MADE[0], MADE[1]
        );
        std::fs::write(self.home.join(name), text).expect("a file");
        name.to_owned()
    }

    fn lab(&self, args: &[&str]) -> Output {
        let start = Instant::now();
        let mut command = Command::new(LAB);
        command.args(args).current_dir(&self.home).env_remove("CI").env_remove("KUBECONFIG").stdin(Stdio::null());
        // Tools are where they were built; the state is the engineer's own, and nothing of this needs an engine.
        command.env("XDG_STATE_HOME", self.home.join("state")).env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        let output = command.output().expect("lab starts");
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("engineer$ lab {} ({seconds:.1} s, {})\n{}", args.join(" "), output.status, text(&output.stderr));
        output
    }

    /// It must end with this code, and say all these words.
    fn ends(&self, args: &[&str], code: i32, words: &[&str]) -> String {
        let output = self.lab(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}\n{}", text(&output.stdout));
        for word in words {
            assert!(said.contains(word) || said.replace("\n ", " ").contains(word), "{word} is not in: {said}");
        }
        text(&output.stdout)
    }

    /// A verdict, which must be green or not.
    fn verdict(&self, args: &[&str], is_green: bool) -> Value {
        let output = self.lab(&[args, &["--output", "json"]].concat());
        let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
        assert_eq!(verdict["passed"], is_green, "{}", in_short(&verdict));
        verdict
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = Command::new(&self.kind).args(["delete", "clusters"]).args(MADE).output();
    }
}

/// All objects of both clusters.
fn all() -> [BTreeMap<String, String>; 2] {
    [0, 1].map(|at| objects(|args| kubectl(at, args)))
}

/// Nothing in both clusters is other than it was.
fn unchanged(before: &[BTreeMap<String, String>; 2]) {
    for (at, (before, now)) in before.iter().zip(all()).enumerate() {
        let changed = changed(before, &now);
        assert!(changed.is_empty(), "changed in {}: {changed:?}", MADE[at]);
        eprintln!("{}: {} objects, none of them changed", MADE[at], now.len());
    }
}

#[test]
fn a_mesh_of_labs_own_comes_and_goes_and_nothing_of_others_changes_in_full() {
    let made = ByHand::make();
    let ours = made.scenario("ours.yaml", (&format!("{}.kubeconfig", MADE[1]), &format!("kind-{}", MADE[1])));
    for at in [0, 1] {
        kubectl(at, &["-n", "shop", "rollout", "status", "deployment/web", "--timeout=120s"]);
        kubectl(at, &["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"]);
    }
    let before = all();
    refusals(&made, &ours);
    unchanged(&before);

    let verdict = made.verdict(&["up", &ours, "--yes"], true);
    for cluster in ["c1", "c2"] {
        let versions = &e2e::source(&verdict, cluster)["versions"];
        assert!(versions["v1"].as_u64() > Some(0) && versions["v2"].as_u64() > Some(0), "{versions:#}");
    }
    // What was known after `up` is known, and a second one finds nothing to do.
    made.ends(&["up", "ours"], 0, &["already up, nothing changed"]);
    made.ends(&["diff", &ours], 0, &["would change nothing"]);
    assert!(made.ends(&["plan", &ours], 0, &[]).contains("east-west gateway 172."));
    for at in [0, 1] {
        // What others run has no sidecar, and was not restarted.
        let pods = kubectl(at, &["-n", "shop", "get", "pods", "-o", "jsonpath={.items[*].spec.containers[*].name}"]);
        assert_eq!(pods, "helloworld");
    }

    // A context that leads elsewhere by now is no cluster of this lab.
    let text = std::fs::read_to_string(made.home.join(&ours)).expect("a scenario");
    let swapped = text.replace(MADE[0], "first").replace(MADE[1], MADE[0]).replace("first", MADE[1]);
    std::fs::write(made.home.join("swapped.yaml"), swapped).expect("a file");
    made.ends(&["up", "swapped.yaml"], 3, &["leads to another cluster than the one that is c1 of lab ours"]);

    kubectl(0, &["-n", "istio-system", "delete", "secret", "istio-remote-secret-c2"]);
    let red = made.verdict(&["verify", "ours"], false);
    assert_cause(&red, "istiod of c1 does not watch c2: it has no remote secret for it");
    made.verdict(&["up", &ours], true);

    for verb in [&["pause", "ours"][..], &["load", "ours", "a"], &["snapshot", "ours", "a"], &["eject", &ours, "x"]] {
        made.ends(verb, 2, &["lab did not make the clusters"]);
    }
    // Something of somebody else's in a namespace of lab's keeps that.
    kubectl(1, &["-n", "sample", "create", "configmap", "theirs", "--from-literal=a=b"]);
    made.ends(&["down", "ours"], 0, &["Namespace sample stays in c2", "ConfigMap sample/theirs", "the clusters stay"]);
    let labels = kubectl(1, &["get", "namespace", "sample", "-o", "jsonpath={.metadata.labels}"]);
    assert!(!labels.contains("lab") && !labels.contains("istio"), "{labels}");
    kubectl(1, &["delete", "namespace", "sample"]);
    unchanged(&before);
    made.ends(&["verify", "ours"], 2, &["no lab named ours"]);
    adopted(&made, &ours);
}

/// What is taken over is given back.
fn adopted(made: &ByHand, ours: &str) {
    kubectl(0, &["create", "namespace", "istio-system"]);
    kubectl(0, &["label", "namespace", "istio-system", "team=theirs"]);
    kubectl(0, &["-n", "istio-system", "create", "configmap", "istio", "--from-literal=mesh=theirs"]);
    let before = all();
    let difference = made.ends(&["diff", ours], 5, &[]);
    assert!(
        difference.contains("ConfigMap istio-system/istio") && difference.contains("kubectl-create"),
        "{difference}"
    );
    made.verdict(&["up", ours, "--yes", "--adopt"], true);
    made.ends(&["down", "ours"], 0, &["the clusters stay"]);
    unchanged(&before);
}

/// What is not lab's is refused with its owner, rights are asked for, and who is not meant is asked.
fn refusals(made: &ByHand, ours: &str) {
    made.ends(&["up", ours], 2, &["namespaces of others: shop", "--yes"]);

    kubectl(0, &["create", "namespace", "istio-system"]);
    kubectl(0, &["-n", "istio-system", "create", "configmap", "istio", "--from-literal=mesh=theirs"]);
    let words = ["ConfigMap istio-system/istio: field managers: kubectl-create", "exists and is not lab's", "--adopt"];
    made.ends(&["up", ours, "--yes"], 2, &words);
    kubectl(0, &["delete", "namespace", "istio-system"]);

    let mut config: Value = serde_yaml::from_str(
        &std::fs::read_to_string(made.home.join(format!("{}.kubeconfig", MADE[1]))).expect("a kubeconfig"),
    )
    .expect("YAML");
    kubectl(1, &["-n", "shop", "create", "serviceaccount", "nobody"]);
    let token = kubectl(1, &["-n", "shop", "create", "token", "nobody"]);
    config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
    std::fs::write(made.home.join("nobody.kubeconfig"), config.to_string()).expect("a file");
    let context = format!("kind-{}", MADE[1]);
    let nobody = made.scenario("nobody.yaml", ("nobody.kubeconfig", &context));
    let role = made.ends(&["up", &nobody, "--yes"], 3, &["lacks rights in c2"]);
    for word in ["kind: ClusterRole", "name: lab-ours", "resources: [configmaps, namespaces, ", "pods/exec", "escalate"]
    {
        assert!(role.contains(word), "{word} is not in: {role}");
    }
    kubectl(1, &["-n", "shop", "delete", "serviceaccount", "nobody"]);

    // An address that only this machine reaches is no use to the other cluster.
    let text = std::fs::read_to_string(made.home.join(ours)).expect("a scenario");
    let server = format!(", server: 'https://{}-control-plane:6443'", MADE[1]);
    std::fs::write(made.home.join("loopback.yaml"), text.replace(&server, "")).expect("a file");
    let remedy = format!("https://{}-control-plane:6443", MADE[1]);
    made.ends(&["up", "loopback.yaml", "--yes"], 3, &["where pods of other clusters do not reach it", &remedy]);
}
