//! The federation of a scenario: what is accepted and read back, what follows from it, and how each mistake is shown.

use std::collections::BTreeSet;

use lab::plan::{Lab, Plan, resolve, scenario_yaml};
use lab::scenario::{Check, MemberMode, Topology, parse, render};

fn lab(text: &str) -> Lab {
    let scenario = parse(text, "lab.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
    let lab = resolve(&scenario).unwrap();
    let written = scenario_yaml(&lab);
    let again = parse(&written, "written.yaml").unwrap_or_else(|e| panic!("{}\n{written}", render(&e)));
    assert_eq!(resolve(&again).unwrap(), lab, "{written}");
    lab
}

fn steps(lab: &Lab) -> BTreeSet<String> {
    Plan::of(lab).steps.into_iter().map(|s| s.id.0).collect()
}

fn needs(lab: &Lab, step: &str) -> Vec<String> {
    let plan = Plan::of(lab);
    let step = plan.steps.iter().find(|s| s.id.0 == step).unwrap_or_else(|| panic!("no step {step}"));
    step.needs.iter().map(|n| n.0.clone()).collect()
}

#[test]
fn everything_that_a_federation_can_say_is_written_and_read_back() {
    let lab = lab(r#"name: demo
clusters: [m, eu, { name: ap, locality: { region: asia, zone: a } }]
federation:
  manager: m
  members: [{ cluster: ap, mode: pull }, eu]
  failover: {}
  objects:
    - { apiVersion: v1, kind: Namespace, metadata: { name: demo } }
    - { apiVersion: apps/v1, kind: Deployment, metadata: { name: hello, namespace: demo }, spec: { selector: { matchLabels: { app: hello } }, template: { metadata: { labels: { app: hello } }, spec: { containers: [{ name: hello, image: hello }] } } } }
    - { apiVersion: policy.karmada.io/v1alpha1, kind: ClusterPropagationPolicy, metadata: { name: p }, spec: { x: ["1", 2, null] } }
checks:
  - federation: { deployment: demo/hello, replicas: { eu: 2, ap: 0 }, exercise: [ap] }
"#);
    let federation = lab.federation.as_ref().unwrap();
    // In the order of the clusters.
    let members: Vec<_> = federation.members.iter().map(|m| (m.cluster.as_str(), m.mode)).collect();
    assert_eq!(members, [("eu", MemberMode::Push), ("ap", MemberMode::Pull)]);
    assert_eq!(federation.failover.unwrap().toleration_seconds, 30);
    assert_eq!(federation.objects.len(), 3);
    let Check::Federation(check) = &lab.checks[0] else { panic!("{:?}", lab.checks) };
    assert_eq!((check.namespace.as_str(), check.deployment.as_str(), check.replicas["eu"]), ("demo", "hello", 2));
}

#[test]
fn the_manager_is_no_part_of_the_mesh() {
    for topology in ["multi-primary", "primary-remote", "external"] {
        let lab = lab(&format!(
            "name: demo\nmesh: {{ topology: {topology} }}\nclusters: [m, c1, c2, c3]\nfederation: {{ manager: m }}\n"
        ));
        let data: Vec<&str> = lab.data_clusters().map(|c| c.name.as_str()).collect();
        let members: Vec<&str> = lab.federation.as_ref().unwrap().members.iter().map(|m| m.cluster.as_str()).collect();
        // Only clusters that apps run in are members when none is named.
        assert_eq!(data, members, "{topology}");
        assert!(data.contains(&"c2") && !data.contains(&"m"), "{topology}: {data:?}");
        let manager = lab.cluster("m").unwrap();
        assert!(manager.pool.is_none() && manager.addresses.is_empty() && manager.published_gateway.is_none());
        assert!(lab.clusters.iter().all(|c| c.name == "m" || c.primary != "m"), "{topology}");
        let of_manager: Vec<String> =
            steps(&lab).into_iter().filter(|s| s.ends_with("/m") || s.contains("/m/")).collect();
        assert_eq!(of_manager, ["cluster/m", "federated-apps/m", "karmada/m"], "{topology}");
    }
}

#[test]
fn apps_of_the_federation_come_after_what_gives_them_sidecars() {
    let lab =
        lab("name: demo\nmesh: { topology: primary-remote }\nclusters: [c1, c2, m]\nfederation: { manager: m }\n");
    assert_eq!(needs(&lab, "karmada/m"), ["karmada-images", "cluster/m"]);
    assert_eq!(needs(&lab, "karmada-member/c2"), ["karmada/m", "cluster/c2"]);
    let federated = needs(&lab, "federated-apps/m");
    for step in ["karmada-member/c1", "karmada-member/c2", "istiod-remote/c2"] {
        assert!(federated.contains(&step.to_owned()), "{step}: {federated:?}");
    }
}

#[test]
fn without_a_mesh_there_is_nothing_of_istio() {
    let lab = lab("name: demo\nmesh: none\nclusters: [m, c1, c2]\nfederation: { manager: m }\n");
    assert_eq!(lab.mesh.topology, Topology::None);
    assert!(lab.apps.is_empty() && lab.checks.is_empty());
    let expected = [
        "apps/c1",
        "apps/c2",
        "cluster/c1",
        "cluster/c2",
        "cluster/m",
        "docker-network",
        "federated-apps/m",
        "images",
        "karmada-images",
        "karmada-member/c1",
        "karmada-member/c2",
        "karmada/m",
        "verify",
    ];
    assert_eq!(steps(&lab), expected.map(str::to_owned).into());
}

#[test]
fn clusters_without_a_mesh_may_have_a_load_balancer() {
    let lab =
        lab("name: demo\nmesh: none\nclusters: [{ name: c1, loadBalancer: { pool: 172.30.1.0-172.30.1.9 } }, c2]\n");
    assert!(lab.clusters[0].pool.is_some() && lab.clusters[0].addresses.is_empty() && lab.clusters[1].pool.is_none());
    assert!(steps(&lab).contains("metallb/c1"));
    assert!(!steps(&lab).iter().any(|s| s.starts_with("karmada") || s.starts_with("istio") || s == "root-ca"));
}

#[test]
fn refuses_federations_that_cannot_work() {
    let cases = [
        "clusters: [c1, c2]\nfederation: {}\n",
        "clusters: [c1, c2]\nfederation: c1\n",
        "clusters: [c1]\nfederation: { manager: c1 }\n",
        "clusters: [c1, c2, c3]\nfederation: { manager: c4, members: [c1] }\n",
        "clusters: [c1, c2, c3]\nfederation: { manager: c1, members: [c1, c2, { cluster: c2 }, { cluster: c3, mode: poll }, c5] }\n",
        "clusters: [c1, c2]\nfederation: { manager: c1, failover: { tolerationSeconds: 4000 } }\n",
        "clusters: [c1, c2]\nfederation: { manager: c1, failover: { tolerationSecond: soon } }\n",
        "mesh: { topology: primary-remote }\nclusters: [{ name: c1, primary: c2 }, c2, { name: c3, primary: c1 }]\nfederation: { manager: c1 }\n",
        "clusters: [{ name: c1, loadBalancer: { addresses: { eastWestGateway: 172.30.255.10 } } }, c2]\nfederation: { manager: c1 }\n",
        "clusters: [c1, c2]\napps: [sleep, helloworld: { versions: { c1: v1 } }]\nfederation: { manager: c1 }\n",
        "clusters: [c1, c2]\nfederation:\n  manager: c1\n  files: [nothing.yaml]\n  objects:\n    - { kind: Deployment }\n    - { apiVersion: v1, kind: ConfigMap, metadata: { name: a } }\n    - { apiVersion: v1, kind: ConfigMap, metadata: { name: a, namespace: default } }\n",
        "clusters: [c1, c2]\nchecks: [federation: { deployment: a/b, replicas: {} }]\n",
        "clusters: [c1, c2, c3]\nfederation: { manager: c1, members: [c2] }\nchecks:\n  - federation: { deployment: hello, replicas: { c1: 1, c3: 101, c9: 1 }, exercise: [c3] }\n  - federation: {}\n",
        "clusters: [c1, c2]\nfederation: { manager: c1, failover: {} }\napps: []\nchecks:\n  - federation: { deployment: a/b, replicas: { c2: 1 }, service: b.a:80/ }\n  - federation: { deployment: a/b, replicas: { c2: 1 }, exercise: [c2], service: b.a }\n",
        "mesh: none\nclusters: [c1, c2]\nfederation: { manager: c1, failover: {} }\nchecks: [federation: { deployment: a/b, replicas: { c2: 1 }, exercise: [c2], service: b.a:80/ }]\n",
        "mesh: none\nclusters: [c1, c2]\nchecks: [rotation, reachability, failover: { order: { c1: [c1] } }]\n",
        "mesh: none\nclusters: [{ name: c1, loadBalancer: { addresses: { ingressGateway: 172.30.255.10 } } }]\n",
    ];
    let show = |case: &&str| {
        let text = format!("name: demo\n{case}");
        match parse(&text, "lab.yaml") {
            Ok(_) => panic!("accepted:\n{case}"),
            Err(errors) => render(&errors),
        }
    };
    let shown = cases.iter().map(show).collect::<Vec<_>>().join("\n========================================\n");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("federations", shown) });
}
