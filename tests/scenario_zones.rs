//! Nodes of one cluster in different zones: what is refused of them, and of a failover between them.

use lab::scenario::{Check, FailoverCheck, Level, Scenario, ScenarioErrors, parse, render};

/// Compares what refused files show with the snapshot of that name.
fn refused(name: &str, shown: &[String]) {
    let shown = shown.join("\n========================================\n");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, shown) });
}

#[test]
fn refuses_zones_that_nodes_cannot_have() {
    let nodes = |c1: &str| format!("name: demo\nclusters: [{{ name: c1, {c1} }}]\n");
    let cases: [&str; 9] = [
        &nodes("locality: { region: r }, nodes: { zones: [] }"),
        &nodes("locality: { region: r }, nodes: { zones: [a, b, c, d, e, f, g] }"),
        &nodes("locality: { region: r }, nodes: { zones: [a, b], workers: 1 }"),
        &nodes("nodes: { zones: [a, b] }"),
        &nodes("locality: { region: r, zone: a, subzone: s }, nodes: { zones: [a, b] }"),
        &nodes("locality: { region: r }, nodes: { zones: [eu_1, a-zone-of-twenty-one-] }"),
        &nodes("locality: { region: r }, nodes: { zones: a }"),
        "name: demo\nclusters: [{ name: c1, locality: { region: r }, nodes: { zones: [a, a] } }, c2]\napps: [sleep, helloworld: { versions: { c1: v1, c2: v1-a } }]\n",
        "name: demo\nclusters: [{ name: c1, locality: { region: r }, nodes: { zones: [a, b] } }]\napps:\n  - helloworld\n  - manifests: { namespace: sample, objects: [{ apiVersion: apps/v1, kind: Deployment, metadata: { name: helloworld-v1-b } }] }\n",
    ];
    let show = |text: &&str| format!("{text}\n{}", render(&parse(text, "lab.yaml").expect_err(text)));
    refused("zones", &cases.iter().map(show).collect::<Vec<_>>());
    let twice = nodes("locality: { region: r }, nodes: { zones: [a, a, b] }");
    let twice = parse(&twice, "lab.yaml").expect("valid");
    assert_eq!((twice.clusters[0].workers, twice.clusters[0].zones.len()), (2, 3));
}

#[test]
fn refuses_failovers_between_zones_that_are_not_there() {
    let zoned = |check: &str| -> Result<Scenario, ScenarioErrors> {
        let clusters = "clusters: [{ name: c1, locality: { region: r }, nodes: { zones: [a, b] } }, c2, c3]";
        let text = format!("name: demo\n{clusters}\nchecks:\n  - failover: {{ {check} }}\n");
        parse(&text, "lab.yaml")
    };
    let cases = [
        "order: { c1: [c1/a, c1/b] }",
        "order: { c1/z: [c1/a], c2/a: [c2], c2: [c1/c, c9/a] }",
        "order: { c1/a: [c1/a, c1, [c2, c1/a], []] }",
        "order: { c1/a: [c1, c2], c1/b: [[c1/b, c1/a], c2], c2: [c2] }, exercise: [c1/a, c1/b, c1, c2]",
        "order: { c1/a: [{ c1: a }] }",
    ];
    refused("failovers", &cases.map(|check| render(&zoned(check).expect_err(check))));

    let check = "order: { c1/a: [c1/a, c1/b, [c2, c3]], c2: [[c2, c3], c1] }, exercise: [c1/a]";
    let Check::Failover(failover) = zoned(check).expect("valid").checks[0].clone() else { panic!("a failover") };
    let levels = failover.order.values().map(|levels| {
        let level = |level: &Level| level.sites().iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
        levels.iter().map(level).collect::<Vec<_>>()
    });
    assert_eq!(levels.collect::<Vec<_>>(), [vec!["c1/a", "c1/b", "c2+c3"], vec!["c2+c3", "c1"]]);
    let stored = serde_json::to_string(&failover.order).expect("JSON");
    assert_eq!(stored, r#"{"c1/a":["c1/a","c1/b",["c2","c3"]],"c2":[["c2","c3"],"c1"]}"#);
    assert_eq!(serde_json::from_str::<FailoverCheck>(&serde_json::to_string(&failover).unwrap()).unwrap(), failover);
}
