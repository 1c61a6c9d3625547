//! What a node does for its pods, whatever it was built from: a small lab without a mesh, of two nodes, and the judgement of it.

use std::fs;

use serde_json::Value;

use crate::e2e::{Own, in_short, lab_ok, run_dir, text};

const NAME: &str = "node";

/// `closed` takes connections from `friend` only, and `locked-in` begins none; `stranger` is on the other node than `closed`.
const SCENARIO: &str = r"
name: node
clusters: [{ name: c1, nodes: { workers: 1 } }]
mesh: none
apps:
  - manifests:
      name: node
      objects:
        - { apiVersion: v1, kind: Namespace, metadata: { name: node } }
        - apiVersion: v1
          kind: Pod
          metadata: { name: open, namespace: node, labels: { app: open } }
          spec:
            containers: [{ name: open, image: helloworld, ports: [{ containerPort: 5000, hostPort: 5080 }] }]
        - apiVersion: v1
          kind: Pod
          metadata: { name: closed, namespace: node, labels: { app: closed } }
          spec:
            nodeName: node-c1-worker
            containers:
              - { name: closed, image: helloworld, readinessProbe: { httpGet: { path: /health, port: 5000 } } }
        - apiVersion: v1
          kind: Service
          metadata: { name: closed, namespace: node }
          spec: { selector: { app: closed }, ports: [{ port: 80, targetPort: 5000 }] }
        - apiVersion: v1
          kind: Pod
          metadata: { name: friend, namespace: node, labels: { app: friend } }
          spec: { containers: [{ name: sleep, image: sleep }] }
        - apiVersion: v1
          kind: Pod
          metadata: { name: locked-in, namespace: node, labels: { app: locked-in } }
          spec: { containers: [{ name: sleep, image: sleep }] }
        - apiVersion: v1
          kind: Pod
          metadata: { name: stranger, namespace: node, labels: { app: stranger } }
          spec:
            nodeName: node-c1-control-plane
            containers: [{ name: sleep, image: sleep }]
        - apiVersion: networking.k8s.io/v1
          kind: NetworkPolicy
          metadata: { name: closed, namespace: node }
          spec:
            podSelector: { matchLabels: { app: closed } }
            policyTypes: [Ingress]
            ingress: [{ from: [{ podSelector: { matchLabels: { app: friend } } }], ports: [{ port: 5000 }] }]
        - apiVersion: networking.k8s.io/v1
          kind: NetworkPolicy
          metadata: { name: locked-in, namespace: node }
          spec: { podSelector: { matchLabels: { app: locked-in } }, policyTypes: [Egress] }
        - apiVersion: v1
          kind: PersistentVolumeClaim
          metadata: { name: data, namespace: node }
          spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Mi } } }
        - apiVersion: v1
          kind: Pod
          metadata: { name: writer, namespace: node }
          spec:
            securityContext: { runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true, fsGroup: 2000 }
            volumes:
              - { name: claimed, persistentVolumeClaim: { claimName: data } }
              - { name: empty, emptyDir: {} }
              - { name: host, hostPath: { path: /tmp } }
            containers:
              - name: sleep
                image: sleep
                volumeMounts:
                  - { name: claimed, mountPath: /claimed }
                  - { name: empty, mountPath: /empty }
                  - { name: host, mountPath: /host }
";

/// Runs a command in a pod. Gives what it printed, unless it failed.
fn exec(own: &Own, pod: &str, command: &[&str]) -> Option<String> {
    let kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "-n", NAME, "exec", pod, "--"];
    let output = own.node("c1", &[&kubectl, command].concat());
    eprintln!("{pod}: {command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    output.status.success().then(|| text(&output.stdout))
}

fn is_answered(own: &Own, pod: &str, address: &str) -> bool {
    let url = format!("http://{address}/hello");
    exec(own, pod, &["curl", "-s", "-m", "3", &url]).is_some_and(|said| said.contains("Hello version"))
}

/// Whether it is so within ten seconds: a policy holds from a moment after it was made.
fn becomes(wanted: bool, mut found: impl FnMut() -> bool) -> bool {
    (0..20).any(|i| {
        if i > 0 {
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        found() == wanted
    })
}

/// Network policies hold, volumes can be written without being root, host ports are served.
pub fn does_what_kinds_own_does() {
    let file = run_dir().join("node.yaml");
    fs::write(&file, SCENARIO).expect("a scenario");
    let mut own = Own { name: NAME.to_owned(), verdict: Value::Null, file: file.to_string_lossy().into_owned() };
    let output = lab_ok(&["up", &own.file, "--output", "json"]);
    own.verdict = serde_json::from_str(&output).expect("a verdict");
    assert_eq!(own.verdict["passed"], true, "{}", in_short(&own.verdict));
    let own = own;
    own.kubectl("c1", &["-n", NAME, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s"]);

    network_policies_hold(&own);
    volumes_can_be_written_without_being_root(&own);
    host_ports_are_served(&own);
}

fn network_policies_hold(own: &Own) {
    let address = |pod: &str| own.kubectl("c1", &["-n", NAME, "get", "pod", pod, "-o", "jsonpath={.status.podIP}"]);
    let closed = format!("{}:5000", address("closed"));
    let open = format!("{}:5000", address("open"));
    assert!(becomes(false, || is_answered(own, "stranger", &closed)), "the policy lets a stranger in");
    assert!(becomes(false, || is_answered(own, "locked-in", &open)), "the policy lets somebody out");
    assert!(!is_answered(own, "stranger", "closed.node"), "by the Service's address as well");
    assert!(is_answered(own, "friend", &closed), "what the policy allows");
    assert!(is_answered(own, "friend", "closed.node"), "by the Service's address as well");
    assert!(is_answered(own, "stranger", &open), "what no policy is about");

    // What is allowed later is allowed, with no restart of anything.
    own.kubectl("c1", &["-n", NAME, "label", "pod", "stranger", "app=friend", "--overwrite"]);
    assert!(becomes(true, || is_answered(own, "stranger", &closed)), "the stranger has become a friend");
    own.kubectl("c1", &["-n", NAME, "delete", "networkpolicy", "locked-in"]);
    assert!(becomes(true, || is_answered(own, "locked-in", &open)), "the policy is gone");
}

fn volumes_can_be_written_without_being_root(own: &Own) {
    for dir in ["claimed", "empty", "host"] {
        let write = format!("id -u && echo kept >/{dir}/lab-{NAME} && cat /{dir}/lab-{NAME}");
        let said = exec(own, "writer", &["sh", "-c", &write]);
        assert_eq!(said.as_deref(), Some("1000\nkept\n"), "{dir}");
    }
    // A directory goes with its claim.
    let volume = own.kubectl("c1", &["-n", NAME, "get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}"]);
    own.kubectl("c1", &["-n", NAME, "delete", "pod", "writer", "--grace-period=1"]);
    own.kubectl("c1", &["-n", NAME, "delete", "pvc", "data", "--timeout=60s"]);
    own.kubectl("c1", &["wait", "--for=delete", &format!("pv/{volume}"), "--timeout=60s"]);
}

fn host_ports_are_served(own: &Own) {
    let node = own.kubectl("c1", &["-n", NAME, "get", "pod", "open", "-o", "jsonpath={.status.hostIP}"]);
    assert!(is_answered(own, "friend", &format!("{node}:5080")), "from a pod");
    let output = own.node("c1", &["curl", "-s", "-m", "5", &format!("http://{node}:5080/hello")]);
    assert!(text(&output.stdout).contains("Hello version"), "from a node: {}", text(&output.stderr));
}
