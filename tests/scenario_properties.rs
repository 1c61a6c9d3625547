//! No text makes the reader of scenarios panic, and what it accepts survives being written and read again.

use lab::plan::{Lab, resolve, scenario_yaml};
use lab::scenario::{App, Scenario, parse, render, to_yaml};
use proptest::prelude::*;

/// Whatever the text, nothing panics; what is refused can be shown, and what is accepted can be written and read again.
fn survives(text: &str) {
    match parse(text, "lab.yaml") {
        Err(errors) => {
            assert!(!errors.errors().is_empty());
            let shown = render(&errors);
            assert!(shown.starts_with("error: "));
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "a terminal would obey this: {shown:?}");
        }
        Ok(scenario) => {
            says_the_same(&scenario);
            if let Ok(lab) = resolve(&scenario) {
                reads_back(&lab);
            }
        }
    }
}

/// Whether a scenario says the same when it is written and read again.
fn says_the_same(scenario: &Scenario) {
    let written = to_yaml(scenario);
    let again = parse(&written, "written.yaml").unwrap_or_else(|e| panic!("{}\n{written}", render(&e)));
    assert_eq!(&again, scenario, "{written}");
}

fn reads_back(lab: &Lab) {
    let written = scenario_yaml(lab);
    let again = parse(&written, "written.yaml").unwrap_or_else(|e| panic!("{}\n{written}", render(&e)));
    assert_eq!(&resolve(&again).unwrap(), lab, "{written}");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[0-9a-zA-Z:. #'\"\\[{,&*!|>%@`~-]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A check of each kind.
const CHECKS: &str = "\
name: demo
mesh: { ingressGateway: true }
clusters: [c1, c2]
checks:
  - rotation: { through: ingress, from: [c2] }
  - request:
      name: mine
      service: helloworld.sample:5000/hello
      caller: { namespace: legacy, app: sleep }
      method: POST
      headers: { x-user: a }
      times: 10
      expect: { status: 404, body: \"a b\", headers: { server: x }, weights: { v1: 80, v2: 20 }, within: 2s, failures: 3, ejected: true }
  - request: { url: \"https://10.0.0.1:443/x\", expect: { denied: true, reason: \"Could not\" } }
  - request: { service: \"grpc://helloworld.sample:5000/a.B/C\", body: a, expect: { grpcStatus: 5 } }
  - request: { service: \"tcp://helloworld.sample:5000\", bodyBytes: 9, expect: { body: b } }
  - failover: { order: { c1: [c1, c2], c2: [c2, c1] }, exercise: [c1] }
  - reachability: {}
faults:
  - partition: { between: [c1, network-c2], oneWay: true, how: refuse, for: 30s, expect: { lost: { c1: 5% } } }
  - gateway: { cluster: c2, gateway: ingress }
  - node: { node: c1-control-plane, away: paused, expect: { lost: 3, answers: { c2: [c2] }, failoverWithin: 5s, backWithin: 30s } }
  - remoteSecret: { cluster: c1, of: c2, service: helloworld.sample:5000/hello }
";

/// A federation with all that it may have.
const FEDERATION: &str = "\
name: demo
mesh: none
clusters: [m, c1, { name: c2, locality: { region: r, zone: z } }]
federation:
  manager: m
  members: [c1, { cluster: c2, mode: pull }]
  failover: { tolerationSeconds: 5 }
  objects:
    - { apiVersion: v1, kind: Namespace, metadata: { name: demo } }
    - { apiVersion: apps/v1, kind: Deployment, metadata: { name: hello, namespace: demo }, spec: { selector: { matchLabels: { app: hello } }, template: { metadata: { labels: { app: hello } }, spec: { containers: [{ name: hello, image: hello }] } } } }
checks:
  - federation: { deployment: demo/hello, replicas: { c1: 4, c2: 2 }, exercise: [c2] }
";

/// Clusters in meshes of their own.
const MESHES: &str = "\
name: demo
clusters: [{ name: c1, mesh: east }, { name: c2, mesh: west, network: n }, { name: c3, mesh: west, network: n }]
checks:
  - rotation: { from: [c2] }
  - failover: { order: { c2: [c2, c3] } }
";

/// A mesh that somebody else installed, with all that may be said of it.
const EXISTING: &str = "\
name: demo
mesh: { existing: true, id: m, trustDomain: a.b, topology: primary-remote, meshNetworks: true, dnsCapture: true, accessLogs: true }
clusters:
  - name: c1
    network: n
    locality: { region: r, zone: z }
    existing:
      kubeconfig: config
      context: \"a@b: c\"
      clusterId: Kubernetes
      revision: 1-31
      eastWestGateway: { service: a/b, address: \"10.0.0.1:31443\" }
      ingressGateway: { service: a/c, address: gateway.example }
  - { name: c2, primary: c1, existing: { kubeconfig: config, context: c2, eastWestGateway: { service: a/b, address: 10.0.0.2 } } }
checks:
  - request: { service: \"web.shop:80/\", caller: { namespace: shop, app: cart } }
";

/// A mesh of lab's own in clusters that it did not make.
const BROUGHT: &str = "\
name: demo
mesh: { id: m, dnsCapture: true }
images: { mirror: \"registry.example:5000\" }
clusters:
  - { name: c1, network: n, existing: { kubeconfig: config, context: \"a@b: c\" } }
  - name: c2
    existing: { kubeconfig: config, context: c2, server: \"https://c2:6443\" }
    loadBalancer: { pool: 192.168.7.10-192.168.7.19, addresses: { eastWestGateway: 192.168.7.11 } }
checks:
  - rotation
  - request: { service: \"helloworld.sample:5000/hello\" }
";

#[test]
fn a_mesh_or_clusters_that_are_there_survive() {
    for text in [EXISTING, BROUGHT] {
        survives(text);
        assert!(parse(text, "lab.yaml").is_ok());
    }
}

/// The Deployment that its check is about.
const HELLO: &str = "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: hello, namespace: demo }, spec: { selector: { matchLabels: { app: hello } }, template: { metadata: { labels: { app: hello } }, spec: { containers: [{ name: hello, image: hello }] } } } }";

/// Any of these lines, or none; in their order.
fn some_of(lines: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::subsequence(lines, 0..=lines.len()).prop_map(|lines| lines.concat())
}

/// A scenario with any of the fields that there are, none of which contradicts another.
fn any_scenario() -> impl Strategy<Value = String> {
    let mesh = some_of(&[
        "  id: \"7\"\n",
        "  trustDomain: a.b\n",
        "  topology: multi-primary\n",
        "  meshNetworks: True\n",
        "  dnsCapture: true\n",
        "  accessLogs: true\n",
        "  values: { pilot: { env: { A: \"true\" } } }\n",
    ]);
    let top = some_of(&[
        "apiVersion: lab/v1\n",
        "kind: Scenario\n",
        "dockerNetwork: { subnet: 172.30.0.0/16, apiServerAddress: 172.17.0.1, mtu: 1400 }\n",
        "images: { mirror: \"r:5000\" }\n",
    ]);
    let cluster = some_of(&[
        "    network: 1.10\n",
        "    primary: c1\n",
        "    podSubnet: 10.1.0.0/16\n",
        "    serviceSubnet: 10.2.0.0/16\n",
        "    nodes: { workers: 2 }\n",
        "    locality: { region: no, zone: z, subzone: \"1\" }\n",
        "    loadBalancer: { pool: 172.30.255.10-172.30.255.19, addresses: { eastWestGateway: 172.30.255.10, ingressGateway: 172.30.255.11 } }\n",
    ]);
    let apps = some_of(&[
        "  - manifests: { namespace: x, clusters: [c2], objects: [{ apiVersion: v1, kind: A, metadata: { name: b } }] }\n",
    ]);
    let checks = some_of(&[
        "  - rotation\n",
        "  - rotation: { through: ingress, from: [c2] }\n",
        "  - request: { name: \"a: b\", service: helloworld.sample:5000/hello, caller: { namespace: legacy }, method: POST, headers: { a: b }, times: 10, \
         expect: { status: 404, body: x, headers: { server: y }, weights: { v1: 80, v2: 20 }, within: 2s, atLeast: 500ms, mirror: \"helloworld.sample:5000\", failures: 3, ejected: TRUE } }\n",
        "  - request: { service: \"grpc://helloworld.sample:5000/a.B/C\", body: \"a: b\", headerBytes: 10, expect: { grpcStatus: 14, body: x } }\n",
        "  - request: { service: \"tcp://helloworld.sample:5000\", bodyBytes: 10, expect: { body: x } }\n",
        "  - request: { url: \"ws://a/\", body: \"\", expect: { status: 404, headers: { a: b } } }\n",
        "  - request: { service: helloworld.sample:5000/hello, bodyBytes: 10, expect: { bodyBytes: 20 } }\n",
        "  - request: { url: \"http://a/\", through: mesh, expect: { denied: true, reason: \"no\" } }\n",
        "  - request: { service: helloworld.sample:5000/hello, expect: { versions: [v1] } }\n",
        "  - request: { service: helloworld.sample:5000/hello, expect: { clusters: [c2, c1] } }\n",
        "  - failover: { order: { c1: [c1, c2] }, exercise: [c1] }\n",
        "  - reachability: {}\n",
        "  - federation: { deployment: demo/hello, replicas: { c1: 4 }, exercise: [c1], service: a.b:80/ }\n",
    ]);
    let faults = some_of(&[
        "  - partition: { between: [c1, c2], oneWay: True, how: refuse, for: 30s, expect: { lost: { c1: 5%, c2: 0 } } }\n",
        "  - partition: { between: [c2] }\n",
        "  - network: { between: [c1, c2], loss: 5%, latency: 9ms, jitter: 9ms, bandwidth: 8kbit }\n",
        "  - gateway: { cluster: c2, gateway: ingress, expect: { lost: 7 } }\n",
        "  - istiod: { cluster: c1 }\n",
        "  - discovery: { cluster: c2 }\n",
        "  - apiServer: { cluster: m, for: 60s }\n",
        "  - node: { node: c2-control-plane, away: paused, expect: { answers: { c1: [c1] }, failoverWithin: 5s } }\n",
        "  - cluster: { cluster: c2, away: stopped, expect: { backWithin: 90s } }\n",
        "  - pressure: { node: c2-control-plane, cpu: 1, memory: 9Mi }\n",
        "  - dns: { cluster: c1, service: helloworld.sample:5000/hello }\n",
    ]);
    let federation = some_of(&["  members: [c1, { cluster: c2, mode: pull }]\n"]);
    (top, mesh, cluster, federation, apps, (checks, faults)).prop_map(|(top, mesh, cluster, federation, apps, (checks, faults))| {
        let faults = if faults.is_empty() { faults } else { format!("faults:\n{faults}") };
        format!(
            "{top}name: demo\nmesh:\n  ingressGateway: true\n{mesh}clusters:\n  - name: c1\n{cluster}  - c2\n  - m\n\
             federation:\n  manager: m\n  failover: {{ tolerationSeconds: 5 }}\n  objects: [{HELLO}]\n{federation}apps:\n  - sleep\n  - helloworld\n{apps}checks:\n  - rotation\n{checks}{faults}"
        )
    })
}

/// One change to a text: cut out, repeated or replaced.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, Option<String>)> {
    let token = prop_oneof![
        "[ \\n\\t:,{}\\[\\]#&*!|>'\"%@`-]{1,4}",
        "[a-z0-9./:-]{0,12}",
        any::<String>(),
        Just("null".to_owned()),
        Just("999999999999999999999".to_owned()),
        Just("255.255.255.255/32".to_owned()),
        Just("0.0.0.0/0".to_owned()),
        Just("255.255.255.250-255.255.255.255".to_owned()),
    ];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), proptest::option::of(token))
}

fn mutate(text: &mut String, (at, length, replacement): (prop::sample::Index, prop::sample::Index, Option<String>)) {
    let ends: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
    let start = at.index(ends.len());
    let end = (start + length.index(20)).min(ends.len() - 1);
    let range = ends[start]..ends[end];
    let replacement = replacement.unwrap_or_else(|| text[range.clone()].repeat(2));
    text.replace_range(range, &replacement);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_scenario_says_the_same_when_it_is_written_and_read_again(text in any_scenario()) {
        says_the_same(&parse(&text, "lab.yaml").unwrap_or_else(|e| panic!("{}\n{text}", render(&e))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn no_yaml_like_text_panics(tokens in proptest::collection::vec(
        prop_oneof![
            prop::sample::select(vec![
                "name", "clusters", "mesh", "values", "pool", "auto", ": ", ":", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]",
                ", ", "&a ", "*a", "!x ", "|", ">", "? ", "---", "...", "%", "#", "\"", "'", "\t", "~", "10.0.0.0/8", "c1",
                "\u{feff}", "\r", "\u{85}", "<<",
            ]).prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ],
        0..40,
    )) {
        survives(&tokens.concat());
        survives(&format!("name: demo\nclusters:\n  - c1\n{}", tokens.concat()));
    }

    #[test]
    fn no_mutation_of_a_valid_file_panics(mutations in proptest::collection::vec(mutation(), 1..4)) {
        let mut text = include_str!("../scenarios/three-network.yaml").to_owned();
        for mutation in mutations {
            mutate(&mut text, mutation);
        }
        survives(&text);
    }

    #[test]
    fn no_mutation_of_a_mesh_that_is_there_panics(mutations in proptest::collection::vec(mutation(), 1..4)) {
        let mut text = EXISTING.to_owned();
        for mutation in mutations {
            mutate(&mut text, mutation);
        }
        survives(&text);
    }

    #[test]
    fn no_mutation_of_valid_checks_panics(mutations in proptest::collection::vec(mutation(), 1..4)) {
        let mut text = CHECKS.to_owned();
        for mutation in mutations {
            mutate(&mut text, mutation);
        }
        survives(&text);
    }

    #[test]
    fn no_mutation_of_a_valid_federation_panics(mutations in proptest::collection::vec(mutation(), 1..4)) {
        let mut text = FEDERATION.to_owned();
        for mutation in mutations {
            mutate(&mut text, mutation);
        }
        survives(&text);
    }

    #[test]
    fn no_mutation_of_valid_meshes_panics(mutations in proptest::collection::vec(mutation(), 0..4)) {
        let mut text = MESHES.to_owned();
        for mutation in mutations {
            mutate(&mut text, mutation);
        }
        survives(&text);
    }

    #[test]
    fn free_form_values_survive_writing_and_reading(values in proptest::collection::hash_map(any::<String>(), json(), 0..5)) {
        let mut lab = resolve(&parse("name: demo\nclusters: [c1]\n", "lab.yaml").unwrap()).unwrap();
        lab.mesh.values["pilot"] = serde_json::json!({ "env": values });
        reads_back(&lab);
    }

    #[test]
    fn objects_survive_writing_and_reading(name in "[a-z]([a-z0-9-]{0,10}[a-z0-9])?", body in proptest::collection::hash_map(any::<String>(), json(), 0..5)) {
        let text = "name: demo\nclusters: [c1]\napps: [{ manifests: { namespace: x, objects: [{ apiVersion: v1, kind: A, metadata: { name: b } }] } }]\n";
        let mut lab = resolve(&parse(text, "lab.yaml").unwrap()).unwrap();
        let [App::Manifests(manifests)] = &mut lab.apps[..] else { panic!("{:?}", lab.apps) };
        manifests.name = name;
        manifests.objects[0]["spec"] = serde_json::Value::Object(body.into_iter().collect());
        reads_back(&lab);
    }
}
