//! What verbs print with `--output json`, and the schemas of that (`lab schema --output VERB`). Scripts rely on both: a snapshot that changes by more than
//! an addition breaks them. Outputs of labs are held against the schemas by every end-to-end test (`tests/e2e/mod.rs`).

#[expect(dead_code, reason = "other tests use the rest")]
mod machine;
mod validator;

use std::collections::BTreeMap;

use lab::commands::dev::{DevEvent, Done, Happened, Phase as DevPhase};
use lab::commands::diff::Difference;
use lab::verdict::{
    AppStatus, Calls, Cell, ClusterStatus, Endpoint, Explanation, FaultEvent, FaultSource, FaultStatus, FaultVerdict,
    FederationStatus, Finding, GatewayStatus, Held, Hop, Judgement, LabStatus, LastVerdict, LinkVerdict, MachineReport,
    Measure, MemberReplicas, MemberStatus, NodeStatus, Passage, Phase, Proof, ProxyStatus, RemoteCluster, Replicas,
    Role, Round, Soak, SourceVerdict, Span, Spread, Trace, Trial, Trialled, Verdict, Way,
};
use machine::{Machine, scenario};
use serde::Serialize;
use serde_json::{Value, json};
use validator::mistakes;

const VERBS: [&str; 20] = [
    "up",
    "diff",
    "verify",
    "prove",
    "soak",
    "rotate",
    "upgrade",
    "explain",
    "trace",
    "doctor",
    "plan",
    "list",
    "status",
    "fault",
    "dev",
    "restore",
    "snapshots-list",
    "images-list",
    "version",
    "self-check",
];

fn schema(verb: &str) -> Value {
    let printed = Machine::new().run(&["schema", "--output", verb]).printed();
    serde_json::from_str(&printed).expect("JSON")
}

#[test]
fn schemas_stay_as_scripts_know_them() {
    for verb in VERBS {
        insta::assert_snapshot!(verb, format!("{:#}", schema(verb)));
    }
    let unknown = Machine::new().run(&["schema", "--output", "down"]).refused(2);
    assert!(unknown.stderr.contains("possible values: up, diff"), "{}", unknown.stderr);
}

/// Whether a value fits, and what is like it does not.
fn fits(verb: &str, value: &Value) {
    let schema = schema(verb);
    assert_eq!(mistakes(&schema, value, verb), [""; 0], "{value:#}");
    let Some(fields) = value.as_object() else { return };
    for field in fields.keys() {
        let mut without = value.clone();
        without.as_object_mut().expect("fields").remove(field);
        let required = schema["required"].as_array().is_some_and(|all| all.contains(&json!(field)));
        assert_eq!(!mistakes(&schema, &without, verb).is_empty(), required, "{verb} without {field}");
        let mut other = value.clone();
        other[field] = json!({ "unlike": "anything" });
        assert!(!mistakes(&schema, &other, verb).is_empty(), "{verb} with another {field}");
    }
    let mut more = value.clone();
    more["more"] = json!(1);
    assert_eq!(mistakes(&schema, &more, verb).len(), 1, "{verb} with one more field");
}

