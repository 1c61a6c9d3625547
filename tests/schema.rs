//! The JSON schema of scenarios: it is the one in the repository, it accepts what is shipped, and it refuses mistakes.

mod validator;

use std::path::{Path, PathBuf};

use lab::scenario::{Files, ManifestFile, named, parse, parse_with, schema, to_yaml};
use serde_json::Value;
use validator::mistakes;

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[test]
fn the_schema_in_the_repository_is_fresh() {
    let file = std::fs::read_to_string(scenarios().join("schema.json")).expect("scenarios/schema.json");
    let fresh = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    assert_eq!(file, fresh, "write it again: lab schema >scenarios/schema.json");
}

#[test]
fn what_is_shipped_fits_the_schema() {
    let schema = schema();
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("labs");
    let labs = std::fs::read_dir(labs).expect("labs").map(|lab| lab.expect("a lab").path());
    let mut count = 0;
    for folder in labs.chain([scenarios()]) {
        let place = if folder == scenarios() { "schema.json" } else { "../../scenarios/schema.json" };
        for file in std::fs::read_dir(folder).expect("a folder") {
            let file = file.expect("a file").path();
            if file.extension().is_some_and(|e| e == "yaml") {
                let text = std::fs::read_to_string(&file).expect("readable");
                let head = format!("# yaml-language-server: $schema={place}\n");
                assert!(text.starts_with(&head), "{}: the first line names the schema", file.display());
                assert_eq!(mistakes(&schema, &yaml(&text), "scenario"), [""; 0], "{}", file.display());
                count += 1;
            }
        }
    }
    assert!(count > 18, "{count}");
}

/// The Deployment that its check is about.
const HELLO: &str = "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: hello, namespace: demo }, spec: { selector: { matchLabels: { app: hello } }, template: { metadata: { labels: { app: hello } }, spec: { containers: [{ name: hello, image: hello }] } } } }";
const FEDERATION: &str = "name: a\nmesh: none\nclusters: [m, c1]\nfederation: { manager: m }\n";

#[test]
fn the_short_forms_of_a_federation_fit_the_schema() {
    for text in [
        FEDERATION.to_owned(),
        FEDERATION.replace("manager: m }", "manager: m, members: [c1], failover: {} }"),
        FEDERATION.replace("manager: m }", "manager: m, members: [{ cluster: c1, mode: pull }] }"),
        FEDERATION.replace("manager: m }", &format!("manager: m, objects: [{HELLO}] }}"))
            + "checks: [{ federation: { deployment: demo/hello, replicas: { c1: 1 } } }]",
    ] {
        assert!(parse(&text, "lab.yaml").is_ok(), "{text}");
        assert_eq!(mistakes(&schema(), &yaml(&text), "scenario"), [""; 0], "{text}");
    }
}

#[test]
fn mistakes_do_not_fit_the_schema() {
    let schema = schema();
    let member = FEDERATION.replace("manager: m", "manager: m, members: [{ cluster: c1, mode: call }]");
    let toleration = FEDERATION.replace("manager: m", "manager: m, failover: { tolerationSeconds: 3601 }");
    let check = format!("{FEDERATION}checks: [{{ federation: {{ deployment: b, replicas: {{ c1: 1 }} }} }}]");
    let wrong = [
        ("name: a\nclusters: [c1]\nmesh: off", "scenario.mesh: fits none"),
        ("name: a\nclusters: [c1]\nfederation: {}", "scenario.federation: has no manager"),
        (&member, "scenario.federation.members[0]: fits none"),
        (&toleration, "scenario.federation.failover.tolerationSeconds: is more than 3600"),
        (&check, "scenario.checks[0]: fits none"),
        ("clusters: [c1]", "scenario: has no name"),
        ("name: a\nclusters: [c1]\nmesh: { topologie: x }", "scenario.mesh: fits none"),
        ("name: a\nclusters: [c1]\nmesh: { topology: x }", "scenario.mesh: fits none"),
        ("name: a\nclusters: [c1]\nimages: { miror: x }", "scenario.images: has no field miror"),
        ("name: a\nclusters: [{ name: c1, nodes: { workers: 6 } }]", "scenario.clusters[0]: fits none"),
        ("name: a\nclusters: [C1]", "scenario.clusters[0]: fits none"),
        ("name: a\nclusters: [c1]\nchecks: [{ rotation: {}, request: {} }]", "scenario.checks[0]: fits none"),
        ("name: a\nclusters: [c1]\napps: [httpbin]", "scenario.apps[0]: fits none"),
    ];
    for (text, expected) in wrong {
        assert!(parse(text, "lab.yaml").is_err(), "{text}");
        let found = mistakes(&schema, &yaml(text), "scenario");
        assert!(found.iter().any(|f| f.starts_with(expected)), "{text}: {found:?}");
    }
}

