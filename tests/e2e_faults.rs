//! Faults on real labs: callers see what is broken, it ends by itself also when lab was killed, and a promise that is not kept turns the verdict red.

mod e2e;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{LAB, Own, lab, lab_as_is, lab_ok, run_dir, text, verify_red};
use serde_json::Value;

/// How one fault of a verdict was borne from a cluster.
fn seen<'a>(verdict: &'a Value, fault: usize, from: &str) -> &'a Value {
    let sources = verdict["faults"][fault]["sources"].as_array().unwrap_or_else(|| panic!("no fault: {verdict:#}"));
    sources.iter().find(|s| s["cluster"] == from).unwrap_or_else(|| panic!("no source {from}: {verdict:#}"))
}

/// Who answered, in alphabetical order.
fn answered(source: &Value) -> Vec<&str> {
    source["answers"].as_object().expect("answers").keys().map(String::as_str).collect()
}

/// All that is wrong with the faults of a verdict.
fn wrong(verdict: &Value) -> String {
    let of = |fault: &Value| {
        let sources = fault["sources"].as_array().cloned().unwrap_or_default();
        let all = sources.iter().map(|s| s["problems"].to_string()).chain([fault["problems"].to_string()]);
        all.collect::<Vec<_>>().join(" ")
    };
    verdict["faults"].as_array().map(|all| all.iter().map(of).collect::<Vec<_>>().join("\n")).unwrap_or_default()
}

/// The faults that a lab has, as its status tells.
fn faults(name: &str) -> Vec<Value> {
    let status: Value = serde_json::from_str(&lab_ok(&["status", name, "--output", "json"])).expect("a status");
    status["faults"].as_array().expect("faults").clone()
}

