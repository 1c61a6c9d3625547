//! What pods get only when they start, and what cannot be changed in place: changes of a scenario under a lab that runs.

mod e2e;

use std::collections::BTreeMap;

use e2e::{Own, in_short, lab, text};
use serde_json::Value;

const NAME: &str = "e2e-restart";

/// The lab before any change: helloworld and sleep in two clusters, a workload without a sidecar, and a pod that nothing but the scenario makes.
const BEFORE: &str = "
apps:
  - helloworld
  - sleep
  - manifests:
      name: plain
      clusters: [c1]
      objects:
        - { apiVersion: v1, kind: Namespace, metadata: { name: plain } }
        - apiVersion: apps/v1
          kind: Deployment
          metadata: { name: plain, namespace: plain }
          spec:
            selector: { matchLabels: { app: plain } }
            template:
              metadata: { labels: { app: plain } }
              spec: { terminationGracePeriodSeconds: 0, containers: [{ name: plain, image: sleep, command: [sleep, infinity] }] }
        - apiVersion: v1
          kind: Pod
          metadata: { name: bare, namespace: sample, labels: { app: bare } }
          spec: { terminationGracePeriodSeconds: 0, containers: [{ name: bare, image: sleep, command: [sleep, infinity] }] }
";

/// A service that only one cluster has, and that only a sidecar which answers DNS queries makes known in the other. A Job waits for it.
fn after(tries: u32, job: &str, labels: &str) -> String {
    format!(
        "{BEFORE}  - manifests:
      name: greeter
      clusters: [c2]
      namespace: elsewhere
      objects:
        - {{ apiVersion: v1, kind: Service, metadata: {{ name: greeter }}, spec: {{ selector: {{ app: greeter }}, ports: [{{ name: http, port: 5000 }}] }} }}
        - apiVersion: apps/v1
          kind: Deployment
          metadata: {{ name: greeter }}
          spec:
            selector: {{ matchLabels: {{ app: greeter{labels} }} }}
            template:
              metadata: {{ labels: {{ app: greeter{labels} }} }}
              spec: {{ containers: [{{ name: greeter, image: helloworld, env: [{{ name: SERVICE_VERSION, value: only-in-c2 }}] }}] }}
  - manifests:
      name: work
      clusters: [c1]
      objects:
        - apiVersion: batch/v1
          kind: Job
          metadata: {{ name: seed, namespace: sample }}
          spec:
            backoffLimit: 0
            template:
              metadata: {{ labels: {{ app: seed }} }}
              spec:
                restartPolicy: Never
                containers:
                  - name: seed
                    image: sleep
                    command: [sh, -c, \"for i in $(seq {tries}); do {job} && exit 0; sleep 1; done; exit 7\"]
checks: [rotation, {{ request: {{ service: \"greeter.elsewhere:5000/hello\", from: [c1] }} }}]
"
    )
}

const LOCATED: &str = "{ name: c1, locality: { region: r1, zone: z1 } }";

fn file(name: &str, mesh: &str, rest: &str) -> String {
    file_of(name, mesh, LOCATED, rest)
}

fn file_of(name: &str, mesh: &str, c1: &str, rest: &str) -> String {
    let path = e2e::run_dir().join(format!("{name}.yaml"));
    std::fs::write(&path, format!("name: {NAME}\nmesh: {mesh}\nclusters: [{c1}, c2]\n{rest}")).expect("a scenario");
    path.to_string_lossy().into_owned()
}

/// The pods of a cluster: identity by namespace and the workload that they are of.
fn pods(own: &Own, cluster: &str) -> BTreeMap<String, String> {
    let all: Value = serde_json::from_str(&own.kubectl(cluster, &["get", "pods", "-A", "-o", "json"])).expect("pods");
    let items = all["items"].as_array().expect("a list");
    let running =
        items.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null() && p["status"]["phase"] == "Running");
    let of = |pod: &Value| {
        let metadata = &pod["metadata"];
        let label = ["app", "k8s-app", "component"].iter().find_map(|l| metadata["labels"][*l].as_str()).unwrap_or("-");
        let name = metadata["name"].as_str().unwrap_or_default();
        let name = if label == "-" { name } else { label };
        format!(
            "{}/{name}/{}",
            metadata["namespace"].as_str().unwrap_or_default(),
            metadata["labels"]["component"].as_str().unwrap_or("")
        )
    };
    running.map(|p| (of(p), p["metadata"]["uid"].as_str().unwrap_or_default().to_owned())).collect()
}

/// Which pods that were there before are others now.
fn restarted(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    before.iter().filter(|(pod, uid)| after.get(*pod) != Some(uid)).map(|(pod, _)| pod.clone()).collect()
}

/// What runs pods with sidecars before anything else is added.
fn with_sidecar(cluster: &str) -> Vec<String> {
    let bare = (cluster == "c1").then_some("sample/bare/");
    let of_both = ["sample/helloworld/", "sample/sleep/"];
    ["istio-system/istio-eastwestgateway/"].into_iter().chain(bare).chain(of_both).map(str::to_owned).collect()
}

fn up(file: &str) -> (Value, String) {
    let output = lab(&["up", file, "--output", "json"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let verdict: Value = serde_json::from_slice(&output.stdout).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
    (verdict, said)
}

#[test]
fn changes_reach_the_pods_that_carry_what_was_before_and_no_others() {
    let first = file("restart-1", "{ id: mesh1 }", BEFORE);
    lab(&["down", NAME]);
    let own = Own { name: NAME.to_owned(), verdict: Value::Null, file: first.clone() };
    up(&first);
    let before = ["c1", "c2"].map(|c| pods(&own, c));

    // A setting that a sidecar gets when it starts: those that have one, gateways among them, are restarted, and told.
    let call = "curl -s greeter.elsewhere:5000/hello | grep only-in-c2";
    let second = file("restart-2", "{ dnsCapture: true }", &after(60, call, ""));
    let (_, said) = up(&second);
    for (cluster, before) in ["c1", "c2"].iter().zip(&before) {
        let now = pods(&own, cluster);
        assert_eq!(restarted(before, &now), with_sidecar(cluster), "in {cluster}: {said}");
        assert!(
            said.contains(&format!("{cluster}: restarting Deployment sample/sleep: its sidecar has another")),
            "{said}"
        );
    }
    assert!(said.contains("ISTIO_META_DNS_CAPTURE"), "{said}");
    assert!(said.contains("c1: recreating Pod sample/bare: its sidecar has another"), "{said}");
    // The Job in c1 has called what only c2 has.
    own.kubectl("c1", &["-n", "sample", "wait", "--for=condition=complete", "--timeout=1s", "job/seed"]);

    // Once more: nothing is changed.
    let now = ["c1", "c2"].map(|c| pods(&own, c));
    let (_, said) = up(&second);
    assert!(said.contains("already up, nothing changed"), "{said}");
    assert_eq!(["c1", "c2"].map(|c| pods(&own, c)), now);

    // What cannot be changed in place, a Job's template and a selector, is made anew and told; nothing else is.
    let third = file("restart-3", "{ dnsCapture: true }", &after(90, call, ", tier: one"));
    let (_, said) = up(&third);
    for object in ["Job sample/seed", "Deployment elsewhere/greeter"] {
        assert!(said.lines().any(|l| l.contains("remade") && l.contains(object)), "{object}: {said}");
    }
    assert_eq!(restarted(&now[0], &pods(&own, "c1")), Vec::<String>::new());
    assert_eq!(restarted(&now[1], &pods(&own, "c2")), ["elsewhere/greeter/"]);

    // A Job that fails is no green app, and is told with its reason in a few lines.
    let failing = file("restart-4", "{ dnsCapture: true }", &after(1, "false", ", tier: one"));
    let failed = lab(&["up", &failing]);
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(4), "{said}");
    assert!(said.contains("Job sample/seed has failed") && said.contains("seed ended with exit code 7"), "{said}");
    let end: String = said.lines().skip_while(|l| !l.starts_with("error:")).collect();
    assert!(end.len() < 1500, "{end}");

    // What tells where the nodes are is taken away: sidecars have read it once, and nothing on the node tells that it was there.
    let now = ["c1", "c2"].map(|c| pods(&own, c));
    let last = file_of("restart-5", "{ dnsCapture: true }", "c1", &after(90, call, ", tier: one"));
    let told = text(&lab(&["diff", &last]).stdout);
    assert!(told.contains("restart  c1  Deployment sample/sleep: its node gets another locality"), "{told}");
    let (_, said) = up(&last);
    assert!(said.contains("c1: restarting Deployment sample/sleep: its node has lost its locality"), "{said}");
    assert_eq!(restarted(&now[0], &pods(&own, "c1")), with_sidecar("c1"), "{said}");
    assert_eq!(restarted(&now[1], &pods(&own, "c2")), Vec::<String>::new(), "{said}");
    let (_, said) = up(&last);
    assert!(said.contains("already up, nothing changed"), "{said}");
}