fn printed(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

#[test]
fn every_plan_fits() {
    let schema = schema("plan");
    let machine = Machine::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("scenarios") {
        let name = file.expect("a file").file_name().into_string().expect("text");
        if name.ends_with(".yaml") {
            let plan = machine.run(&["plan", &scenario(&name), "--output", "json"]).printed();
            let plan: Value = serde_json::from_str(&plan).expect("JSON");
            assert_eq!(mistakes(&schema, &plan, &name), [""; 0]);
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn what_needs_no_lab_fits() {
    let machine = Machine::new();
    for (verb, words) in [
        ("version", &["version"][..]),
        ("self-check", &["self-check"]),
        ("doctor", &["doctor"]),
        ("snapshots-list", &["snapshots", "list"]),
    ] {
        let ran = machine.run(&[words, &["--output", "json"]].concat());
        let value: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{verb}: {e}: {}", ran.stderr));
        assert_eq!(mistakes(&schema(verb), &value, verb), [""; 0], "{value:#}");
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn finding() -> Finding {
    Finding {
        cause: text("c1 and c2 trust different roots"),
        evidence: text("two digests"),
        remedy: text("run lab up"),
    }
}

fn counts<const N: usize>(of: [(&str, u32); N]) -> BTreeMap<String, u32> {
    of.map(|(name, count)| (text(name), count)).into()
}

fn fault() -> FaultVerdict {
    let source = FaultSource {
        cluster: text("c1"),
        sent: 100,
        lost: 2,
        answers: counts([("c1", 60), ("c2", 40)]),
        failover: Some(1.5),
        within: [Some(12.0), None],
        errors: counts([("503", 2)]),
        ..FaultSource::default()
    };
    FaultVerdict {
        fault: text("istiod of c1 is gone"),
        kind: text("istiod"),
        service: text("helloworld.sample:5000/hello"),
        seconds: 20,
        sources: vec![source],
        timeline: vec![FaultEvent { at: 0.5, what: text("it is gone") }],
        problems: vec![],
    }
}

#[test]
fn verdicts_fit() {
    let source = SourceVerdict {
        check: text("rotation helloworld.sample:5000/hello"),
        cluster: text("c1"),
        zone: Some(text("a")),
        requests: 57,
        failures: 1,
        versions: counts([("v1", 28), ("v2", 28)]),
        errors: counts([("503 no healthy upstream", 1)]),
        endpoints: vec![Endpoint { address: text("10.0.0.1:5000"), healthy: true, ..Endpoint::default() }],
        measures: vec![Measure { what: text("p95"), value: 1.25, unit: text("ms") }],
        ..SourceVerdict::default()
    };
    let cell = Cell {
        from: text("c1"),
        to: text("c2"),
        kind: Way::NodePort,
        expected: false,
        found: false,
        evidence: text("nothing answered"),
    };
    let members = vec![MemberReplicas { cluster: text("c1"), expected: 2, found: None }];
    let spread = Spread { check: text("federation a/b"), members, problems: vec![], measures: vec![] };
    let link = LinkVerdict { from: text("c1"), to: text("c2"), found: text("one root"), finding: Some(finding()) };
    let verdict = Verdict {
        lab: text("demo"),
        passed: false,
        at: text("2026-01-01T00:00:00Z"),
        sources: vec![source],
        reachability: vec![cell],
        links: vec![link],
        federation: vec![spread],
        faults: vec![fault()],
        findings: vec![finding()],
    };
    for verb in ["up", "verify", "restore"] {
        fits(verb, &printed(&verdict));
    }
    fits("fault", &printed(&fault()));
}

#[test]
fn what_changes_a_lab_fits() {
    let calls = Calls { sent: 10, lost: counts([("503", 1)]) };
    let phase = Phase { name: text("istiod of c1"), restarts: false, took: 1.5, calls: [(text("c1"), calls)].into() };
    let passage = Passage::of("demo", "root certificate replaced", vec![phase]);
    fits("rotate", &printed(&passage));
    fits("upgrade", &printed(&passage));

    let trial = Trial {
        what: text("istiod of c1 stopped"),
        is_own: true,
        outcome: Trialled::Unnamed,
        red: [(text("rotation"), vec![text("c1")])].into(),
        finding: None,
        problems: vec![text("nobody named it")],
        red_after: 3.5,
        green_after: 9.0,
    };
    let proof = Proof { lab: text("demo"), passed: false, trials: vec![trial], worthless: vec![text("rotation")] };
    fits("prove", &printed(&proof));

    let round = Round {
        at: 0.0,
        fault: fault(),
        well_after: 2.5,
        endpoints: [(text("c1"), 2)].into(),
        held: Held { memory: Some(1 << 20), files: None },
        problems: vec![],
    };
    fits("soak", &printed(&Soak::of("demo", (7, 60), 63.0, true, vec![round])));

    // All of it is left out where nothing would change.
    fits("diff", &printed(&Difference::default()));
}

#[test]
fn what_happens_in_development_fits() {
    for event in [Happened::Edited, Happened::Live, Happened::Unchanged] {
        fits("dev", &printed(&DevEvent::of(event)));
    }
    let event = DevEvent {
        event: Happened::Failed,
        after: Some(1.5),
        files: vec![text("main.go")],
        clusters: vec![text("c1")],
        image: Some(text("lab.internal/demo/hello:0123")),
        bytes: Some(1000),
        object: Some(text("Deployment sample/hello")),
        done: Some(Done::Changed),
        pod: Some(text("hello-0")),
        container: Some(text("hello")),
        line: Some(text("a line")),
        phase: Some(DevPhase::Build),
        problem: Some(text("main.go:1: no")),
        remedy: Some(text("correct it")),
    };
    fits("dev", &printed(&event));
}

#[test]
fn what_looks_at_a_lab_fits() {
    let hop = |finding| Hop { name: "trust roots", found: text("the same"), finding };
    let explanation = Explanation {
        lab: text("demo"),
        from: text("c1"),
        to: text("c2"),
        service: text("helloworld.sample:5000/hello"),
        hops: vec![hop(None), hop(Some(finding()))],
        answered: None,
    };
    fits("explain", &printed(&explanation));

    let span = Span {
        role: Role::Gateway,
        cluster: text("c2"),
        pod: text("istio-system/gateway"),
        start: -3,
        micros: None,
        status: None,
        tries: Some(2),
        to: Some(text("10.0.0.1:5000")),
        to_whom: None,
        identity: None,
        said: None,
    };
    let trace = Trace {
        lab: text("demo"),
        from: text("c1"),
        caller: text("sample/sleep"),
        service: text("helloworld.sample:5000/hello"),
        id: text("7"),
        status: 200,
        error: String::new(),
        micros: 1500,
        spans: vec![span],
    };
    fits("trace", &printed(&trace));
    fits(
        "doctor",
        &printed(&MachineReport::new(text("demo"), vec![], vec![Judgement::warning("disk", "full", "free some")])),
    );
    fits("status", &printed(&status()));
}

fn status() -> LabStatus {
    let node = NodeStatus { name: text("demo-c1-control-plane"), running: true, ..NodeStatus::default() };
    let replicas = Replicas { ready: 1, wanted: 2 };
    let proxy = ProxyStatus {
        name: text("sleep.sample"),
        kind: text("sidecar"),
        synced: false,
        pending: vec![text("Listener")],
        rejected: [(text("Listener"), text("no"))].into(),
    };
    let cluster = ClusterStatus {
        name: text("c1"),
        api_server: "ready",
        nodes: vec![node],
        istiod: Some(replicas),
        remote_clusters: vec![RemoteCluster { name: text("c2"), sync: text("synced") }],
        gateways: vec![GatewayStatus { name: "gateway", planned: text("10.0.0.1"), addresses: None, replicas: None }],
        apps: vec![AppStatus { namespace: text("a"), kind: "Deployment", name: text("b"), replicas }],
        proxies: vec![proxy],
        ..ClusterStatus::default()
    };
    let members = vec![MemberStatus { cluster: text("c1"), mode: "push", ready: None }];
    LabStatus {
        lab: text("demo"),
        clusters: vec![cluster],
        federation: Some(FederationStatus { manager: text("m"), api: "ready", members }),
        faults: vec![FaultStatus { fault: text("istiod of c1 is gone"), kind: "istiod", left: 3 }],
        mirrors: vec![text("calls to web.shop:80 in c1 reach port 8080 of this machine")],
        last_verdict: Some(LastVerdict { passed: true, at: text("2026-01-01T00:00:00Z"), causes: vec![] }),
        ..LabStatus::default()
    }
}
