//! Scenario files: what is accepted, what it means, and how each mistake is shown.
//!
//! The snapshots hold every refusal as a user sees it, one file a subject: `INSTA_UPDATE=always cargo test`, then read them as a user would.

use std::fmt::Write;
use std::path::Path;

use lab::plan::{resolve, scenario_yaml};
use lab::scenario::{App, Check, Scenario, Topology, parse, render};

fn accepted(text: &str) -> Scenario {
    parse(text, "lab.yaml").unwrap_or_else(|e| panic!("{}", render(&e)))
}

/// Everything that a refused file shows, after the file itself.
fn refused(cases: &[&str]) {
    let show = |text: &&str| match parse(text, "lab.yaml") {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(errors) => format!("{text}\n{}", render(&errors)),
    };
    snapshot(&cases.iter().map(show).collect::<Vec<_>>().join("\n========================================\n"));
}

/// Compares with the snapshot that is named after the test.
fn snapshot(text: &str) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, text) });
}

/// A scenario of two clusters, each with some lines of its own.
fn two(c1: &str, c2: &str) -> String {
    let fields = |lines: &str| lines.lines().flat_map(|line| ["    ", line, "\n"]).collect::<String>();
    format!("name: demo\nclusters:\n  - name: c1\n{}  - name: c2\n{}", fields(c1), fields(c2))
}

#[test]
fn every_shipped_scenario_resolves_and_reads_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let about = text.strip_prefix("# yaml-language-server: $schema=schema.json\n");
            let about = about.unwrap_or_else(|| panic!("{}: the first line names the schema", path.display()));
            assert!(about.starts_with("# "), "{}: the second line says what the scenario shows", path.display());
            let lab = resolve(&accepted(&text)).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str(), Some(lab.name.as_str()));
            assert_eq!(resolve(&accepted(&scenario_yaml(&lab))).unwrap(), lab);
            names.push(lab.name);
        }
    }
    assert!(names.iter().any(|n| n == "three-network"), "{names:?}");
}

#[test]
fn three_network_resolved() {
    let text = include_str!("../scenarios/three-network.yaml");
    snapshot(&scenario_yaml(&resolve(&accepted(text)).unwrap()));
}

#[test]
fn two_network_resolved() {
    let text = include_str!("../scenarios/two-network.yaml");
    snapshot(&scenario_yaml(&resolve(&accepted(text)).unwrap()));
}

#[test]
fn a_name_and_names_of_clusters_are_enough() {
    let scenario = accepted("name: demo\nclusters: [c1, c2]\n");
    assert_eq!(scenario.mesh.id, "mesh1");
    assert_eq!(scenario.mesh.trust_domain, "cluster.local");
    assert_eq!(scenario.mesh.topology, Topology::MultiPrimary);
    let versions = [("c1", "v1"), ("c2", "v2")].map(|(c, v)| (c.to_owned(), v.to_owned()));
    assert_eq!(scenario.apps, [App::Helloworld { versions: versions.into() }, App::Sleep]);
    let [Check::Rotation { service, from, .. }] = &scenario.checks[..] else { panic!("{:?}", scenario.checks) };
    assert_eq!(service.to_string(), "helloworld.sample:5000/hello");
    assert_eq!(from, &["c1", "c2"]);
}

#[test]
fn one_cluster_is_a_mesh() {
    let lab = resolve(&accepted("name: solo\nclusters: [only]\n")).unwrap();
    assert!(!lab.is_multi_network());
}

#[test]
fn apps_and_checks_may_be_plain_words_and_may_be_none() {
    let scenario = accepted("name: demo\nclusters: [c1]\napps: [helloworld, sleep]\nchecks: [rotation]\n");
    assert_eq!(scenario, accepted("name: demo\nclusters: [c1]\napps:\n  - helloworld:\n  - sleep: {}\n"));
    let bare = accepted("name: demo\nclusters: [c1]\napps: []\n");
    assert_eq!((bare.apps.len(), bare.checks.len()), (0, 0));
}

#[test]
fn pods_may_be_equal_on_different_networks() {
    accepted(&two("podSubnet: 10.1.0.0/16", "podSubnet: 10.1.0.0/16"));
}

#[test]
fn text_stays_as_it_is_written_and_values_follow_yaml() {
    let scenario = accepted(
        "name: \"1\"\nclusters:\n  - name: no\n    network: 1.10\nmesh:\n  values: { pilot: { env: {a: 1, b: \"1\", c: [true, ~, 1.5, x], d: {}} } }\n",
    );
    assert_eq!(scenario.name, "1");
    assert_eq!(scenario.clusters[0].name, "no");
    assert_eq!(scenario.clusters[0].network.as_deref(), Some("1.10"));
    let values = serde_json::json!({"a": 1, "b": "1", "c": [true, null, 1.5, "x"], "d": {}});
    assert_eq!(scenario.mesh.values["pilot"]["env"], values);
}

