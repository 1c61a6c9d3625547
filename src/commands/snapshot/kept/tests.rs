use super::*;
use crate::plan::resolve;
use crate::scenario::parse;

fn lab(text: &str) -> Lab {
    resolve(&parse(&format!("name: a\n{text}\n"), "a.yaml").expect("a scenario")).expect("a lab")
}

const BEGUN: &str = "clusters: [c1, c2]";

fn named(text: &str, inputs: &[&str]) -> String {
    name(&lab(text), inputs.iter().map(|i| (*i).to_owned()).collect())
}

#[test]
fn the_same_of_the_same_has_the_same_name_and_nothing_else_has_it() {
    let of_a = named(BEGUN, &["stack", "layer"]);
    assert!(of_a.starts_with("a@") && is_kept(&of_a), "{of_a}");
    assert_eq!(of_a, named("# a comment moves every line\nclusters: [c1, c2]", &["stack", "layer"]));
    for (text, inputs) in [
        (BEGUN, ["stack", "another"]),
        (BEGUN, ["another", "layer"]),
        ("clusters: [c1, c2, c3]", ["stack", "layer"]),
        ("clusters: [c1, c2]\nchecks: []", ["stack", "layer"]),
        ("clusters: [c1, c2]\nmesh: { values: { meshConfig: { accessLogFile: /dev/stdout } } }", ["stack", "layer"]),
        ("clusters: [c1, c2]\ndockerNetwork: { mtu: 1400 }", ["stack", "layer"]),
        ("clusters: [c1, c2]\ndockerNetwork: { subnet: 172.30.0.0/20 }", ["stack", "layer"]),
    ] {
        assert_ne!(of_a, named(text, &inputs), "{text} {inputs:?}");
    }
    let mut renamed = lab(BEGUN);
    renamed.name = "b".to_owned();
    let digest = |name: String| name.split_once(MARK).expect("a digest").1.to_owned();
    assert_ne!(digest(of_a), digest(name(&renamed, vec!["stack".to_owned(), "layer".to_owned()])));
}

#[test]
fn what_is_kept_for_a_week_is_used_no_more() {
    let now = "2026-11-26T12:00:00Z".parse().expect("a time");
    for (taken, expected) in [
        ("2026-11-26T12:00:00Z", true),
        ("2026-11-19T12:00:00Z", true),
        ("2026-11-19T11:59:59Z", false),
        ("2026-11-26T12:00:01Z", false),
        ("", false),
    ] {
        assert_eq!(is_young(taken, now), expected, "{taken}");
    }
}

#[test]
fn the_oldest_goes_first_where_there_is_too_much() {
    let now = "2026-11-26T12:00:00Z".parse().expect("a time");
    let kept = |day: u8, bytes, name: &str| (format!("2026-11-{day}T12:00:00Z"), bytes, name.to_owned());
    let few = vec![kept(24, ROOM / 2, "b"), kept(25, ROOM / 2, "a")];
    assert!(superfluous(few.clone(), now).is_empty());
    let more = [few, vec![kept(23, 1, "c"), kept(12, 0, "old"), (String::new(), 0, "unread".to_owned())]].concat();
    assert_eq!(superfluous(more, now), ["c", "old", "unread"]);
    assert_eq!(superfluous(vec![kept(26, ROOM + 1, "whale")], now), ["whale"]);
}

#[test]
fn a_check_that_changes_the_lab_is_known() {
    let checks = |text: &str| lab(&format!("clusters: [c1, c2]\nchecks:\n  - {text}")).checks.iter().any(changes);
    for (text, expected) in [
        ("rotation", false),
        ("reachability", false),
        ("failover: { order: { c1: [c1, c2] } }", false),
        ("failover: { order: { c1: [c1, c2] }, exercise: [c1] }", true),
        ("request: { service: 'helloworld.sample:5000/hello' }", false),
        ("request: { service: 'helloworld.sample:5000/hello', method: HEAD }", false),
        ("request: { service: 'helloworld.sample:5000/hello', method: POST }", true),
    ] {
        assert_eq!(checks(text), expected, "{text}");
    }
}

#[test]
fn an_image_that_may_become_another_is_found() {
    let pod = |namespace: &str, image: &str| -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": { "namespace": namespace },
            "spec": { "containers": [{ "name": "a", "image": "own" }], "initContainers": [{ "name": "b", "image": image }] },
        }))
        .expect("a pod")
    };
    let own = ["own".to_owned()];
    let found = |pod: &Pod| images(pod).into_iter().find(|image| !is_settled(own.iter(), image)).map(str::to_owned);
    assert_eq!(found(&pod("shop", "nginx:1")).as_deref(), Some("nginx:1"));
    assert_eq!(found(&pod("shop", "nginx@sha256:00")), None);
    assert_eq!(found(&pod("shop", "own")), None);
    assert_eq!(found(&pod("kube-system", "kindnetd:1")), None);
}
