//! The faults of scenario files: what is accepted and read back, and how each mistake is shown.

use lab::plan::{resolve, scenario_yaml};
use lab::scenario::{Fault, FaultKind, Limit, parse, render};

fn scenario(rest: &str) -> String {
    format!("name: demo\nclusters: [c1, {{ name: c2, nodes: {{ workers: 1 }} }}, c3]\n{rest}")
}

/// The faults of a scenario of three clusters.
fn faults(rest: &str) -> Vec<Fault> {
    let text = scenario(rest);
    let scenario = parse(&text, "lab.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
    let lab = resolve(&scenario).unwrap();
    let written = scenario_yaml(&lab);
    let again = parse(&written, "written.yaml").unwrap_or_else(|e| panic!("{}\n{written}", render(&e)));
    assert_eq!(resolve(&again).unwrap(), lab, "{written}");
    scenario.faults
}

#[test]
fn every_kind_is_written_and_read_back() {
    let all = faults(
        "mesh: { ingressGateway: [c3] }
faults:
  - partition: { between: [c1, c2] }
  - partition: { between: [network-c1], oneWay: true, how: refuse, for: 30s }
  - network: { between: [c1, c2], latency: 100ms, jitter: 20ms, loss: 5%, bandwidth: 64kbit }
  - gateway: { cluster: c2 }
  - gateway: { cluster: c3, gateway: ingress }
  - istiod: { cluster: c1, expect: { lost: 0 } }
  - discovery: { cluster: c1 }
  - apiServer: { cluster: c1, for: 90s }
  - node: { node: c2-worker, away: paused }
  - cluster: { cluster: c3, expect: { lost: { c1: 5%, c2: 3 }, answers: { c1: [c1, c2] }, failoverWithin: 5s, backWithin: 90s } }
  - pressure: { node: c2-worker, cpu: 2, memory: 512Mi }
  - dns: { cluster: c1 }
  - remoteSecret: { cluster: c1, of: c2 }
",
    );
    assert_eq!(all.len(), 13);
    assert_eq!((all[0].seconds, all[1].seconds), (20, 30));
    assert_eq!(all[0].service.to_string(), "helloworld.sample:5000/hello");
    // What is said of all is said of each that calls.
    assert_eq!(all[5].expect.lost.keys().collect::<Vec<_>>(), ["c1", "c2", "c3"]);
    assert_eq!(all[9].expect.lost["c1"], Limit::Percent(5));
    assert!(matches!(&all[12].kind, FaultKind::RemoteSecret { cluster, of } if cluster == "c1" && of == "c2"));
    assert_eq!(faults("").len(), 0);
}

#[test]
fn what_there_cannot_be_is_refused_with_its_place() {
    let cases = [
        "faults:\n  - partition: { between: [] }\n  - partition: { between: [c1, c9] }\n  - partition: { between: [c1, network-c1] }\n  - partition: {}\n",
        "faults:\n  - gateway: { cluster: c1, gateway: ingress }\n  - istiod: { cluster: c9 }\n  - node: { node: c1-worker }\n",
        "faults:\n  - apiServer: { cluster: c1, for: 91s }\n  - istiod: { cluster: c1, for: 4s }\n  - istiod: { cluster: c1, for: ever }\n",
        "faults:\n  - network: { between: [c1, c2] }\n  - network: { between: [c1, c2], jitter: 5ms, loss: 100% }\n  - pressure: { node: c1-control-plane }\n  - pressure: { node: c1-control-plane, memory: 1G }\n",
        "faults:\n  - remoteSecret: { cluster: c1, of: c1 }\n  - clockSkew\n  - earthquake: {}\n",
        "apps: [helloworld]\nfaults:\n  - istiod: { cluster: c1 }\n",
        "mesh: none\nfaults:\n  - cluster: { cluster: c1 }\n",
        "apps: [sleep, helloworld: { versions: { c1: v1, c2: v1 } }]\nchecks: []\nfaults:\n  - istiod: { cluster: c1 }\n",
    ];
    refused("faults", &cases);
}

#[test]
fn what_cannot_fail_or_cannot_pass_is_refused() {
    let cases = [
        "faults:\n  - istiod: { cluster: c1, expect: { lost: 100% } }\n  - istiod: { cluster: c1, expect: { lost: { c1: 400, c9: 1 } } }\n  - istiod: { cluster: c1, expect: { lost: many } }\n",
        "faults:\n  - partition: { between: [c1, c2], expect: { answers: { c1: [c1, c2] } } }\n  - cluster: { cluster: c2, expect: { answers: { c2: [c2], c1: [] } } }\n",
        "faults:\n  - istiod: { cluster: c1, expect: { failoverWithin: 20s, backWithin: 181s } }\n",
        "apps: [sleep, helloworld: { versions: { c1: v1, c2: v2 } }]\nchecks: []\nfaults:\n  - istiod: { cluster: c1, expect: { answers: { c1: [c3] } } }\n",
    ];
    refused("fault_expectations", &cases);
}

/// Everything that the refused files show, without the files themselves.
fn refused(name: &str, cases: &[&str]) {
    let show = |case: &&str| match parse(&scenario(case), "lab.yaml") {
        Ok(_) => panic!("accepted:\n{case}"),
        Err(errors) => render(&errors),
    };
    let shown = cases.iter().map(show).collect::<Vec<_>>().join("\n========================================\n");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, shown) });
}