#[test]
fn aliases_stand_for_what_they_name() {
    let scenario = accepted(&two("locality: &here { region: r1, zone: z1 }", "locality: *here"));
    assert_eq!(scenario.clusters[0].locality, scenario.clusters[1].locality);
}

#[test]
fn everything_that_a_scenario_can_say_is_written_and_read_back() {
    let lab = resolve(&accepted(
        "name: \"7\"
mesh: { id: m.1, trustDomain: a.b, values: { pilot: { env: { A: \"true\", B: \"\" }, affinity: { list: [[], {}, [1, { x: ~ }]] } } } }
images: { mirror: \"172.30.0.1:5000\" }
clusters:
  - { name: on, nodes: { workers: 5 }, locality: { region: r1 } }
  - { name: 1e3, network: 1.10, locality: { region: r1, zone: \"null\" } }
apps: [sleep, { helloworld: { versions: { 1e3: \"1\" } } }]
checks:
  - rotation: { from: [1e3] }
",
    ))
    .unwrap();
    let written = scenario_yaml(&lab);
    assert_eq!(resolve(&accepted(&written)).unwrap(), lab);
    snapshot(&written);
}

#[test]
fn a_lab_may_be_renamed_by_the_rule_for_names() {
    let mut scenario = accepted("name: demo\nclusters: [c1]\n");
    assert!(scenario.rename("Demo_2").is_err());
    assert_eq!(scenario.name, "demo");
    scenario.rename("demo-2").unwrap();
    assert_eq!(resolve(&scenario).unwrap().clusters[0].kind_name, "demo-2-c1");
}

#[test]
fn refuses_what_is_not_a_scenario() {
    refused(&[
        "",
        "# only a comment\n",
        "just some words\n",
        "- name: demo\n",
        "name: demo\n\tclusters: [c1]\n",
        "name: demo\nclusters:\n\t- c1\n",
        "name: \"demo\nclusters: [c1]\n",
        "name: demo\nclusters: [c1\n",
        "name: demo\nclusters: [c1]\n---\nname: other\n",
        "name: demo\nname: other\nclusters: [c1]\n",
        "name: demo\nclusters: [c1]\n? [a, b]\n: c\n",
        "name: demo\nclusters: &c [c1, *c]\n",
        "name: !text demo\nclusters: [c1]\n",
        "apiVersion: lab/v2\nkind: Scenaro\nname: demo\nclusters: [c1]\n",
    ]);
}

#[test]
fn refuses_wrong_fields_and_shows_all_of_them() {
    refused(&[
        "nmae: demo\ncluster: [c1]\nfoo: bar\n",
        "name:\nclusters: []\n",
        "name: demo\nclusters:\n  - name: c1\n    podSubnets: 10.1.0.0/16\n    nodes: { worker: 1 }\n    locality: { zone: z1 }\n  - network: n2\n",
        "name: [demo]\nmesh: mesh1\nclusters: c1\napps: sleep\nchecks: {}\n",
        "name: demo\nmesh: { values: [1] }\nclusters:\n  - { name: c1, nodes: { workers: two }, loadBalancer: auto }\n",
        "name: demo\nmesh: { topology: multi-primry, trustdomain: x }\nclusters: [c1]\napps: [hello-world, nginx, { helloworld: {}, sleep: {} }]\nchecks: [rotations]\n",
    ]);
}

#[test]
fn refuses_values_that_rename_what_lab_finds_by_name() {
    refused(&[
        "name: demo\nmesh: { values: { revision: canary } }\nclusters: [c1]\n",
        "name: demo\nmesh:\n  values:\n    global:\n      istioNamespace: mesh\nclusters: [c1]\n",
    ]);
    let same = "{ revision: \"\", global: { istioNamespace: istio-system } }";
    accepted(&format!("name: demo\nmesh: {{ values: {same} }}\nclusters: [c1]\n"));
}

#[test]
fn refuses_values_that_istio_does_not_know_or_takes_otherwise() {
    refused(&[
        "name: demo\nmesh: { values: { pilott: {}, pilot: [a], global: 7, pdb: {} } }\nclusters: [c1]\n",
        "name: demo\nmesh:\n  values:\n    pilot: { traceSampeling: 1, traceSampling: all, autoscaleEnabled: \"true\", resources: { limits: { cpu: 2 } } }\n    global: { hub: 7, imagePullSecrets: x, proxy: { tracer: zipkn, logLevel: [debug] } }\nclusters: [c1]\n",
        "name: demo\nmesh: { values: { pilot: { autoscaleMin: -1, rollingMaxSurge: true, volumes: [x], env: [A] }, meshConfig: 7 } }\nclusters: [c1]\n",
    ]);
    accepted(
        "name: demo\nmesh: { values: { pilot: { autoscaleMin: \"2\", rollingMaxSurge: 25%, traceSampling: 1, tolerations: [{ key: a }], env: { A: 1 } }, global: { tag: 1.1, proxy: { tracer: none, resources: { requests: { cpu: 10m } } }, logging: ~ }, ztunnel: 7, meshConfig: { accessLogFile: /dev/stdout }, gateways: { istio-ingressgateway: { env: { A: b } } } } }\nclusters: [c1]\n",
    );
}

#[test]
fn refuses_values_that_lab_derives_from_the_rest() {
    refused(&[
        "name: demo\nmesh:\n  values:\n    global: { meshID: other, network: n1, multiCluster: { clusterName: c9 }, externalIstiod: true }\n    pilot: { env: { EXTERNAL_ISTIOD: \"true\" } }\n    meshConfig: { trustDomain: a.b, defaultConfig: { proxyMetadata: { ISTIO_META_DNS_CAPTURE: \"true\" } } }\nclusters: [c1]\n",
        "name: demo\nmesh: { meshNetworks: true, values: { profile: ambient, global: { meshNetworks: {} } } }\nclusters: [c1]\n",
    ]);
    accepted("name: demo\nmesh: { values: { global: { meshNetworks: { n: { endpoints: [] } } } } }\nclusters: [c1]\n");
}

#[test]
fn one_mistake_is_shown_once() {
    let count = |text: &str| parse(text, "lab.yaml").unwrap_err().errors().len();
    let apps = "name: demo\nclusters: [c1]\napps: [helloword, sleep]\nchecks: [rotation]\n";
    assert_eq!(count(apps), 1, "a misspelt app is not also missing");
    assert_eq!(count("name: demo\nclusters: [[c1]]\n"), 1, "an unreadable cluster is not also no cluster");
    assert_eq!(count("name: demo\nclusters: [{}, {}]\n"), 2, "nameless clusters share no network");
    assert_eq!(count("name: demo\nclusters: [c1, c1]\n"), 1, "neither do clusters of one name");
    assert_eq!(count("name: demo\nclusters: []\nchecks: [{ rotation: { from: [c1] } }]\n"), 1);
    assert_eq!(count("name: demo\nclusters: [c1]\nchecks: [{ rotation: { from: [[c1]] } }]\n"), 1);
    assert_eq!(count("name: demo\nclusters: [c1]\napps: [sleep, helloworld: { versions: { c1: [v1] } }]\n"), 1);
    assert_eq!(count("name: demo\nclusters: [{ name: c1, podSubnet: 10.1.1.0/16, serviceSubnet: 10.1.0.0/16 }]\n"), 1);
}

#[test]
fn refuses_bad_names() {
    refused(&[
        "name: My_Lab\nclusters: [C1, c.2, ünï, \"\", \"-\"]\n",
        "name: a-name-that-is-longer-than-thirty\nclusters: [a-cluster-name-of-26-chars]\n",
        "name: a-name-of-twenty-nine-letters\nclusters: [exactly-twenty-chars]\n",
        "name: demo\nclusters: [c1, c2, c1]\n",
        "name: demo\nclusters: []\n",
        "name: demo\nclusters: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u]\n",
        "name: demo\nmesh: { id: mesh one, trustDomain: Cluster_Local }\nimages: { mirror: http://registry }\nclusters:\n  - { name: c1, network: net/1, locality: { region: eu/west } }\n",
        "name: demo\nclusters:\n  - { name: c1, nodes: { workers: 6 } }\n",
    ]);
}

#[test]
fn refuses_bad_addresses() {
    refused(&[
        &two("podSubnet: 10.1.2.3/16\nserviceSubnet: 10.300.0.0/16", "podSubnet: 10.2.0.0\nserviceSubnet: fd00::/108"),
        &two(
            "podSubnet: 127.0.0.0/16\nserviceSubnet: 10.9.0.0/8",
            "podSubnet: 10.2.0.0/24\nserviceSubnet: 10.3.0.0/30\nnodes: { workers: 1 }",
        ),
        &two("loadBalancer: { pool: 172.30.255.19-172.30.255.10 }", "loadBalancer: { pool: some }"),
        &two(
            "loadBalancer: { pool: 172.30.255.10 }",
            "loadBalancer: { pool: fd00::1-fd00::9, addresses: { eastWestGateway: 10.1 } }",
        ),
    ]);
}

#[test]
fn refuses_addresses_of_others() {
    refused(&[
        &format!(
            "dockerNetwork: {{ subnet: 8.8.0.0/16 }}\n{}",
            two("podSubnet: 1.1.0.0/16", "serviceSubnet: 172.32.0.0/16")
        ),
        &two("loadBalancer: { addresses: { eastWestGateway: 1.2.3.4 } }", ""),
        &two("loadBalancer: { pool: 9.9.9.16/28 }", "podSubnet: 172.0.0.0/8"),
    ]);
    for subnet in ["192.168.0.0/16", "100.64.0.0/16", "198.18.0.0/16", "172.31.0.0/16", "10.0.0.0/9"] {
        accepted(&two(&format!("podSubnet: {subnet}"), ""));
    }
}

#[test]
fn refuses_overlaps() {
    refused(&[
        &two("podSubnet: 10.1.0.0/16\nserviceSubnet: 10.1.128.0/20", ""),
        &two("network: shared\npodSubnet: 10.1.0.0/16", "network: shared\npodSubnet: 10.1.0.0/17"),
        &two("loadBalancer: { pool: 172.30.255.10-172.30.255.19 }", "loadBalancer: { pool: 172.30.255.16/28 }"),
        &format!(
            "dockerNetwork: {{ subnet: 172.30.0.0/16 }}\n{}",
            two("podSubnet: 172.30.0.0/16", "serviceSubnet: 172.16.0.0/12")
        ),
        &two(
            "loadBalancer: { addresses: { eastWestGateway: 172.30.255.10 } }",
            "loadBalancer: { addresses: { eastWestGateway: 172.30.255.15 } }",
        ),
    ]);
}

#[test]
fn refuses_pools_that_do_not_fit_the_docker_network() {
    let pool = |subnet: &str, pool: &str| {
        format!(
            "name: demo\ndockerNetwork: {{ subnet: {subnet} }}\nclusters:\n  - name: c1\n    loadBalancer: {{ pool: {pool} }}\n"
        )
    };
    refused(&[
        &pool("172.30.0.0/16", "172.31.255.10-172.31.255.19"),
        &pool("172.30.0.0/16", "172.30.0.0/28"),
        &pool("172.30.0.0/16", "172.30.0.200-172.30.1.9"),
        &pool("172.30.0.0/16", "172.30.255.250-172.30.255.255"),
        &pool("172.30.1.0/30", "auto"),
        &two(
            "loadBalancer: { pool: 172.30.255.10-172.30.255.19 }",
            "loadBalancer: { pool: 172.31.255.10-172.31.255.19 }",
        ),
        &two("loadBalancer: { pool: 127.0.0.10-127.0.0.19 }", ""),
        &two("loadBalancer: { addresses: { eastWestGateway: 172.30.255.250 } }", ""),
        &two(
            "loadBalancer: { addresses: { eastWestGateway: 172.30.255.10 } }",
            "loadBalancer: { addresses: { eastWestGateway: 172.30.255.10 } }",
        ),
        &two("loadBalancer: { pool: 172.30.255.10-172.30.255.19, addresses: { eastWestGateway: 172.30.255.20 } }", ""),
        &two(
            "loadBalancer: { pool: 172.30.255.10-172.30.255.19, addresses: { eastWestGateway: 172.30.255.10 } }",
            "loadBalancer: { pool: 172.30.255.20-172.30.255.29, addresses: { eastWestGateway: 172.30.255.10 } }",
        ),
    ]);
}

#[test]
fn refuses_apps_and_checks_that_cannot_work() {
    let with = |rest: &str| format!("name: demo\nclusters: [c1, c2]\n{rest}");
    refused(&[
        &with("apps:\n  - helloworld: { versions: { c1: v1, c2: v1 } }\n  - sleep\n"),
        &with("apps:\n  - helloworld: { versions: { c1: V1, c3: v3 } }\n  - sleep\n"),
        &with("apps:\n  - helloworld: { versions: {} }\n  - sleep\n"),
        &with("apps: [sleep, helloworld, sleep]\n"),
        &with("apps: [helloworld]\nchecks: [rotation]\n"),
        &with("apps: [sleep]\nchecks: [rotation]\n"),
        &with(
            "checks:\n  - rotation: { service: http://helloworld.sample:5000/hello }\n  - rotation: { service: helloworld:5000/hello }\n  - rotation: { service: helloworld.sample/hello }\n  - rotation: { service: helloworld.sample:5000 }\n  - rotation: { service: helloworld.sample:70000/hello }\n",
        ),
        &with("checks:\n  - rotation: { service: reviews.sample:9080/reviews }\n"),
        &with("checks: [{ rotation: { from: [c1, c22, c1] } }, { rotation: { from: [] } }]\n"),
        &with("checks: [{ rotation: { from: c1 } }]\n"),
    ]);
}

#[test]
fn refuses_topologies_that_do_not_fit() {
    refused(&[
        // Nobody is remote, an external control plane in two clusters or with nobody to serve, and primaries in a circle.
        "name: demo\nmesh: { topology: primary-remote }\nclusters:\n  - { name: c1, primary: c1 }\n  - { name: c2, primary: c2 }\n",
        "name: demo\nmesh: { topology: external }\nclusters:\n  - { name: c1, primary: c1 }\n  - { name: c2, primary: c2 }\n",
        "name: demo\nmesh: { topology: external }\nclusters: [c1]\n",
        "name: demo\nmesh: { topology: external }\nclusters:\n  - { name: c1, primary: c2 }\n  - { name: c2, primary: c1 }\n",
        &two("", "primary: c1"),
        &two("", "primary: c3"),
        // Equal pods on one network.
        &two("network: flat\n    podSubnet: 10.110.0.0/16", "network: flat\n    podSubnet: 10.110.0.0/16"),
        "name: demo\nmesh: { topology: external }\nclusters: [host, w1]\napps:\n  - helloworld: { versions: { host: v1, w1: v2 } }\n",
    ]);
}

#[test]
fn refuses_gateways_that_cannot_be() {
    refused(&[
        &two("loadBalancer: none", ""),
        "name: demo\nmesh: { topology: primary-remote, meshNetworks: true }\nclusters:\n  - { name: c1, loadBalancer: none }\n  - { name: c2, primary: c1 }\n  - { name: c3, loadBalancer: none }\n  - { name: c4, primary: c3 }\n",
        "name: demo\nmesh: { topology: external, meshNetworks: true }\nclusters:\n  - { name: c1, loadBalancer: none }\n  - { name: c2, primary: c1 }\n",
        "name: demo\nmesh: { meshNetworks: true, ingressGateway: true }\nclusters:\n  - c1\n  - { name: c2, loadBalancer: none }\n",
        &two(
            "loadBalancer: { addresses: { ingressGateway: 172.30.255.10, istiod: 172.30.255.11 } }",
            "loadBalancer: { addresses: { eastwest: 172.30.255.30 } }",
        ),
        &two("network: flat\n    loadBalancer: { addresses: { eastWestGateway: 172.30.255.10 } }", "network: flat"),
        "name: demo\nmesh: { topology: external }\nclusters:\n  - { name: host, loadBalancer: { addresses: { eastWestGateway: 172.30.255.10 } } }\n  - w1\n",
        "name: demo\nmesh: { ingressGateway: \"true\", dnsCapture: maybe }\nclusters: [c1]\n",
    ]);
}

#[test]
fn positions_count_characters_from_one() {
    let errors = parse("name: demo\nclusters: [\"ü\", c1, c1]\n", "lab.yaml").unwrap_err();
    let positions: Vec<_> = errors.errors().iter().map(lab::scenario::ScenarioError::position).collect();
    assert_eq!(positions, [(2, 12), (2, 21)]);
}

#[test]
fn nesting_and_aliases_are_bounded() {
    let deep = format!(
        "name: demo\nmesh: {{ values: {{ pilot: {{ env: {{ a: {}{} }} }} }} }}\nclusters: [c1]\n",
        "[".repeat(200),
        "]".repeat(200)
    );
    assert!(parse(&deep, "lab.yaml").is_err());
    let mut laughs =
        "name: demo\nclusters: [c1]\nmesh:\n  values:\n    a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let previous = format!("*a{}", i - 1);
        writeln!(laughs, "    a{i}: &a{i} [{}]", [previous.as_str(); 10].join(", ")).unwrap();
    }
    assert!(parse(&laughs, "lab.yaml").is_err());
}

#[test]
fn refuses_versions_that_there_are_not_or_that_do_not_fit() {
    refused(&[
        "name: a\nversions: { kubernetes: 1.30, istio: new }\nclusters: [c1]\n",
        &two("versions: { kubernetes: v1.36.3 }", "versions: []"),
        "name: a\nmesh: { topology: primary-remote }\nclusters: [{ name: c1, versions: { istio: 1.32 } }, { name: c2, versions: { istio: 1.31 } }]\n",
    ]);
}