/// Waits until there are so many faults.
fn until(name: &str, count: usize, seconds: u64) {
    let start = Instant::now();
    while faults(name).len() != count {
        assert!(start.elapsed() < Duration::from_secs(seconds), "after {seconds} s there are not {count} faults");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A lab process that runs beside the test.
fn beside(args: &[&str]) -> Child {
    let mut command = Command::new(LAB);
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("lab starts")
}

/// Kills the process that would end the fault of a lab.
fn kill_keeper(name: &str) {
    let words = format!("keep-fault\0{name}\0");
    let is_keeper = |process: &PathBuf| {
        fs::read(process.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&words))
    };
    let processes = fs::read_dir("/proc").expect("processes").filter_map(|entry| Some(entry.ok()?.path()));
    let keepers: Vec<PathBuf> = processes.filter(is_keeper).collect();
    assert_eq!(keepers.len(), 1, "{keepers:?}");
    let pid = keepers[0].file_name().expect("a number").to_string_lossy().into_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill starts").success());
}

/// A scenario that differs from a shipped one.
fn changed(name: &str, change: impl Fn(String) -> String) -> String {
    let shipped = fs::read_to_string(format!("scenarios/{name}.yaml")).expect("the scenario");
    let text = change(shipped.clone());
    assert_ne!(text, shipped, "nothing was changed");
    let file = run_dir().join(format!("{name}-changed.yaml"));
    fs::write(&file, text).expect("writes");
    file.to_string_lossy().into_owned()
}

/// Rules of faults in a node.
fn rules(own: &Own, cluster: &str) -> usize {
    text(&own.node(cluster, &["iptables-save"]).stdout).matches("LAB-FAULT").count()
}

#[test]
fn partition_in_full() {
    let mut own = Own::up("partition");
    let name = own.name.clone();
    assert_eq!(own.verdict["faults"].as_array().map(Vec::len), Some(3), "{:#}", own.verdict);
    for fault in [0, 1] {
        for cluster in ["c1", "c2"] {
            let source = seen(&own.verdict, fault, cluster);
            assert!(source["back"].as_f64().is_some_and(|s| s < 60.0), "{source:#}");
        }
    }
    assert_eq!(answered(seen(&own.verdict, 2, "c2")), ["c1", "c2"], "one way only");
    assert_eq!((rules(&own, "c1"), rules(&own, "c2")), (0, 0));

    // By hand: named beside a red verdict, and ended.
    lab_ok(&["fault", &name, "gateway", "c2", "--for", "300s"]);
    assert_eq!(faults(&name)[0]["kind"], "gateway");
    let again = lab(&["fault", &name, "gateway", "c2"]);
    assert_eq!(again.status.code(), Some(3), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("is hit by a fault already"), "{}", text(&again.stderr));
    own.red("the east-west gateway of c2 is gone");
    let healed = lab(&["heal", &name, "istiod"]);
    assert!(text(&healed.stderr).contains("has no fault of kind istiod"), "{}", text(&healed.stderr));
    let healed = lab(&["heal", &name]);
    assert!(text(&healed.stderr).contains("healed: the east-west gateway of c2 is gone"), "{}", text(&healed.stderr));
    assert_eq!(faults(&name).len(), 0);

    // Whoever has begun it is killed: it ends all the same.
    let mut child = beside(&["fault", &name, "partition", "c1", "c2", "--for", "15s", "--measure"]);
    until(&name, 1, 90);
    assert!(rules(&own, "c1") > 0 && rules(&own, "c2") > 0);
    child.kill().expect("is killed");
    let _ = child.wait();
    until(&name, 0, 60);
    assert_eq!((rules(&own, "c1"), rules(&own, "c2")), (0, 0));

    // Its keeper is killed too: that is told, and `heal` ends it.
    lab_ok(&["fault", &name, "dns", "c1", "--for", "5s"]);
    kill_keeper(&name);
    std::thread::sleep(Duration::from_secs(6));
    let status = lab_ok(&["status", &name]);
    assert!(status.contains("its time is over, and it is still there"), "{status}");
    lab_ok(&["heal", &name]);
    own.kubectl("c1", &["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"]);

    // `up` ends what is there before it looks.
    lab_ok(&["fault", &name, "partition", "c1", "--for", "300s"]);
    let up = lab_as_is(&["up", &name, "--no-verify"]);
    assert!(text(&up.stderr).contains("healed: the network between c1 and all others is cut"), "{}", text(&up.stderr));
    assert_eq!(rules(&own, "c2"), 0);

    // A cluster that cannot serve itself.
    let file = changed("partition", |text| text.replace("faults:\n", "checks: []\nfaults:\n"));
    lab_ok(&["up", &file, "--no-verify"]);
    own.kubectl("c1", &["-n", "sample", "scale", "deployment/helloworld-v1", "--replicas=0"]);
    own.kubectl("c1", &["-n", "sample", "wait", "pod", "-l", "version=v1", "--for=delete", "--timeout=60s"]);
    let verdict = verify_red(&name);
    assert!(wrong(&verdict).contains("nobody answered c1"), "{}", wrong(&verdict));
    own.mend();
}

#[test]
fn gateway_loss_in_full() {
    let mut own = Own::up("gateway-loss");
    assert_eq!(answered(seen(&own.verdict, 0, "c2")), ["c1", "c2"], "it loses its network only");
    assert_eq!(seen(&own.verdict, 0, "c2")["lost"], 0);
    // Callers that neither leave it out nor try again lose what goes there.
    let no_retries = r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService",
        "metadata":{"name":"no-retries","namespace":"sample"},
        "spec":{"hosts":["helloworld.sample.svc.cluster.local"],"http":[{"retries":{"attempts":0},
        "route":[{"destination":{"host":"helloworld.sample.svc.cluster.local"}}]}]}}"#;
    for cluster in ["c1", "c2"] {
        own.kubectl(cluster, &["-n", "sample", "delete", "destinationrule", "helloworld"]);
        own.apply(cluster, no_retries);
    }
    let verdict = verify_red(&own.name);
    assert!(wrong(&verdict).contains("requests from c1 were lost, and 5% may be"), "{}", wrong(&verdict));
    for cluster in ["c1", "c2"] {
        own.kubectl(cluster, &["-n", "sample", "delete", "virtualservice", "no-retries"]);
    }
    own.mend();
}

