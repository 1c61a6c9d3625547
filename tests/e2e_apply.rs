//! What is applied is what the file says: on one small lab, two scenarios in turn.

mod e2e;

use std::fs;

use e2e::{lab, run_dir, text};
use serde_json::Value;

const NAME: &str = "apply";

/// Every kind of thing that can be taken out of a scenario, and objects that are not the scenario's own.
const FULL: &str = r#"name: apply
mesh:
  values:
    meshConfig: { accessLogFile: /dev/stdout }
    pilot: { podAnnotations: { example.org/mine: "1" } }
  ingressGateway: true
clusters: [c1]
apps:
  - helloworld
  - sleep
  - manifests:
      name: mine
      objects:
        - apiVersion: v1
          kind: ConfigMap
          metadata: { name: settings, namespace: sample, labels: { team: a, tier: web }, annotations: { note: "x" } }
          data: { a: "1", b: "2" }
        - apiVersion: v1
          kind: ConfigMap
          metadata: { name: gone, namespace: sample }
        - apiVersion: networking.istio.io/v1
          kind: DestinationRule
          metadata: { name: mine, namespace: sample }
          spec:
            host: helloworld.sample.svc.cluster.local
            trafficPolicy:
              connectionPool: { http: { maxRequestsPerConnection: 1 } }
              outlierDetection: { consecutive5xxErrors: 3, interval: 10s }
            subsets: [{ name: v1, labels: { version: v1, more: x } }]
        - apiVersion: v1
          kind: ConfigMap
          metadata: { name: coredns, namespace: kube-system, labels: { team: a } }
          data: { Corefile: ".:53 {\n    ready\n    health\n    kubernetes cluster.local\n    forward . /etc/resolv.conf\n}\n", more: "1" }
        - { apiVersion: v1, kind: Namespace, metadata: { name: istio-system, labels: { mesh: member } } }
        - { apiVersion: v1, kind: Namespace, metadata: { name: sample, labels: { istio-injection: enabled, mesh: member } } }
"#;

/// The same with less of each.
const LESS: &str = r#"name: apply
clusters: [c1]
apps:
  - helloworld
  - sleep
  - manifests:
      name: mine
      objects:
        - apiVersion: v1
          kind: ConfigMap
          metadata: { name: settings, namespace: sample, labels: { team: a } }
          data: { a: "1" }
        - apiVersion: networking.istio.io/v1
          kind: DestinationRule
          metadata: { name: mine, namespace: sample }
          spec:
            host: helloworld.sample.svc.cluster.local
            trafficPolicy:
              connectionPool: { http: { maxRequestsPerConnection: 1 } }
            subsets: [{ name: v1, labels: { version: v1 } }]
"#;

/// Gone when the test ends, also when it fails.
struct Down;

impl Drop for Down {
    fn drop(&mut self) {
        lab(&["down", NAME]);
    }
}