/// The fields of the schema that none of these values has.
fn lacking(schema: &Value, values: &[&Value], place: &str, lacks: &mut Vec<String>) {
    for (keyword, says) in schema.as_object().expect("a schema") {
        match keyword.as_str() {
            "properties" => {
                for (name, of) in says.as_object().expect("fields") {
                    let found: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
                    let place = format!("{place}.{name}");
                    if found.is_empty() {
                        lacks.push(place.clone());
                    }
                    lacking(of, &found, &place, lacks);
                }
            }
            "items" => {
                let items: Vec<&Value> = values.iter().filter_map(|v| v.as_array()).flatten().collect();
                lacking(says, &items, place, lacks);
            }
            "additionalProperties" if says.is_object() => {
                let all: Vec<&Value> = values.iter().filter_map(|v| v.as_object()).flat_map(|o| o.values()).collect();
                lacking(says, &all, place, lacks);
            }
            "anyOf" => says.as_array().expect("a list").iter().for_each(|one| lacking(one, values, place, lacks)),
            _ => {}
        }
    }
}

#[test]
fn every_field_of_the_schema_is_read_and_written() {
    let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authority");
    let texts = [
        "name: a
mesh:
  topology: external
  ca:
    files: { rootCert: rsa-root.pem, rootKey: rsa-root-key.pem }
    intermediates: { c2: { caCert: c2.pem, caKey: c2-key.pem, certChain: c2-chain.pem } }
  ingressGateway: true
dockerNetwork: { subnet: 172.30.0.0/16, apiServerAddress: 172.17.0.1, mtu: 1400 }
images: { mirror: \"r:5000\" }
versions: { kubernetes: \"1.36\", istio: \"1.31\" }
clusters:
  - { name: m, versions: { kubernetes: \"1.35\", istio: \"1.31\" } }
  - { name: c2, loadBalancer: { addresses: { istiod: 172.30.255.10 } } }
  - name: c1
    network: n
    primary: c2
    podSubnet: 10.1.0.0/16
    serviceSubnet: 10.2.0.0/16
    nodes: { workers: 1 }
    locality: { region: r, zone: z, subzone: s }
    loadBalancer: { pool: 172.30.255.20-172.30.255.29, addresses: { ingressGateway: 172.30.255.20 } }
apps:
  - sleep
  - helloworld
  - manifests: { name: x, namespace: x, clusters: [c1], objects: [{ apiVersion: v1, kind: A, metadata: { name: b } }] }
federation: { manager: m, members: [c1], failover: {}, objects: [{ apiVersion: apps/v1, kind: Deployment, metadata: { name: hello, namespace: demo }, spec: { selector: { matchLabels: { app: hello } }, template: { metadata: { labels: { app: hello } }, spec: { containers: [{ name: hello, image: hello }] } } } }] }
checks:
  - federation: { deployment: demo/hello, replicas: { c1: 1 }, exercise: [c1], service: a.b:80/ }
",
        "name: a
mesh: { ingressGateway: [c1] }
ipFamily: dual
clusters: [c1, { name: c2, locality: { region: r }, nodes: { zones: [a, b] }, loadBalancer: { addresses: { eastWestGateway: 172.30.255.20 } } }]
checks:
  - rotation: { through: ingress }
  - request:
      name: x
      service: helloworld.sample:5000/hello
      caller: { namespace: legacy, app: sleep }
      method: POST
      headers: { a: b }
      times: 2
      expect: { status: 404, body: x, headers: { a: b }, weights: { v1: 80, v2-a: 20 }, within: 2s, atLeast: 1s, mirror: \"helloworld.sample:5000\", failures: 3, ejected: true }
  - request: { service: \"grpc://helloworld.sample:5000/a.B/C\", body: x, headerBytes: 9, expect: { grpcStatus: 5 } }
  - request: { service: helloworld.sample:5000/hello, bodyBytes: 9, expect: { bodyBytes: 9 } }
  - request: { service: helloworld.sample:5000/hello, through: ingress, expect: { versions: [v1] } }
  - request: { url: \"http://a/\", expect: { denied: true, reason: x } }
  - request: { service: helloworld.sample:5000/hello, expect: { clusters: [c1] } }
  - failover: { order: { c1: [c1, [c2/a, c2/b]] }, exercise: [c1] }
  - reachability
",
    ];
    let faults = FAULTS.replace("MORE", EXPECTED);
    let [first, second] = texts;
    let meshes = "name: a\nclusters: [{ name: c1, mesh: east }]\n";
    let found = "name: a
mesh: { existing: true }
clusters: [{ name: c1, existing: { kubeconfig: a, context: b, clusterId: c, revision: d, eastWestGateway: { service: a/b, address: 10.0.0.1 }, ingressGateway: { service: a/b, address: c } } }]
";
    let brought =
        "name: a\nclusters: [{ name: c1, existing: { kubeconfig: a, context: b, server: 'https://c:6443' } }]\n";
    let written = [first, second, &faults, meshes, found, brought].map(|text| {
        let file = |path: String| {
            let text = std::fs::read_to_string(authority.join(&path)).expect("a file");
            (path.clone(), Ok(vec![ManifestFile { name: path, text }]))
        };
        let files: Files = named(text).paths.into_iter().map(file).collect();
        yaml(&to_yaml(
            &parse_with(text, "lab.yaml", &files).unwrap_or_else(|e| panic!("{}", lab::scenario::render(&e))),
        ))
    });
    let mut lacks = Vec::new();
    lacking(&schema(), &written.iter().collect::<Vec<_>>(), "scenario", &mut lacks);
    // What was in files is in `objects` when it is written, and the clock is a fault that is known to be refused.
    assert_eq!(lacks, ["scenario.apps.manifests.files", "scenario.federation.files", "scenario.faults.clockSkew"]);
}

/// Every kind of fault, with all that is its own.
const FAULTS: &str = "name: a
mesh: { ingressGateway: true }
clusters: [c1, { name: c2, nodes: { workers: 1 } }]
faults:
  - partition: { between: [c1, c2], oneWay: true, how: refuse, MORE }
  - network: { between: [c1, c2], oneWay: true, latency: 100ms, jitter: 20ms, loss: 5%, bandwidth: 64kbit, MORE }
  - gateway: { cluster: c2, gateway: ingress, MORE }
  - istiod: { cluster: c1, MORE }
  - discovery: { cluster: c1, MORE }
  - apiServer: { cluster: c1, MORE }
  - node: { node: c2-worker, away: paused, MORE }
  - cluster: { cluster: c2, away: paused, MORE }
  - pressure: { node: c2-worker, cpu: 2, memory: 512Mi, MORE }
  - dns: { cluster: c1, MORE }
  - remoteSecret: { cluster: c1, of: c2, MORE }
";
/// What may be said of any of them.
const EXPECTED: &str = "for: 30s, service: \"helloworld.sample:5000/hello\", expect: { lost: { c1: 9 }, answers: { c1: [c1] }, failoverWithin: 5s, backWithin: 90s }";

/// Every mapping of the schema with fields of known names.
fn mappings(schema: &Value) -> Vec<&Value> {
    let mut all = Vec::new();
    if schema.get("properties").is_some() {
        all.push(schema);
    }
    match schema {
        Value::Object(fields) => all.extend(fields.values().flat_map(mappings)),
        Value::Array(items) => all.extend(items.iter().flat_map(mappings)),
        _ => {}
    }
    all
}

#[test]
fn every_field_says_what_it_is_and_its_default_and_examples_fit() {
    let schema = schema();
    let mut count = 0;
    for mapping in mappings(&schema) {
        for (name, field) in mapping["properties"].as_object().expect("fields") {
            assert!(field["description"].as_str().is_some_and(|d| !d.is_empty()), "{name}");
            let examples = field.get("examples").and_then(Value::as_array).into_iter().flatten();
            for value in field.get("default").into_iter().chain(examples) {
                assert_eq!(mistakes(field, value, name), [""; 0]);
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}