/// Who comes from outside loses everything at the ingress gateway that is gone, and nothing at another; who calls inside the mesh notices nothing.
#[test]
fn ingress_loss_in_full() {
    let fault = "gateway: { cluster: c1, gateway: ingress, for: 10s, expect: { lost: 0 } }";
    let scenario = format!(
        "mesh: {{ ingressGateway: true }}\nclusters: [c1, c2]\napps: [helloworld, sleep]\nchecks: [rotation, {{ rotation: {{ through: ingress }} }}]\n\
         faults:\n  - {fault}\n"
    );
    let own = Own::of("ingress-loss", &scenario);
    let from_outside = |cluster: &str| {
        let sources = own.verdict["faults"][0]["sources"].as_array().expect("sources");
        let found = sources.iter().find(|s| s["cluster"] == cluster && s["isOutside"] == true);
        found.unwrap_or_else(|| panic!("nobody called from outside: {sources:#?}"))
    };
    let there = from_outside("c1");
    assert!(there["lost"].as_u64() > Some(3) && there["failover"].is_null(), "{there:#}");
    assert!(there["back"].is_number(), "{there:#}");
    assert_eq!(from_outside("c2")["lost"], 0, "another gateway is not concerned");
    assert_eq!((&seen(&own.verdict, 0, "c1")["lost"], &seen(&own.verdict, 0, "c2")["lost"]), (&0.into(), &0.into()));
    // Another gateway that is gone as well, which the fault does not explain.
    let child =
        beside(&["fault", &own.name, "gateway", "c1", "--ingress", "--for", "15s", "--measure", "--output", "json"]);
    until(&own.name, 1, 90);
    std::thread::sleep(Duration::from_secs(2));
    own.kubectl("c2", &["-n", "istio-system", "scale", "deployment/istio-ingressgateway", "--replicas=0"]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let said = text(&output.stdout);
    assert!(said.contains("requests from outside at c2 were lost"), "{said}");
}

#[test]
fn cluster_loss_in_full() {
    let own = Own::up("cluster-loss");
    let source = seen(&own.verdict, 0, "c1");
    assert!(source["back"].as_f64().is_some_and(|s| s > 5.0), "a cluster takes its time to start: {source:#}");
    let file = changed("cluster-loss", |text| text.replace("backWithin: 150s", "backWithin: 5s"));
    let output = lab(&["up", &file, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
    assert!(wrong(&verdict).contains("after its end, and 5 s are allowed"), "{}", wrong(&verdict));
}

#[test]
fn control_plane_loss_in_full() {
    let mut own = Own::up("control-plane-loss");
    for fault in 0..4 {
        for cluster in ["c1", "c2"] {
            assert_eq!(seen(&own.verdict, fault, cluster)["lost"], 0);
        }
    }
    // A callee that goes while nobody can tell its callers.
    let child = beside(&["fault", &own.name, "istiod", "c1", "--for", "20s", "--measure", "--output", "json"]);
    until(&own.name, 1, 90);
    std::thread::sleep(Duration::from_secs(2));
    own.kubectl("c1", &["-n", "sample", "scale", "deployment/helloworld-v1", "--replicas=0"]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let said = text(&output.stdout);
    assert!(said.contains("were lost, although istiod of c1 is gone, which none of them needs"), "{said}");
    own.mend();
}

#[test]
fn slow_network_in_full() {
    let mut own = Own::up("slow-network");
    // What a kernel without netem cannot do is refused before anything is touched; where it can, it is done.
    let late = lab(&["fault", &own.name, "network", "c1", "c2", "--latency", "50", "--for", "10s"]);
    if late.status.success() {
        lab_ok(&["heal", &own.name]);
    } else {
        assert_eq!(late.status.code(), Some(3), "{}", text(&late.stderr));
        assert!(text(&late.stderr).contains("the kernel has no netem"), "{}", text(&late.stderr));
    }
    assert_eq!(faults(&own.name).len(), 0);
    let file =
        changed("slow-network", |text| text.replace("loss: 10%, expect: { lost: 20%", "loss: 70%, expect: { lost: 1%"));
    let output = lab(&["up", &file, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
    assert!(wrong(&verdict).contains("were lost, and 1% may be"), "{}", wrong(&verdict));
    own.mend();
}