/// Reads an object as JSON; nothing when it is not there.
fn get(args: &[&str]) -> Option<Value> {
    let kubectl = ["exec", "apply-c1-control-plane", "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get"];
    let output = std::process::Command::new("docker").args(kubectl).args(args).args(["-o", "json"]).output();
    let output = output.expect("docker starts");
    output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn file(name: &str, text: &str) -> String {
    let path = run_dir().join(name);
    fs::write(&path, text).expect("a scenario");
    path.display().to_string()
}

/// Runs `lab up`, which must be green. Gives what it told on standard error.
fn up(file: &str) -> String {
    let output = lab(&["up", file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
}

/// What would change, by object, and the exit code.
fn diff(args: &[&str]) -> (Value, Option<i32>) {
    let output = lab(&[args, &["--output", "json"]].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    (value, output.status.code())
}

#[test]
fn what_is_applied_is_what_the_file_says() {
    let (full, less) = (file("apply-full.yaml", FULL), file("apply-less.yaml", LESS));
    let _down = Down;

    // A lab that is not there.
    let (difference, code) = diff(&["up", &less, "--dry-run"]);
    assert_eq!((&difference["clusters"][0]["change"], code), (&"create".into(), Some(5)), "{difference:#}");

    up(&less);
    let coredns =
        |path: &str| get(&["-n", "kube-system", "configmap", "coredns"]).and_then(|o| o.pointer(path).cloned());
    let corefile = coredns("/data/Corefile").expect("a Corefile");

    // What would change is told, and is what changes.
    let (difference, code) = diff(&["diff", &full]);
    assert_eq!(code, Some(5), "{difference:#}");
    let would = |object: &str| {
        let objects = difference["objects"].as_array().expect("objects").iter();
        objects.filter(|o| o["object"] == object).map(|o| o["change"].clone()).next().unwrap_or_default()
    };
    assert_eq!(would("ConfigMap sample/settings"), "change", "{difference:#}");
    assert_eq!(would("ConfigMap sample/gone"), "create", "{difference:#}");
    assert_eq!(would("ConfigMap kube-system/coredns"), "change", "{difference:#}");
    assert_eq!(would("Deployment istio-system/istiod"), "change", "{difference:#}");
    assert_eq!(coredns("/data/Corefile").as_ref(), Some(&corefile), "a diff changes nothing");

    let told = up(&full);
    assert!(told.contains("changed  c1  ConfigMap sample/settings"), "{told}");
    let namespace = get(&["namespace", "istio-system"]).expect("a namespace");
    let labels = &namespace["metadata"]["labels"];
    assert_eq!(
        (&labels["mesh"], &labels["topology.istio.io/network"]),
        (&"member".into(), &"network-c1".into()),
        "{labels}"
    );
    assert_ne!(coredns("/data/Corefile").as_ref(), Some(&corefile));
    let told = up(&full);
    assert!(told.contains("already up, nothing changed"), "{told}");
    let (difference, code) = diff(&["diff", NAME]);
    assert_eq!(code, Some(0), "{difference:#}");

    // And back.
    let (difference, code) = diff(&["up", &less, "--dry-run"]);
    assert_eq!(code, Some(5), "{difference:#}");
    let text = difference.to_string();
    for part in ["data.b", "metadata.labels.tier", "metadata.annotations.note", "outlierDetection", "restore", "delete"]
    {
        assert!(text.contains(part), "no {part} in {difference:#}");
    }
    let told = up(&less);
    assert!(told.contains("restored c1  ConfigMap kube-system/coredns"), "{told}");
    let settings = get(&["-n", "sample", "configmap", "settings"]).expect("a ConfigMap");
    assert_eq!(settings["data"], serde_json::json!({ "a": "1" }));
    assert_eq!(settings["metadata"]["labels"]["tier"], Value::Null);
    assert_eq!(settings["metadata"]["annotations"]["note"], Value::Null);
    assert_eq!(get(&["-n", "sample", "configmap", "gone"]), None);
    let rule = get(&["-n", "sample", "destinationrule", "mine"]).expect("a rule");
    assert_eq!(rule["spec"]["trafficPolicy"]["outlierDetection"], Value::Null, "{rule:#}");
    assert_eq!(rule["spec"]["subsets"][0]["labels"], serde_json::json!({ "version": "v1" }), "{rule:#}");
    assert_eq!(coredns("/data/Corefile"), Some(corefile));
    assert_eq!((coredns("/data/more"), coredns("/metadata/labels")), (None, None));
    let istiod = get(&["-n", "istio-system", "deployment", "istiod"]).expect("istiod");
    assert_eq!(istiod.pointer("/spec/template/metadata/annotations/example.org~1mine"), None, "{istiod:#}");
    let mesh = get(&["-n", "istio-system", "configmap", "istio"]).expect("the mesh's configuration");
    assert!(!mesh["data"]["mesh"].as_str().expect("text").contains("accessLogFile"), "{mesh:#}");
    assert_eq!(get(&["-n", "istio-system", "deployment", "istio-ingressgateway"]), None);
    let namespace = get(&["namespace", "istio-system"]).expect("a namespace");
    assert_eq!(namespace["metadata"]["labels"]["mesh"], Value::Null);
    assert_eq!(namespace["metadata"]["labels"]["topology.istio.io/network"], "network-c1");
    let told = up(&less);
    assert!(told.contains("already up, nothing changed"), "{told}");

    // What lab itself sets is not the scenario's.
    let contends = LESS.replace(
        "      objects:\n",
        "      objects:\n        - { apiVersion: apps/v1, kind: Deployment, metadata: { name: istiod, namespace: istio-system }, spec: { replicas: 2 } }\n",
    );
    let output = lab(&["up", &file("apply-contends.yaml", &contends)]);
    let told = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(
        told.contains("Deployment istio-system/istiod is also lab's own") && told.contains("spec.replicas"),
        "{told}"
    );
}
